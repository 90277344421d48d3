"""Tables as text: tab-separated with a header, as all lists that a reviewer reads are kept."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources.abc import Traversable


def read_tsv(place: Traversable) -> Iterator[dict[str, str]]:
    """The lines by column, without quoting, so texts may hold quotes. As of `csv.DictReader`, what
    a line lacks is None, and what it has too much stands under None.
    """
    with place.open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
