"""Small networks over many texts, without a text's answer depending on the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def by_row(inputs: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix product [B, D] x [D, C] -> float32 [B, C], one row at a time.

    OpenBLAS sums a row of a whole product in an order that depends on its place: on a CPU with AVX2
    alone, rows 60 to 63 of 64 differ from the others in their last bits. A text at a threshold must
    not depend on its neighbours.
    """
    products: NDArray[np.float32] = np.matmul(inputs[:, None], weights)
    return products[:, 0]
