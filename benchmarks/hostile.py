"""Feeds mutated media and manifests to the decode pool and to whole runs; nothing may break.

    python benchmarks/hostile.py --media 20000 --manifests 2000 [--seed 1] [--json FILE]

Media go through the pool of decode workers, mixed with whole files, which must come out exactly
as they do alone. Manifests go through `extract` on the command line, all in one folder of uploads
with whole bundles and the nastiest files known, and every whole item must be done at the end. A
crash is a pool or a run that ends early, a hang one that gives nothing for minutes.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from made_uploads import AS_OF, SAMPLES, account_ids, write_accounts, write_bundles
from results import write_json

from glasses_signals.ledger.ledger import Ledger
from glasses_signals.media.decode import DecodeLimits, DecodeSettings, decode_file
from glasses_signals.media.pool import DecodePool, DecodeResult, DecodeTask
from glasses_signals.records import ItemState, Source
from glasses_signals.uploads.bundles import MEDIA_KINDS
from glasses_signals.uploads.fields import stable_id

LIMITS = DecodeLimits(photo_s=10, voice_s=20, video_s=30)
HANG_S = 300
WHOLE_SHARE = 0.05
ACCOUNT = account_ids(1)[0]
NASTY = (
    *(None, True, -1, 0, 1e400, 10**400, "", " ", "a" * 100_000, "\0", "\ud800", "\u202e", "é"),
    *(
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\x",
        "a/../../b",
        "\\\\host\\x",
        ".",
        "upload.json",
    ),
    *([], {}, [[[]]], {"path": {}}, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59"),
    *(
        "9999-12-31T23:59:59-23:59",
        "2026-01-05T10:00:00",
        "photo\n",
        "🤓" * 300,
        "file:///etc/passwd",
    ),
)


# Media


def originals(folder: Path) -> list[Path]:
    """Small whole files of every kind and container among the samples."""
    write_bundles(folder / "made", [ACCOUNT], photos=1, voices=1, videos=1)
    made = sorted((folder / "made").glob("*/*.*"))
    picture = cv2.imread(str(next(p for p in made if p.suffix == ".jpg")))
    assert picture is not None
    for suffix in ("png", "webp"):
        cv2.imwrite(str(folder / f"photo.{suffix}"), picture)
    heard = [
        sorted((SAMPLES / "uploads").glob(f"*/voice-*{s}"))
        for s in (".mp3", ".m4a", ".ogg", ".wav")
    ]
    heic = sorted((SAMPLES / "uploads").glob("*/photo-*.heic"))
    chosen = [min(found, key=lambda p: p.stat().st_size) for found in [*heard, heic] if found]
    return [*(p for p in made if p.suffix != ".json"), *folder.glob("photo.*"), *chosen]


def mutate(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """One to four random damages: bits, lengths, cuts, holes, repeats, pieces of another file."""
    mutated = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(max(1, len(mutated)))
        if chance.random() < 0.5:
            at %= 512  # headers, where most of the sense lies
        size = chance.choice([1, 4, 16, 256, 4096])
        match chance.randrange(8):
            case 0:
                mutated[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                mutated[at : at + 4] = chance.choice(
                    [b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"]
                )
            case 2:
                del mutated[at:]
            case 3:
                del mutated[at : at + size]
            case 4:
                mutated[at:at] = chance.randbytes(size)
            case 5:
                mutated[at:at] = mutated[at : at + size] * chance.randint(1, 8)
            case 6:
                mutated[at : at + size] = bytes(size)
            case 7:
                start = chance.randrange(len(other))
                mutated[at : at + size] = other[start : start + size]
    return bytes(mutated)


def content(result: DecodeResult) -> str:
    """A hash of all that was decoded; the same for whatever was refused."""
    digest = hashlib.sha256()
    if result.image is not None:
        digest.update(result.image.pixels.tobytes())
    if result.waveform is not None:
        digest.update(result.waveform.samples.tobytes())
    for frame in result.frames:
        digest.update(frame.image.pixels.tobytes())
    return digest.hexdigest()


def attack_pool(folder: Path, count: int, chance: random.Random) -> dict[str, Any]:
    """Decode `count` mutated files between whole ones; counts of what became of them."""
    settings = DecodeSettings(limits=LIMITS)
    files = originals(folder)
    data = {path: path.read_bytes() for path in files}
    kinds = {path: MEDIA_KINDS[path.suffix].value for path in files}
    alone = {p: content(decode_file(DecodeTask("", str(p), kinds[p]), settings)) for p in files}
    names = list(data)

    def tasks() -> Iterator[DecodeTask]:
        mutated = 0
        while mutated < count:
            original = chance.choice(names)
            if chance.random() < WHOLE_SHARE:
                yield DecodeTask(str(original), str(original), kinds[original])
                continue
            path = folder / f"mutated-{mutated}{original.suffix}"
            path.write_bytes(mutate(data[original], chance, data[chance.choice(names)]))
            mutated += 1
            yield DecodeTask("", str(path), kinds[original])

    outcomes: Counter[str] = Counter()
    with DecodePool(2, settings) as pool:
        sent: list[DecodeTask] = []
        for done, result in enumerate(pool.decode(note(tasks(), sent))):
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            task, sent[done] = sent[done], None  # type: ignore[call-overload]
            if result.key:
                same = content(result) == alone[Path(result.key)]
                outcomes["whole" if same and result.error is None else "whole_lost"] += 1
            else:
                outcomes[verdict(result)] += 1
                Path(task.path).unlink()
    faulthandler.cancel_dump_traceback_later()
    return dict(sorted(outcomes.items()))


def note(tasks: Iterator[DecodeTask], sent: list[DecodeTask]) -> Iterator[DecodeTask]:
    for task in tasks:
        sent.append(task)
        yield task


def verdict(result: DecodeResult) -> str:
    if result.error is None:
        return "decoded"
    for reason in ("decoder died", "took over"):
        if reason in result.error:
            return reason
    return "refused"


# Manifests


def mutate_manifest(manifest: dict[str, Any], chance: random.Random) -> bytes:
    """Values replaced, removed, doubled or nested too deep; then, at times, bytes damaged."""
    for _ in range(chance.randint(1, 3)):
        target = (
            chance.choice([manifest, *manifest["items"]]) if manifest.get("items") else manifest
        )
        key = chance.choice(list(target) or ["format"])
        match chance.randrange(6):
            case 0 | 1 | 2:
                target[key] = chance.choice(NASTY)
            case 3:
                target.pop(key, None)
            case 4:
                target[chance.choice(["x", "sha256", "device"])] = chance.choice(NASTY)
            case 5:
                manifest["items"] = chance.choice([manifest.get("items"), NASTY[0], "items", {}])
        if not isinstance(manifest.get("items"), list):
            break
        if not all(isinstance(item, dict) for item in manifest["items"]):
            break
    text = json.dumps(manifest).encode()
    match chance.randrange(8):
        case 0:
            return mutate(text, chance, text)
        case 1:
            return text.replace(b"[", b"[" * chance.choice([1, 100_000]), 1)
        case 2:
            return text.replace(b'"photo"', b'"photo", "kind": "voice"', 1)
    return text


def nasty_files(folder: Path) -> list[str]:
    """What an attacker would put into a bundle, as `photo` or `voice`; the names."""
    (folder / "empty.jpg").write_bytes(b"")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    for name, target in (("out", "/etc/passwd"), ("zero", "/dev/zero"), ("loop", "loop.jpg")):
        (folder / f"{name}.jpg").symlink_to(target)
    (folder / "huge.png").write_bytes(png(50_000, 50_000, b""))
    (folder / "bomb.png").write_bytes(png(30_000, 30_000, zlib.compress(bytes(30_001 * 30_000), 1)))
    jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    at = jpeg.index(b"\xff\xc0") + 5
    (folder / "huge.jpg").write_bytes(
        jpeg[:at] + struct.pack(">HH", 50_000, 50_000) + jpeg[at + 4 :]
    )
    wav = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    with (folder / "endless.wav").open("wb") as file:
        file.write(wav + b"data\xff\xff\xff\xff")
        file.truncate(1 << 29)  # over four hours of silence, sparse on disk
    return sorted(p.name for p in folder.iterdir())


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A grey 8-bit PNG; without pixels only its header is true."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def attack_run(folder: Path, count: int, chance: random.Random, wholes: int) -> dict[str, Any]:
    """Extract `count` bundles with mutated manifests, nasty files, and `wholes` whole photos."""
    uploads, accounts, out = folder / "uploads", folder / "accounts.jsonl", folder / "out"
    write_accounts(accounts, [ACCOUNT])
    write_bundles(uploads / "whole", [ACCOUNT], photos=wholes, bundle_items=4)
    good = good_items(uploads / "whole")
    photo = next((uploads / "whole").glob("*/*.jpg"))
    for number in range(count):
        bundle = uploads / f"mutated-{number:05}"
        bundle.mkdir()
        os.link(photo, bundle / "photo.jpg")
        entry = {"path": "photo.jpg", "kind": "photo", "captured_at": "2026-01-06T00:00:00Z"}
        items = [{**entry, "ai_interaction": True} for _ in range(chance.randint(1, 2))]
        manifest = {"format": "glasses-upload/1", "upload_id": bundle.name, "items": items}
        text = mutate_manifest({**manifest, "account_id": ACCOUNT}, chance)
        (bundle / "upload.json").write_bytes(text)
    write_nasty_bundles(uploads)
    command = ["extract", str(uploads), "--accounts", str(accounts), "--out", str(out), "--json"]
    command += ["--device", "cpu", "--as-of", AS_OF]
    try:
        run = subprocess.run(
            [sys.executable, "-m", "glasses_signals", *command],
            capture_output=True,
            text=True,
            timeout=HANG_S + count,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"hangs": 1}
    result: dict[str, Any] = {
        "crashes": int(run.returncode not in (0, 2) or "Traceback" in run.stderr)
    }
    if result["crashes"]:
        return {**result, "stderr": run.stderr[-2000:]}
    with Ledger(out / "ledger.sqlite") as ledger:
        found = [ledger.known(item) for item in good]
        refused = len(ledger.quarantined())
    lost = sum(known is None or known.state is not ItemState.DONE for known in found)
    return {**result, "good": len(good), "good_lost": lost, "quarantined": refused}


def good_items(root: Path) -> list[str]:
    manifests = [json.loads(path.read_text()) for path in sorted(root.glob("*/upload.json"))]
    return [
        stable_id(Source.GLASSES, m["account_id"], m["upload_id"], item["path"])
        for m in manifests
        for item in m["items"]
    ]


def write_nasty_bundles(uploads: Path) -> None:
    nasty = uploads / "nasty"
    nasty.mkdir()
    entry = {"captured_at": "2026-01-06T00:00:00Z", "ai_interaction": True}
    items = [
        {**entry, "path": name, "kind": "voice" if name.endswith(".wav") else "photo"}
        for name in nasty_files(nasty)
    ]
    manifest = {
        "format": "glasses-upload/1",
        "upload_id": "n",
        "account_id": ACCOUNT,
        "items": items,
    }
    (nasty / "upload.json").write_text(json.dumps(manifest))
    large = uploads / "large"
    large.mkdir()
    with (large / "upload.json").open("wb") as file:
        file.truncate(1 << 30)
    strange = Path(os.fsdecode(os.fsencode(uploads) + b"/\xff\xfe"))
    strange.mkdir()
    shutil.copy(nasty / "upload.json", strange)
    (uploads / "piped").mkdir()
    os.mkfifo(uploads / "piped" / "upload.json")
    deep = uploads.joinpath(*["d"] * 200)
    deep.mkdir(parents=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--media", type=int, default=20_000)
    parser.add_argument("--manifests", type=int, default=2_000)
    parser.add_argument("--wholes", type=int, default=40, help="whole photos among the manifests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    media = attack_pool(folder, options.media, random.Random(options.seed))
    runs = attack_run(folder, options.manifests, random.Random(options.seed), options.wholes)
    result = {"media": media, "manifests": runs}
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)
    lost = media.get("whole_lost", 0) + runs.get("good_lost", 0)
    bad = lost + runs.get("hangs", 0) + runs.get("crashes", 0)
    if not bad:
        shutil.rmtree(folder)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
