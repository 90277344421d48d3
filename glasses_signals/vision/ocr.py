"""Reads the text in pictures: RapidOCR's models (PP-OCR) as the manifest says.

A detector says how likely each pixel belongs to a line of text; each line is cut out, turned by a
small classifier if it stands on its head, and read by a recogniser (CTC over its characters). Lines
that stand together make a paragraph.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glasses_signals.media.decode import DecodeSettings
from glasses_signals.media.photo import PhotoSettings
from glasses_signals.media.regions import Region, cut_out, hot_regions
from glasses_signals.media.resize import resized
from glasses_signals.models.sessions import Session, resolve_device
from glasses_signals.models.store import BuiltModel, open_model
from glasses_signals.records import Image, TextLine
from glasses_signals.text.mending import mended
from glasses_signals.vision.paragraphs import paragraphs

# RapidOCR's own settings for these models (config.yaml of rapidocr 3.8), but for the sizes.
_HOT_FROM, _MEAN_FROM, _GROW = 0.3, 0.5, 1.6
_MOST_LINES = 100
_MOST_WIDTH = 20_000  # pixels of all lines at their reading height, the largest lines first: 1 s
_TURNED_FROM = 0.9
READ_SIDE = 720  # pixels: short side of the pictures to decode, a quarter of 12 megapixels
LONGEST_SIDE = 1280  # pixels: what the detector sees of a picture
# A glance first, at a sixth of the cost: where there is no text at all, nothing is hot (0.00 on
# photos), and text down to a hundredth of the picture's height is (1.0 on the signs of the tests).
GLANCE_SIDE = 512
_GLANCE_FROM = 0.2
_STRIDE = 32  # of the detector: sides are multiples of it
_LINE_HEIGHT = 48  # pixels, of the classifier's and the recogniser's inputs
_TURN_WIDTH = 192  # of the classifier's
_WIDTH_STEP = 160  # lines are padded to multiples of it, to keep shapes few
_WIDEST = 2400  # fifty letters as wide as high: longer lines are squeezed
_BATCH = 8  # lines that the recogniser reads at once
_READ_FROM = 0.5  # mean probability of a line's characters
_FEWEST_LETTERS = 3  # in a line: fewer are mostly patterns that look like letters


def decode_settings(reads_text: bool) -> DecodeSettings | None:
    """How large to decode pictures that are read as well as tagged; None: the tagger's own size."""
    if not reads_text:
        return None
    from glasses_signals.media.video import VideoSettings

    return DecodeSettings(PhotoSettings(min_side=READ_SIDE), VideoSettings(side=READ_SIDE))


def passages(lines: Sequence[TextLine]) -> tuple[str, ...]:
    """The text of each paragraph, its lines joined."""
    numbered = itertools.groupby(lines, key=lambda line: line.paragraph)
    return tuple(" ".join(line.text for line in group) for _, group in numbered)


class TextReader:
    """Pictures in, their lines of text out. A picture's text doesn't depend on its neighbours."""

    def __init__(self, model: str, device: str = "auto", threads: int | None = None) -> None:
        """BadModel when the model isn't built or the device can't be had."""
        device = resolve_device(device)
        self.model: BuiltModel = open_model(model)
        self._detector = Session(self.model.file("detector.onnx"), device, threads)
        self._turner = Session(self.model.file("turner.onnx"), device, threads)
        self._recogniser = Session(self.model.file("recogniser.onnx"), device, threads)
        characters = self.model.file("characters.txt").read_text(encoding="utf-8")
        self._characters = ["", *characters.split("\n"), " "]  # 0 is CTC's blank
        self._mean = np.asarray(self.model.manifest.input["mean"], np.float32) * 255
        self._std = np.asarray(self.model.manifest.input["std"], np.float32) * 255

    @property
    def models(self) -> Mapping[str, str]:
        """sha256 of the model in use, by name."""
        return {self.model.name: self.model.sha256}

    @property
    def provider(self) -> str:
        """ONNX Runtime's execution provider really in use."""
        return self._detector.provider

    def read(self, images: Sequence[Image]) -> list[tuple[TextLine, ...]]:
        """Each picture's lines, paragraph by paragraph from the top."""
        return [self._read(image.pixels) for image in images]

    def _read(self, pixels: NDArray[np.uint8]) -> tuple[TextLine, ...]:
        regions = self._regions(pixels)
        read: list[TextLine] = []
        cuts: list[NDArray[np.uint8]] = []
        numbers: list[int] = []
        for number, indices in enumerate(paragraphs(regions)):
            upright = self._upright([cut_out(pixels, regions[index]) for index in indices])
            cuts += upright
            numbers += [number] * len(upright)
        for number, (text, confidence) in zip(numbers, self._recognised(cuts), strict=True):
            if confidence >= _READ_FROM and sum(map(str.isalpha, text)) >= _FEWEST_LETTERS:
                read.append(TextLine(mended(text.strip()), confidence, number))
        return tuple(read)

    def _regions(self, pixels: NDArray[np.uint8]) -> list[Region]:
        """Where the lines are, in the picture's own pixels."""
        large = max(pixels.shape[:2]) > LONGEST_SIDE // 2
        if large and float(self._heat(pixels, GLANCE_SIDE).max()) < _GLANCE_FROM:
            return []
        heat = self._heat(pixels, LONGEST_SIDE)
        (height, width), (rows, columns) = pixels.shape[:2], heat.shape
        stretch = np.array([width / columns, height / rows], np.float32)
        found = [
            Region(region.corners * stretch, region.heat)
            for region in hot_regions(heat, _HOT_FROM, _MEAN_FROM, _GROW, _MOST_LINES)
        ]
        widths = itertools.accumulate(_reading_width(region) for region in found)
        return [region for region, width in zip(found, widths, strict=True) if width <= _MOST_WIDTH]

    def _heat(self, pixels: NDArray[np.uint8], longest: int) -> NDArray[np.float32]:
        """How likely each place is inside a line, float32 [rows, columns] in 0..1.

        The picture is seen with its longer side at most `longest`, sides multiples of the stride.
        """
        height, width = pixels.shape[:2]
        scale = min(1.0, longest / max(height, width))
        rows, columns = (
            max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in (height, width)
        )
        seen = (resized(pixels, columns, rows)[:, :, ::-1] - self._mean) / self._std
        feed = np.ascontiguousarray(seen.transpose(2, 0, 1)[None], np.float32)
        heat: NDArray[np.float32] = self._detector.run({"x": feed})[0][0, 0]
        return heat

    def _upright(self, cuts: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        """A paragraph's cuts; if most stand on their heads, all turned, the last line first."""
        turned = [
            float(self._turner.run({"x": _line(cut, _TURN_WIDTH)[None]})[0][0, 1]) >= _TURNED_FROM
            for cut in cuts
        ]
        if 2 * sum(turned) > len(cuts):
            return [cut[::-1, ::-1] for cut in reversed(cuts)]
        return list(cuts)

    def _recognised(self, cuts: Sequence[NDArray[np.uint8]]) -> list[tuple[str, float]]:
        """Text and mean character probability of each cut, in order."""
        widths = [_padded_width(cut) for cut in cuts]
        texts: list[tuple[str, float]] = [("", 0.0)] * len(cuts)
        order = sorted(range(len(cuts)), key=lambda index: widths[index])
        for width, same in itertools.groupby(order, key=lambda index: widths[index]):
            for group in _batches(list(same)):
                feed = np.stack([_line(cuts[index], width) for index in group])
                for index, scores in zip(group, self._recogniser.run({"x": feed})[0], strict=True):
                    texts[index] = self._decoded(scores)
        return texts

    def _decoded(self, scores: NDArray[np.float32]) -> tuple[str, float]:
        """The likeliest characters of [steps, characters], repeats and blanks dropped (CTC)."""
        best = scores.argmax(axis=1)
        kept = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
        if not kept.any():
            return "", 0.0
        text = "".join(self._characters[index] for index in best[kept])
        return text, float(scores.max(axis=1)[kept].mean())


def _line(cut: NDArray[np.uint8], width: int) -> NDArray[np.float32]:
    """A cut scaled to the models' line height: float32 BGR [3, 48, width] in -1..1, then zeros."""
    natural = max(1, round(cut.shape[1] * _LINE_HEIGHT / cut.shape[0]))
    small = resized(np.ascontiguousarray(cut), min(width, natural), _LINE_HEIGHT)
    line = np.zeros((3, _LINE_HEIGHT, width), np.float32)
    line[:, :, : small.shape[1]] = small[:, :, ::-1].transpose(2, 0, 1) / 127.5 - 1
    return line


def _reading_width(region: Region) -> float:
    long, short = max(region.width, region.height), min(region.width, region.height)
    return min(_WIDEST, long * _LINE_HEIGHT / max(short, 1.0))


def _padded_width(cut: NDArray[np.uint8]) -> int:
    natural = cut.shape[1] * _LINE_HEIGHT / cut.shape[0]
    return int(min(_WIDEST, max(2, -(-natural // _WIDTH_STEP)) * _WIDTH_STEP))


def _batches(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), _BATCH):
        yield indices[start : start + _BATCH]
