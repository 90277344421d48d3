"""Which lines of text in a picture belong together, and in what order they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.media.regions import Region

# Two lines belong together when they are about as high, run the same way, and stand over each other
# or beside each other; distances are shares of the smaller one's height. Chosen on drawn signs.
_LIKE_HEIGHT = 1.8  # times as high at most
_LIKE_WAY = 0.94  # cosine: 20 degrees
_GAP_OVER = 0.9
_GAP_BESIDE = 1.5
_SAME_ROW = 0.5


@dataclass(frozen=True, slots=True)
class _Line:
    """A region as one reads it: a tall one runs downwards."""

    centre: NDArray[np.float32]
    along: NDArray[np.float32]  # unit vector of reading
    length: float
    height: float


def paragraphs(regions: Sequence[Region]) -> list[list[int]]:
    """Indices of the regions, a list a paragraph in reading order; paragraphs from the top down."""
    lines = [_as_read(region) for region in regions]
    groups: list[list[int]] = []
    for index, line in enumerate(lines):
        joined = [group for group in groups if any(_together(line, lines[i]) for i in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([*(i for group in joined for i in group), index])
    ordered = [_in_reading_order(group, lines) for group in groups]
    return sorted(ordered, key=lambda group: float(lines[group[0]].centre[1]))


def _as_read(region: Region) -> _Line:
    across, down = region.corners[1] - region.corners[0], region.corners[3] - region.corners[0]
    along, length, height = across, region.width, region.height
    if region.tall:
        along, length, height = down, region.height, region.width
    return _Line(region.centre, along / max(length, 1.0), length, max(height, 1.0))


def _below(along: NDArray[np.float32]) -> NDArray[np.float32]:
    """The way to the next line: a quarter turn clockwise (y grows downwards)."""
    return np.array([-along[1], along[0]], np.float32)


def _together(one: _Line, other: _Line) -> bool:
    low, high = sorted((one.height, other.height))
    if high > _LIKE_HEIGHT * low or float(one.along @ other.along) < _LIKE_WAY:
        return False
    apart = other.centre - one.centre
    beside = abs(float(apart @ one.along)) - (one.length + other.length) / 2
    over = abs(float(apart @ _below(one.along)))
    if over < _SAME_ROW * low:
        return beside < _GAP_BESIDE * low
    return beside < 0 and over - (one.height + other.height) / 2 < _GAP_OVER * low


def _in_reading_order(group: Sequence[int], lines: Sequence[_Line]) -> list[int]:
    along = np.mean([lines[index].along for index in group], axis=0)
    place = {
        index: (float(lines[index].centre @ _below(along)), float(lines[index].centre @ along))
        for index in group
    }
    ordered: list[int] = []
    row: list[int] = []
    for index in sorted(group, key=lambda index: place[index]):
        if row and place[index][0] - place[row[0]][0] > _SAME_ROW * lines[row[0]].height:
            ordered += sorted(row, key=lambda index: place[index][1])
            row = []
        row.append(index)
    return ordered + sorted(row, key=lambda index: place[index][1])
