"""Small networks over many texts, without a text's answer depending on the others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCK = 64  # texts that are judged in one matrix product


def in_blocks(
    of_rows: Callable[[NDArray[np.float32]], NDArray[np.float32]], inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """`of_rows` ([BLOCK, D] -> [BLOCK, C]) over `inputs` [B, D]: float32 [B, C].

    The last block is filled up with zeros: how a matrix product rounds may depend on how many rows
    it has, and a text at a threshold must not depend on its neighbours.
    """
    filled = np.zeros((-(-len(inputs) // BLOCK) * BLOCK, inputs.shape[1]), np.float32)
    filled[: len(inputs)] = inputs
    blocks = [of_rows(filled[start : start + BLOCK]) for start in range(0, len(filled), BLOCK)]
    return np.concatenate(blocks)[: len(inputs)]
