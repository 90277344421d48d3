from __future__ import annotations

import numpy as np
import pytest

from glasses_signals.media.resize import resized
from glasses_signals.records import Image
from glasses_signals.vision.detector import GREY, letterboxed
from glasses_signals.vision.preprocess import middle_square


def image(pixels: np.ndarray) -> Image:
    return Image(pixels, pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize("shape", [(256, 256), (256, 700), (1200, 256), (40, 30), (1, 1)])
def test_any_picture_becomes_a_square(shape: tuple[int, int]) -> None:
    square = middle_square(image(np.full((*shape, 3), 77, np.uint8)), 224)
    assert square.shape == (224, 224, 3)
    assert (square == 77).all()


def test_the_square_is_the_middle_of_the_picture() -> None:
    pixels = np.zeros((256, 512, 3), np.uint8)
    pixels[16:240, 144:368] = 200
    assert (middle_square(image(pixels), 224) == 200).all()


def test_shrinking_averages_rather_than_skips() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resized(stripes, 100, 100).astype(int) - 100).max() <= 1


def test_the_detector_sees_the_whole_picture_on_grey_paper() -> None:
    red = np.zeros((100, 200, 3), np.uint8)
    red[..., 0] = 250
    canvas = letterboxed(red, 416)
    assert canvas.shape == (1, 3, 416, 416)
    assert canvas[0, :, 100, 100].tolist() == [0, 0, 250]
    assert canvas[0, :, 300, 100].tolist() == [GREY] * 3
