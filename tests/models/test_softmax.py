import numpy as np
import pytest

from glasses_signals.models.softmax import softmax


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_rows_sum_to_one_and_large_scores_do_not_overflow(kind: type[np.floating]) -> None:
    scores = np.array([[[1.0, 2.0, 3.0], [60_000.0, 59_000.0, 0.0]]], kind)
    found = softmax(scores)
    assert found.dtype == np.float32
    assert found.shape == scores.shape
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-3)
    np.testing.assert_allclose(found[0, 0], [0.0900, 0.2447, 0.6652], atol=1e-3)
