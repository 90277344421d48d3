"""Pictures in, labels with probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.models.sessions import Session, default_threads, resolve_device
from glasses_signals.models.store import BuiltModel, open_model
from glasses_signals.records import Image, Label
from glasses_signals.vision.classes import classes_of
from glasses_signals.vision.detector import Detector
from glasses_signals.vision.preprocess import middle_square

# On a CPU larger batches gain nothing (they leave the cache); a GPU needs them to be busy.
CPU_BATCH = 4
CUDA_BATCH = 64
MOST_AT_ONCE = 16  # batches, each with some 40 MB of its own

# The detector looks again only where the classifier's best class is less probable than this, and
# only scores of at least the second value count (docs/vision.md: what each addition was worth).
UNSURE_BELOW = 0.5
DETECTED_AT = 0.6


@dataclass(frozen=True, slots=True)
class VisionSettings:
    """Labels under `floor` are not reported, and at most `top` of them.

    `detector`: a model that looks again at pictures the classifier is unsure of (`yolox-nano`).
    None by default: on single-object photos and everyday scenes it found too little to pay.
    `labels`: a label table of the user's (.tsv), whose lines replace the shipped ones. `reader`: a
    model that reads the text in pictures (`rapidocr`), for whoever runs a TextReader beside.
    """

    model: str = "efficientnet-lite0"
    detector: str | None = None
    device: str = "auto"
    threads: int | None = None
    batch: int | None = None
    floor: float = 0.01
    top: int = 20
    labels: str | None = None
    reader: str | None = None


class Tagger:
    """Classifies whole pictures. Picklable; a picture's labels don't depend on its neighbours."""

    def __init__(self, settings: VisionSettings | None = None) -> None:
        """BadModel when the model isn't built or the device can't be had."""
        self._settings = settings or VisionSettings()
        self._classifier = Classifier(self._settings)
        self._detector: Detector | None = None
        if self._settings.detector is not None:
            device = self._classifier.session.device
            self._detector = Detector(self._settings.detector, device, self._settings.threads)

    @property
    def models(self) -> Mapping[str, str]:
        """sha256 of each model in use, by name."""
        models = [self._classifier.model]
        if self._detector is not None:
            models.append(self._detector.model)
        return {model.name: model.sha256 for model in models}

    @property
    def provider(self) -> str:
        """ONNX Runtime's execution provider really in use."""
        return self._classifier.session.provider

    def tag(self, images: Sequence[Image]) -> list[tuple[Label, ...]]:
        """Labels of each picture, most probable first."""
        tagged = (self._classifier.labels(row) for row in self._classifier.probabilities(images))
        if self._detector is None:
            return list(tagged)
        return [
            self._looked_again(image, labels) for image, labels in zip(images, tagged, strict=True)
        ]

    def _looked_again(self, image: Image, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        if self._detector is None or (labels and labels[0].probability >= UNSURE_BELOW):
            return labels
        found = self._detector.labels(image, DETECTED_AT)
        return tuple(sorted((*labels, *found), key=lambda label: -label.probability))


class Classifier:
    """One classifier as its manifest says: size, crop, labels, the table its classes belong to."""

    def __init__(self, settings: VisionSettings) -> None:
        device = resolve_device(settings.device)
        self.model: BuiltModel = open_model(settings.model)
        half = self.model.directory / "model_fp16.onnx"  # not every recipe makes one
        full = self.model.file("model.onnx")
        file = half if device == "cuda" and half.is_file() else full
        # Several batches at once, a thread each, take a tenth less of the CPU than one batch whose
        # threads wait for one another at every layer.
        threads = min(settings.threads or default_threads(), MOST_AT_ONCE)
        self._at_once = 1 if device == "cuda" else threads
        self.session = Session(file, device, 1 if self._at_once > 1 else settings.threads)
        self.classes = classes_of(self.model)
        manifest = self.model.manifest
        self._size = int(str(manifest.input["size"]))
        self._crop = float(str(manifest.input.get("crop", 1.0)))
        self._floor, self._top = settings.floor, settings.top
        self._batch = settings.batch or (CUDA_BATCH if device == "cuda" else CPU_BATCH)

    def probabilities(self, images: Sequence[Image]) -> Iterator[NDArray[np.float32]]:
        """Class probabilities float32 [classes] of each picture, in order."""
        groups = [images[i : i + self._batch] for i in range(0, len(images), self._batch)]
        with ThreadPoolExecutor(self._at_once) as threads:
            for rows in threads.map(self._run, groups):
                yield from rows

    def _run(self, images: Sequence[Image]) -> NDArray[np.float32]:
        squares = np.stack([middle_square(image, self._size, self._crop) for image in images])
        rows: NDArray[np.float32] = self.session.run({"images": squares})[0]
        return rows

    def labels(self, probabilities: NDArray[np.float32]) -> tuple[Label, ...]:
        """Of probabilities float32 [classes] those over the floor, most probable first; equals in
        class order.
        """
        best = np.argsort(-probabilities, kind="stable")[: self._top]
        return tuple(
            Label(self.classes.ids[index], self.classes.names[index], float(probabilities[index]))
            for index in best
            if probabilities[index] >= self._floor
        )
