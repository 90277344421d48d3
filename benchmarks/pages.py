"""Writes today's figures from `results.json` into README, docs and benchmarks/README.

    scripts/figures [--check]

Between `<!-- figure NAME -->` and `<!-- / -->`, within a line, stands a figure; between
`<!-- table NAME -->` and `<!-- / -->`, on lines of their own, a table. NAMEs are those of
`benchmarks/figures`. The reliability diagram, the curve that reports show and the picture of a
terminal are made of the same results. `--check` writes nothing, and names what would change.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from figures import FIGURES
from reliability_plot import curve, plot
from results import ROOT, Results, read_results, write_whole
from terminal_picture import terminal

MARK = re.compile(r"<!-- (figure|table) (\S+) -->(.*?)<!-- / -->", re.DOTALL)
OPENED = re.compile(r"<!-- (?:figure|table) ")
CLOSED = "<!-- / -->"
FIRST_IN_LINE = re.compile(r"^[ \t>*-]*<!-- figure ", re.MULTILINE)


class BadMark(Exception):
    """A page that can't be written: a name without a figure, or marks that don't fit together."""


def renewed(page: str, results: Results) -> str:
    """The page with each figure as it is today. BadMark says what is wrong with its marks."""
    marks = list(MARK.finditer(page))
    if not len(marks) == len(OPENED.findall(page)) == page.count(CLOSED):
        raise BadMark("a mark is not closed, or is closed twice")
    if first := FIRST_IN_LINE.search(page):
        # A comment at the start of a line would end the paragraph that it stands in.
        line = page.count("\n", 0, first.end()) + 1
        raise BadMark(f"line {line} begins with a figure: break the line elsewhere")
    return MARK.sub(partial(_written, results), page)


def _written(results: Results, mark: re.Match[str]) -> str:
    kind, name, _ = mark.groups()
    if name not in FIGURES:
        raise BadMark(f"no figure is called {name}")
    try:
        shown = FIGURES[name](results)
    except (KeyError, StopIteration) as missing:
        raise BadMark(f"{name} needs a result that is not there: {missing!r}") from None
    if kind == "table":
        shown = f"\n\n{shown}\n\n"
    return f"<!-- {kind} {name} -->{shown}{CLOSED}"


def pages(root: Path) -> Iterator[Path]:
    yield root / "README.md"
    yield root / "benchmarks" / "README.md"
    yield from sorted((root / "docs").glob("**/*.md"))


PICTURES: dict[str, Callable[[Results], str]] = {
    "docs/images/reliability.svg": lambda r: plot(r.found("quality")["calibration"]),
    "docs/images/terminal.svg": lambda r: terminal(r.found("samples")["printed"]),
    "glasses_signals/report/data/reliability.json": lambda r: (
        json.dumps(curve(r.found("quality"), r.parts["quality"]["date"]), indent=1) + "\n"
    ),
}


def outdated(root: Path, results: Results) -> Iterator[tuple[Path, str]]:
    """Files that differ from what the results give, with what they should hold."""
    for page in pages(root):
        text = page.read_text("utf-8")
        try:
            new = renewed(text, results)
        except BadMark as problem:
            raise BadMark(f"{page.relative_to(root)}: {problem}") from None
        if new != text:
            yield page, new
    for name, made in PICTURES.items():
        new = made(results)
        if new != (root / name).read_text("utf-8"):
            yield root / name, new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    try:
        found = list(outdated(ROOT, read_results()))
    except BadMark as problem:
        sys.exit(str(problem))
    for place, text in found:
        print(place.relative_to(ROOT))
        if not arguments.check:
            write_whole(place, text)
    if arguments.check and found:
        sys.exit("these differ from benchmarks/results.json: run scripts/figures")


if __name__ == "__main__":
    main()
