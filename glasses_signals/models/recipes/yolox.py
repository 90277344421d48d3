"""YOLOX: the published ONNX file as it is, checked by finding a cat on a photo of one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime as ort
import PIL.Image

from glasses_signals.models.manifest import Manifest, manifests_dir
from glasses_signals.models.recipes.parity import require

GREY = 114
CAT = 15  # its index in the COCO label list


def build(manifest: Manifest, out: Path, sources: Mapping[str, Path]) -> dict[str, float | str]:
    """Copy the model and its label list; fact: the score of the cat on the shipped photo."""
    model = out / "model.onnx"
    shutil.copyfile(sources["weights"], model)
    labels = resources.files("glasses_signals.vision") / "data" / f"{manifest.output['labels']}.txt"
    (out / "labels.txt").write_text(labels.read_text())
    photo = PIL.Image.open(manifests_dir() / "parity" / "cat.jpg").convert("RGB")
    size = int(str(manifest.input["size"]))
    photo.thumbnail((size, size))
    canvas = np.full((size, size, 3), GREY, np.float32)
    canvas[: photo.height, : photo.width] = np.asarray(photo)[:, :, ::-1]
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (predictions,) = session.run(None, {"images": canvas.transpose(2, 0, 1)[None]})
    scores = predictions[0, :, 4] * predictions[0, :, 5 + CAT]
    return {"cat_score": require(manifest, "min_cat_score", float(scores.max()), at_least=True)}
