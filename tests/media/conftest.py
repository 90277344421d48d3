"""Real photos (see models/parity) in every shape that phones and glasses write."""

from __future__ import annotations

import PIL.Image
import pytest

from glasses_signals.models.manifest import manifests_dir


@pytest.fixture
def coffee() -> PIL.Image.Image:
    """A cup of coffee on a table, 450 x 300 (scikit-image, CC0 by Rachel Michetti)."""
    return PIL.Image.open(manifests_dir() / "parity" / "coffee.jpg").convert("RGB")
