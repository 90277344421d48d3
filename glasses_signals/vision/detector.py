"""Finds everyday things in a scene: YOLOX as its manifest says.

Only which classes are there is asked, not where: the best score of a class over all places is its
score in the picture, so no boxes are decoded and none are suppressed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glasses_signals.media.resize import resized
from glasses_signals.models.sessions import Session
from glasses_signals.models.store import BuiltModel, open_model
from glasses_signals.records import Image, Label

GREY = 114  # YOLOX's letterbox colour
_OBJECTNESS = 4
_CLASSES = 5


class Detector:
    """Pictures in, scores of the detector's classes out, one picture at a time (its batch is 1)."""

    def __init__(self, model: str, device: str, threads: int | None) -> None:
        self.model: BuiltModel = open_model(model)
        self.session = Session(self.model.file("model.onnx"), device, threads)
        self._names = self.model.file("labels.txt").read_text().splitlines()
        self._table = str(self.model.manifest.output["table"])
        self._size = int(str(self.model.manifest.input["size"]))

    def labels(self, image: Image, floor: float) -> tuple[Label, ...]:
        """Classes whose best score (objectness times class score, 0..1) reaches the floor."""
        (predictions,) = self.session.run({"images": letterboxed(image.pixels, self._size)})
        scores = predictions[0, :, _OBJECTNESS, None] * predictions[0, :, _CLASSES:]
        best = scores.max(axis=0)
        return tuple(
            Label(f"{self._table}:{index}", self._names[index], float(best[index]))
            for index in np.flatnonzero(best >= floor)
        )


def letterboxed(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """uint8 RGB [H, W, 3] -> float32 BGR [1, 3, size, size], scaled to fit the top left corner."""
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    fitted = resized(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.full((size, size, 3), GREY, np.uint8)
    canvas[: fitted.shape[0], : fitted.shape[1]] = fitted
    return np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
