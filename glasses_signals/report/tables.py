"""Tables for a terminal, plain text when the output is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MAX_ACCOUNTS = 20  # shown at the end of a run; the rest is in profiles.jsonl
PLAIN_WIDTH = 110


def console(stderr: bool = False) -> Console:
    """A console that writes no control characters where the output is no terminal."""
    plain = Console(stderr=stderr, highlight=False)
    return (
        plain
        if plain.is_terminal
        else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH, color_system=None)
    )


def profiles_table(profiles: Iterable[dict[str, Any]]) -> Table:
    """Interests of the first accounts, the strongest first."""
    table = Table(box=SIMPLE, title="Interests", title_justify="left", pad_edge=False)
    table.add_column("account", no_wrap=True)
    table.add_column("interest")
    table.add_column("confidence", justify="right")
    table.add_column("score", justify="right")
    table.add_column("seen", justify="right")
    table.add_column("expires", no_wrap=True)
    for profile in islice(profiles, MAX_ACCOUNTS):
        name = escape(profile["account_id"])
        entries = sorted(profile["interests"], key=lambda e: (-e["score"], int(e["id"])))
        for entry in entries:
            table.add_row(
                name,
                escape(" > ".join(entry["path"])),
                f"{entry['confidence']:.2f}",
                f"{entry['score']:.2f}",
                str(entry["evidence"]["count"]),
                entry["expires_at"][:10],
            )
            name = ""
    return table


def rows_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
