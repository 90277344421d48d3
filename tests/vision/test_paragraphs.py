from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.media.regions import Region, cut_out, hot_regions
from glasses_signals.vision.paragraphs import paragraphs


def region(left: float, top: float, width: float, height: float) -> Region:
    right, bottom = left + width, top + height
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return Region(np.array(corners, np.float32), 1.0)


def turned(one: Region, degrees: float) -> Region:
    """Turned clockwise about the middle of a picture of 1000 x 1000."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (one.corners - 500) @ matrix.T + 500
    left = corners[np.argsort(corners[:, 0])][:2]
    first = int(np.argmin(np.abs(corners - left[np.argmin(left[:, 1])]).sum(axis=1)))
    return Region(np.roll(corners, -first, axis=0).astype(np.float32), 1.0)


TWO_COLUMNS = [
    region(100, 100, 200, 30),
    region(100, 140, 180, 30),
    region(600, 100, 200, 30),
    region(600, 140, 200, 30),
]


def test_lines_under_each_other_are_a_paragraph_columns_are_not() -> None:
    assert paragraphs(TWO_COLUMNS) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("degrees", [-15, 12])
def test_slanted_lines_are_paragraphs_too(degrees: float) -> None:
    slanted = [turned(one, degrees) for one in TWO_COLUMNS]
    assert sorted(paragraphs(slanted)) == [[0, 1], [2, 3]]


def test_words_of_a_row_are_read_from_left_to_right() -> None:
    row = [region(300, 102, 90, 30), region(100, 100, 80, 30), region(200, 98, 90, 30)]
    assert paragraphs(row) == [[1, 2, 0]]


def test_lines_that_run_downwards_are_read_from_right_to_left() -> None:
    upright = [region(100, 100, 200, 30), region(100, 140, 200, 30)]
    assert paragraphs([turned(one, 90) for one in upright]) == [[0, 1]]


def test_a_headline_is_a_paragraph_of_its_own() -> None:
    assert paragraphs([region(100, 100, 300, 90), region(100, 200, 300, 30)]) == [[0], [1]]


@given(
    st.lists(
        st.tuples(*[st.floats(0, 900)] * 2, *[st.floats(1, 100)] * 2).map(lambda r: region(*r)),
        max_size=12,
    )
)
def test_every_line_is_read_once(regions: list[Region]) -> None:
    assert sorted(i for group in paragraphs(regions) for i in group) == list(range(len(regions)))


def test_a_hot_bar_becomes_a_region_and_is_cut_out_straight() -> None:
    heat = np.zeros((200, 300), np.float32)
    heat[80:100, 60:240] = 0.9
    (found,) = hot_regions(heat, 0.3, 0.5, 1.6, 10)
    assert found.width > 180 and found.height > 20
    assert found.centre.tolist() == pytest.approx([150, 90], abs=2)
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[80:100, 60:240] = 255
    cut = cut_out(picture, found)
    assert cut.shape[1] > cut.shape[0]
    assert cut[cut.shape[0] // 2, cut.shape[1] // 2].min() == 255


def test_cold_and_tiny_spots_are_no_regions() -> None:
    heat = np.full((100, 100), 0.2, np.float32)
    heat[50, 50] = 1.0
    assert hot_regions(heat, 0.3, 0.5, 1.6, 10) == []


def test_a_tall_region_is_laid_down() -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    assert cut_out(picture, region(20, 20, 30, 120)).shape == (30, 120, 3)
