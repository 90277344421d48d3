"""How reliable confidence was: a diagram (SVG, no script, no font), and the curve for reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from results import wilson

Bin = Mapping[str, Any]

WIDTH, HEIGHT = 560, 420
LEFT, TOP, SIDE = 60, 24, 340  # the square from 0 to 1 both ways
COLOURS = ("#1b6ca8", "#c8553d")
DRAWN = ("requests_dev", "benign_dev")
GREY = "#767676"


def plot(calibration: Mapping[str, Any]) -> str:
    """`calibration`: as `quality.py` gives it, set -> `bins` of `said`, `right` and `n`.

    Texts that were typed are drawn, each set by itself, with the 95 % interval of what was right.
    """
    sets = {name: found["bins"] for name, found in calibration.items() if name in DRAWN}
    parts = [*_axes()]
    for number, (name, bins) in enumerate(sets.items()):
        parts += _points(name, bins, COLOURS[number], number)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img">\n'
        "<title>Share of interests that were right, by the confidence they were said with</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def curve(report: Mapping[str, Any], measured_on: str) -> dict[str, Any]:
    """What the package ships for its reports, from what `quality.py` gave."""
    bins = report["calibration"]["all"]["bins"]
    gaps = sum(one["n"] * abs(one["said"] - one["right"]) for one in bins)
    return {
        "bins": bins,
        "error": gaps / sum(one["n"] for one in bins),
        "measured_on": measured_on,
        "models": report["models"],
        "source": "requests and look-alikes labelled for development, by benchmarks/quality.py",
    }


def _axes() -> Iterator[str]:
    yield f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#bbb"/>'
    yield _line(0, 0, 1, 1, GREY, ' stroke-dasharray="4 4"')
    for step in range(0, 11, 2):
        at = step / 10
        yield f'<text x="{_x(at):.0f}" y="{TOP + SIDE + 16}" text-anchor="middle">{at:.1f}</text>'
        yield f'<text x="{LEFT - 8}" y="{_y(at) + 4:.0f}" text-anchor="end">{at:.1f}</text>'
    middle = TOP + SIDE // 2
    yield f'<text x="{LEFT + SIDE // 2}" y="{HEIGHT - 16}" text-anchor="middle">confidence</text>'
    yield (
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">'
        "share that was right</text>"
    )


def _points(name: str, bins: Sequence[Bin], colour: str, number: int) -> Iterator[str]:
    for line in bins:
        said, right = line["said"], line["right"]
        low, high = wilson(round(right * line["n"]), line["n"])
        yield _line(said, low, said, high, colour, ' stroke-opacity="0.6"')
        radius = 2 + min(8, line["n"] ** 0.5 / 2)
        yield f'<circle cx="{_x(said):.1f}" cy="{_y(right):.1f}" r="{radius:.1f}" fill="{colour}"/>'
    y, total = TOP + 12 + 18 * number, sum(line["n"] for line in bins)
    yield f'<circle cx="{LEFT + SIDE + 16}" cy="{y - 4}" r="5" fill="{colour}"/>'
    yield f'<text x="{LEFT + SIDE + 26}" y="{y}">{name} ({total})</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    ends = f'x1="{_x(x1):.1f}" y1="{_y(y1):.1f}" x2="{_x(x2):.1f}" y2="{_y(y2):.1f}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def _x(value: float) -> float:
    return LEFT + value * SIDE


def _y(value: float) -> float:
    return TOP + (1 - value) * SIDE
