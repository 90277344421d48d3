"""Uploads in any number, made from the samples: for the scale, crash and hostile-input scripts.

Every item differs from the others (crops, cuts, wordings), so that nothing counts as a duplicate.
The same seed makes the same bytes.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from glasses_signals.times import format_time

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLES = REPOSITORY / "samples"
SPEECH = REPOSITORY / "tests" / "media" / "jfk.flac"
START = datetime(2026, 1, 5, tzinfo=UTC)
AS_OF = "2026-02-01T00:00:00Z"
PHOTO_SIDE = 256
CLIP_S = 2
RATE = 16_000
GOLDEN = (5**0.5 - 1) / 2  # its multiples, modulo one, fill the unit interval evenly


def account_ids(count: int) -> list[str]:
    return [f"acct-{n:06}" for n in range(count)]


def write_accounts(path: Path, accounts: Sequence[str]) -> None:
    """Accounts that allow everything."""
    facts = {
        "region": "US",
        "linked_products": ["glasses", "chat", "imagine", "feed", "ads"],
        "notice_sent_at": "2025-12-20T00:00:00Z",
        "ads_opt_out": False,
        "minor": False,
    }
    lines = [json.dumps({"account_id": account, **facts}) for account in accounts]
    path.write_text("\n".join(lines) + "\n")


def write_chats(path: Path, count: int, accounts: Sequence[str], seed: int = 0) -> None:
    """`count` messages in the words of the package's example sentences."""
    chance = random.Random(seed)
    wordings = _wordings()
    with path.open("w") as file:
        for number in range(count):
            message = {
                "account_id": chance.choice(accounts),
                "message_id": f"m-{number:08}",
                "sent_at": _moment(chance),
                "text": f"{chance.choice(wordings)} {chance.choice(wordings)}",
            }
            file.write(json.dumps(message) + "\n")


def _wordings() -> list[str]:
    folder = files("glasses_signals.interests").joinpath("data/examples")
    tables = sorted((f for f in folder.iterdir() if f.name.endswith(".tsv")), key=lambda f: f.name)
    lines = [line for table in tables for line in table.read_text().splitlines()[1:]]
    return [line.split("\t")[2] for line in lines if line.count("\t") == 2]


def write_bundles(
    root: Path,
    accounts: Sequence[str],
    photos: int = 0,
    voices: int = 0,
    videos: int = 0,
    seed: int = 0,
    bundle_items: int = 50,
) -> None:
    """Bundles of up to `bundle_items` small media each: JPEGs, FLAC clips of 2 s, MP4s of 2 s."""
    chance = random.Random(seed)
    pictures, speech = _pictures(), _speech()
    kinds = dealt_evenly({"photo": photos, "voice": voices, "video": videos})
    clips = itertools.count()
    for start in range(0, len(kinds), bundle_items):
        folder = root / f"u-{start // bundle_items:05}"
        folder.mkdir(parents=True)
        items = []
        for number, kind in enumerate(kinds[start : start + bundle_items]):
            name = f"{kind}-{number:04}.{ {'photo': 'jpg', 'voice': 'flac', 'video': 'mp4'}[kind] }"
            if kind == "photo":
                write_photo(folder / name, chance, pictures)
            elif kind == "voice":
                write_voice(folder / name, next(clips), speech)
            else:
                write_video(folder / name, chance, pictures)
            items.append(_entry(name, kind, chance))
        write_manifest(folder, chance.choice(accounts), items)


def dealt_evenly(counts: Mapping[str, int]) -> list[str]:
    """Each name as often as it says, in an order of which any stretch is like any other."""
    places = [((n + 0.5) / count, name) for name, count in counts.items() for n in range(count)]
    return [name for _, name in sorted(places)]


def write_manifest(folder: Path, account: str, items: list[dict[str, Any]]) -> None:
    manifest = {
        "format": "glasses-upload/1",
        "upload_id": folder.name,
        "account_id": account,
        "items": items,
    }
    (folder / "upload.json").write_text(json.dumps(manifest))


def _entry(name: str, kind: str, chance: random.Random) -> dict[str, Any]:
    return {"path": name, "kind": kind, "captured_at": _moment(chance), "ai_interaction": True}


def _moment(chance: random.Random) -> str:
    return format_time(START + timedelta(seconds=chance.randrange(25 * 86_400)))


def _pictures() -> list[NDArray[np.uint8]]:
    paths = sorted((SAMPLES / "uploads").glob("*/photo-*.*"))
    read = (cv2.imread(str(path)) for path in paths if path.suffix != ".heic")
    return [_shrunk(p) for p in read if p is not None and min(p.shape[:2]) > 300]


def _shrunk(picture: Any) -> NDArray[np.uint8]:
    """At most twice as large as a made photo, so that thousands are cut out of it quickly."""
    scale = min(1.0, 2 * PHOTO_SIDE / min(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _speech() -> NDArray[np.int16]:
    with av.open(str(SPEECH)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        blocks = [b.to_ndarray() for f in container.decode(audio=0) for b in resampler.resample(f)]
    return np.concatenate(blocks, axis=1)[0]


def write_photo(path: Path, chance: random.Random, pictures: Sequence[NDArray[np.uint8]]) -> None:
    cv2.imwrite(str(path), _crop(chance, pictures), [cv2.IMWRITE_JPEG_QUALITY, 85])


def _crop(chance: random.Random, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    picture = chance.choice(pictures)
    height, width = picture.shape[:2]
    side = chance.randint(min(height, width) * 3 // 4, min(height, width))
    top, left = chance.randint(0, height - side), chance.randint(0, width - side)
    square = picture[top : top + side, left : left + side]
    small = cv2.resize(square, (PHOTO_SIDE, PHOTO_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def write_voice(path: Path, number: int, speech: NDArray[np.int16]) -> None:
    """The cut of this number: words cut in two are heard again and again, at ten times the cost, so
    any stretch of numbers has its share of them."""
    length = CLIP_S * RATE
    start = int((number * GOLDEN + 0.5) % 1 * (len(speech) - length))
    _write_sound(path, speech[start : start + length])


def _write_sound(path: Path, samples: NDArray[np.int16]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def write_video(path: Path, chance: random.Random, pictures: Sequence[NDArray[np.uint8]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = PHOTO_SIDE
        stream.pix_fmt = "yuv420p"
        picture = _crop(chance, pictures)
        for number in range(10 * CLIP_S):
            moved = np.roll(picture, 4 * number, axis=1)
            frame = av.VideoFrame.from_ndarray(moved, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
