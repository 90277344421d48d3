"""RapidOCR: its published ONNX files as they are, checked by reading a drawn line."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from glasses_signals.errors import BadModel
from glasses_signals.models.manifest import Manifest
from glasses_signals.models.recipes.parity import require

PARTS = ("detector", "turner", "recogniser")
DRAWN = "FISHING TACKLE"
SIZE = (320, 48)


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Copy the models and the recogniser's characters; fact: how surely it reads a drawn line."""
    for part in PARTS:
        shutil.copyfile(sources[part], out / f"{part}.onnx")
    recorded = {p.key: p.value for p in onnx.load(sources["recogniser"]).metadata_props}
    if "character" not in recorded:
        raise BadModel(
            f"{sources['recogniser']} does not name its characters: metadata `character`"
        )
    (out / "characters.txt").write_text(recorded["character"], encoding="utf-8")
    text, confidence = _read(out / "recogniser.onnx", ["", *recorded["character"].split("\n"), " "])
    if text.strip() != DRAWN:
        raise BadModel(f"{manifest.path}: the recogniser reads {text!r} where {DRAWN!r} is drawn")
    return {"confidence": require(manifest, "min_confidence", confidence, at_least=True)}


def _read(recogniser: Path, characters: list[str]) -> tuple[str, float]:
    sign = PIL.Image.new("RGB", SIZE, "white")
    font = PIL.ImageFont.load_default(size=32)
    PIL.ImageDraw.Draw(sign).text((8, 4), DRAWN, fill="black", font=font)
    line = np.asarray(sign, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    session = ort.InferenceSession(str(recogniser), providers=["CPUExecutionProvider"])
    scores = session.run(None, {"x": line})[0][0]
    if scores.shape[1] != len(characters):
        raise BadModel(f"{recogniser}: {scores.shape[1]} scores for {len(characters)} characters")
    best = scores.argmax(axis=1)
    kept = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
    text = "".join(characters[index] for index in best[kept])
    return text, float(scores.max(axis=1)[kept].mean())
