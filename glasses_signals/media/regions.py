"""Turned rectangles in pictures: found on a heat map, cut out and laid straight."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_MIN_SIDE = 3.0  # pixels of the heat map; anything thinner is noise
_TALL_FROM = 1.5  # times as high as wide, as in RapidOCR's `get_rotate_crop_image`


@dataclass(frozen=True, slots=True)
class Region:
    """A turned rectangle. `corners` float32 [4, 2] (x, y): top left, then clockwise."""

    corners: NDArray[np.float32]
    heat: float  # mean over it, 0..1

    @property
    def width(self) -> float:
        """Length of the upper side, in pixels."""
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))

    @property
    def height(self) -> float:
        """Length of the left side, in pixels."""
        return float(np.linalg.norm(self.corners[3] - self.corners[0]))

    @property
    def tall(self) -> bool:
        """So much higher than wide that it must hold a line that runs up or down."""
        return self.height >= _TALL_FROM * self.width

    @property
    def centre(self) -> NDArray[np.float32]:
        """(x, y) of the middle, float32 [2]."""
        middle: NDArray[np.float32] = self.corners.mean(axis=0)
        return middle


def hot_regions(
    heat: NDArray[np.float32], hot_from: float, mean_from: float, grow: float, most: int
) -> list[Region]:
    """Rectangles round the parts of a heat map, float32 [H, W] in 0..1, over `hot_from`; in its
    pixels, the largest `most` of them.

    Those with a mean under `mean_from` are left out. Each is widened on all sides by `grow` times
    its area over its outline, as training shrank it (DB, arXiv:1911.08947, section 3.4).
    """
    mask = cv2.dilate((heat > hot_from).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(contours, key=cv2.contourArea, reverse=True)[:most]
    found = []
    for contour in largest:
        centre, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _MIN_SIDE:
            continue
        mean = _mean_inside(heat, cv2.boxPoints((centre, (width, height), angle)))
        if mean < mean_from:
            continue
        margin = grow * width * height / (width + height)  # on both sides together
        grown = cv2.boxPoints((centre, (width + margin, height + margin), angle))
        found.append(Region(_clockwise(grown), mean))
    return found


def cut_out(pixels: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The region laid straight, uint8 [h, w, 3]; a tall one is turned a quarter, to lie down."""
    width, height = max(1, round(region.width)), max(1, round(region.height))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(region.corners, target)
    straight = cv2.warpPerspective(
        pixels,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if region.tall:
        straight = np.rot90(straight)
    return np.ascontiguousarray(straight, np.uint8)


def _mean_inside(heat: NDArray[np.float32], corners: NDArray[np.float32]) -> float:
    height, width = heat.shape
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, (width - 1, height - 1))
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [np.round(corners - (left, top)).astype(np.int32)], 1)
    inside: float = cv2.mean(heat[top : bottom + 1, left : right + 1], mask)[0]
    return inside


def _clockwise(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners of a rectangle with the top one of the two leftmost first."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)
