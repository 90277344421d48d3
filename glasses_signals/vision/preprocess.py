"""From upright pictures to the squares a classifier looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glasses_signals.media.resize import resized
from glasses_signals.records import Image


def middle_square(image: Image, size: int, share: float = 0.875) -> NDArray[np.uint8]:
    """The square in the middle, `share` of the short side wide: uint8 [size, size, 3].

    The cut that ImageNet classifiers are trained and measured with.
    """
    height, width = image.pixels.shape[:2]
    side = max(1, round(min(height, width) * share))
    top, left = (height - side) // 2, (width - side) // 2
    return resized(image.pixels[top : top + side, left : left + side], size, size)
