"""How reliable confidence was when it was measured; `data/reliability.json` comes with the package.

`scripts/figures` makes it from what `benchmarks/all.py --only quality` measured, which is to be run
when a mapper or its models change.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

Z_95 = 1.96  # standard deviations round the mean that hold 95 % of a normal distribution


@dataclass(frozen=True, slots=True)
class Bin:
    """Interests of about one confidence: mean `said`, share `right`, its 95 % interval; 0..1."""

    said: float
    right: float
    low: float
    high: float
    interests: int


@dataclass(frozen=True, slots=True)
class Curve:
    """`error` is the expected calibration error, 0..1; `models` are name -> sha256."""

    source: str
    measured_on: str
    error: float
    models: Mapping[str, str]
    bins: tuple[Bin, ...]

    @property
    def interests(self) -> int:
        """How many were measured."""
        return sum(b.interests for b in self.bins)


def load_curve() -> Curve:
    """The curve that comes with this version."""
    text = files("glasses_signals.report").joinpath("data", "reliability.json").read_text("utf-8")
    measured = json.loads(text)
    return Curve(
        source=measured["source"],
        measured_on=measured["measured_on"],
        error=measured["error"],
        models=measured["models"],
        bins=tuple(
            Bin(b["said"], b["right"], *wilson(b["right"], b["n"]), b["n"])
            for b in measured["bins"]
        ),
    )


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of `n`, 0..1 (Wilson, "Probable inference", 1927)."""
    middle = share + Z_95**2 / (2 * n)
    spread = Z_95 * math.sqrt(share * (1 - share) / n + (Z_95 / n) ** 2 / 4)
    scale = 1 + Z_95**2 / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
