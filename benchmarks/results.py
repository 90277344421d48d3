"""What the benchmarks found, kept in `results.json`, and the one way its figures are written.

A benchmark's part has the day, the commit, the machine, its options, how long it took, and what its
script found. `all.py` writes parts, `pages.py` writes them into the documentation.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasses_signals.report import reliability

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_suffix(".json")
MOST_BYTES = 60_000
WIDTH = 100
_PLACE = re.compile(r"(?:^|[\s\"'=(])(?:/[\w.-]+){2,}|[A-Z]:\\")
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """Parts by the benchmark's name; a benchmark that has not run has none."""

    parts: Mapping[str, Found]

    def found(self, name: str) -> Any:
        """What the benchmark's script gave."""
        return self.parts[name]["found"]


Make = Callable[[Results], str]  # a figure as a page shows it


def read_results(place: Path = RESULTS) -> Results:
    return Results(json.loads(place.read_text("utf-8"))["benchmarks"] if place.exists() else {})


def write_part(name: str, part: Found, place: Path = RESULTS) -> None:
    """Put one benchmark's part in place of the one before. ValueError for what may not be kept."""
    part = _short(part)
    if named := _PLACE.search(json.dumps(part)):
        raise ValueError(f"{name} names a place on this machine: {named.group()}")
    parts = {**read_results(place).parts, name: part}
    text = spread({"benchmarks": dict(sorted(parts.items()))}) + "\n"
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"{place.name} would have more than {MOST_BYTES} bytes")
    write_whole(place, text)


def write_json(place: Path, found: Any) -> None:
    """For the scripts' `--json FILE`."""
    write_whole(place, spread(found) + "\n")


def spread(value: Any, indent: str = "") -> str:
    """JSON in which what fits stands on one line: small, and fit to be compared line by line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, dict | list):
        return flat
    inner = indent + " "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {spread(one, inner)}" for key, one in value.items()]
    else:
        lines = [spread(one, inner) for one in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{inner}" + f",\n{inner}".join(lines) + f"\n{indent}{last}"


def write_whole(place: Path, text: str) -> None:
    """The old file or the new one, never a part; pipes are written to as they are."""
    if place.exists() and not place.is_file():
        place.write_text(text, "utf-8")
        return
    with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(place)


def _short(value: Any) -> Any:
    """Five significant digits, which is more than any figure is worth; nothing for not-a-number."""
    if isinstance(value, Mapping):
        return {str(key): _short(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % confidence interval of a share, 0..1: all of it where nothing was counted."""
    return reliability.wilson(hits / of, of) if of else (0.0, 1.0)


# How figures are written


def percent(share: float, digits: int = 1) -> str:
    """`share` is 0..1."""
    return f"{100 * share:.{digits}f} %"


def interval(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def share(hits: int, of: int) -> str:
    return f"{percent(hits / max(1, of))} {interval(hits, of)}"


def times(ratio: float) -> str:
    return f"{ratio:.2f} x" if ratio < 1 else f"{ratio:.1f} x"


def number(value: float) -> str:
    """Three significant digits or whole: 1.31, 10.9, 225, 1,550."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    rule = "|" + "---|" * len(heads)
    return "\n".join([_row(heads), rule, *map(_row, rows)])


def _row(cells: list[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def machine() -> Found:
    """What matters of this machine and its packages."""
    from importlib.metadata import version
    from platform import python_version

    from glasses_signals.models.sessions import cpu_flags

    packages = ("onnxruntime", "faster-whisper", "pywhispercpp", "openai-whisper", "torch", "av")
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "flags": list(cpu_flags()),
        "python": python_version(),
        "packages": {name: version(name) for name in packages if _installed(name)},
    }


def cpu_name() -> str:
    """As Linux names it; where there is no such file, nothing."""
    told = Path("/proc/cpuinfo")
    text = told.read_text("utf-8") if told.exists() else ""
    return found.group(1) if (found := re.search(r"model name\s*: (.+)", text)) else "unknown CPU"


def _installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
