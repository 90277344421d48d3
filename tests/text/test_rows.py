"""A product's row has the same bits wherever it stands."""

import numpy as np
import pytest

from glasses_signals.text.rows import by_row


@pytest.mark.parametrize(("width", "columns"), [(600, 64), (64, 8), (384, 421), (500, 32)])
def test_a_row_is_the_same_at_every_place(width: int, columns: int) -> None:
    random = np.random.default_rng(width)
    row, weights = (
        random.normal(size=shape).astype(np.float32) for shape in ((1, width), (width, columns))
    )
    alone = by_row(row, weights)
    assert np.allclose(alone, row @ weights, atol=1e-4)
    for count in (2, 7, 64, 129):
        assert {each.tobytes() for each in by_row(np.repeat(row, count, 0), weights)} == {
            alone.tobytes()
        }


def test_no_rows_give_none() -> None:
    assert by_row(np.empty((0, 5), np.float32), np.ones((5, 3), np.float32)).shape == (0, 3)
