"""What built models are compared on: media shipped beside the manifests, and how to report it."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
import PIL.Image
from numpy.typing import NDArray

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest, manifests_dir
from glasses_signals.models.sessions import cpu_flags, multiplies_integers

PARITY_PHOTOS = ("cat.jpg", "coffee.jpg", "galaxies.jpg", "rocket.jpg")
PARITY_VIEWS = 50


def speech_clip() -> NDArray[np.float32]:
    """Eleven seconds of real speech (J. F. Kennedy, 1961; public domain): float32 [N], 16 kHz."""
    with wave.open(str(manifests_dir() / "parity" / "jfk.wav"), "rb") as clip:
        samples = np.frombuffer(clip.readframes(clip.getnframes()), "<i2")
    return (samples / np.float32(1 << 15)).astype(np.float32)


def run_named(
    session: onnxruntime.InferenceSession, feeds: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """All outputs of one run, by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def empty_past(decoder: onnxruntime.InferenceSession) -> dict[str, NDArray[Any]]:
    """The self-attention memory of one row before its first token."""
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    return {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), types[node.type])
        for node in decoder.get_inputs()
        if node.name.startswith("past_")
    }


def require(manifest: Manifest, bound: str, value: float, at_least: bool = False) -> float:
    """Give `value` back if it keeps the manifest's `[parity]` bound (a maximum unless `at_least`).

    BadModel when it doesn't, or when the manifest names no such bound. Bounds of 8 bit, `*_int8`,
    hold on CPUs that run it: others cut off sums of two products at 16 bit, which says nothing
    of the graph, and run another variant.
    """
    if bound not in manifest.parity:
        raise BadModel(f"{manifest.path}: [parity] needs {bound}")
    limit = manifest.parity[bound]
    kept = value >= limit if at_least else value <= limit
    telling = not bound.endswith("_int8") or multiplies_integers(cpu_flags())
    if telling and not kept:
        raise BadModel(
            f"{bound} is {value:.6g}, and {manifest.path} wants "
            f"{'at least' if at_least else 'at most'} {limit:.6g}: the build differs from its "
            "reference; try the package versions that `glasses-signals[build]` pins"
        )
    return value


def parity_views(size: int) -> NDArray[np.uint8]:
    """Different crops, mirrored and dimmed, of the shipped photos: uint8 [50, size, size, 3]."""
    random = np.random.default_rng(0)
    views = []
    for index in range(PARITY_VIEWS):
        path = manifests_dir() / "parity" / PARITY_PHOTOS[index % len(PARITY_PHOTOS)]
        photo = PIL.Image.open(path).convert("RGB")
        side = min(photo.size) * random.uniform(0.6, 1.0)
        left = random.uniform(0, photo.width - side)
        top = random.uniform(0, photo.height - side)
        box = (left, top, left + side, top + side)
        view = np.asarray(photo.resize((size, size), PIL.Image.Resampling.BICUBIC, box=box))
        view = (view * random.uniform(0.7, 1.0)).astype(np.uint8)
        views.append(view[:, ::-1] if index % 2 else view)
    return np.ascontiguousarray(np.stack(views))
