"""Tables for a terminal, plain text when the output is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glasses_signals.report.facts import funnel
from glasses_signals.report.words import FIELDS, REASONS
from glasses_signals.runners.output import PROFILES_NAME

MAX_ACCOUNTS = 20  # shown at the end of a run; the rest is in profiles.jsonl
PLAIN_WIDTH = 110  # characters: wide enough for a path of the taxonomy


def console(stderr: bool = False) -> Console:
    """A console that writes no control characters where the output is no terminal."""
    terminal = Console(stderr=stderr, highlight=False)
    if terminal.is_terminal:
        return terminal
    return Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH, color_system=None)


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


def rows_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: str | None = None,
) -> Table:
    """Any rows as they are; the column `numbers` stands to the right."""
    table = Table(box=SIMPLE, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column == numbers else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def funnel_table(counts: Mapping[str, int]) -> Table:
    """How many items came how far, and in plain words why others did not."""
    rows = ((step.name, f"{step.items:,}", _losses(step.lost)) for step in funnel(counts))
    return rows_table("This run", ["step", "items", "left out before it"], rows, "items")


def stages_table(run: Mapping[str, Any]) -> Table:
    """Where the time of a run went, from its run report."""
    elapsed_s = max(float(run["elapsed_s"]), 1e-9)
    rates = run["throughput"]
    notes = {
        "speech": _rate(rates["audio_s_per_s"], "s of sound a second"),
        "vision": _rate(rates["pictures_per_s"], "pictures a second"),
    }
    by_time = sorted(run["stage_s"].items(), key=lambda stage: -stage[1])
    rows = (
        (stage, f"{seconds:,.1f} s ({seconds / elapsed_s:.0%})", notes.get(stage, ""))
        for stage, seconds in by_time
    )
    return rows_table("Time", ["stage", "spent", "rate"], rows, "spent")


def gates_table(counts: Mapping[str, int], would_open: Mapping[str, int]) -> Table:
    """What a run would do with what was uploaded."""
    lost = sorted(((key, n) for key, n in counts.items() if ":" in key), key=lambda loss: -loss[1])
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(would_open.items()))
    rows = [("uploaded", f"{counts.get('uploaded', 0):,}", "", "")]
    rows += [
        ("left out", f"{n:,}", _plain(key), FIELDS.get(key.partition(":")[2], ""))
        for key, n in lost
    ]
    rows += [("done before", f"{counts.get('already_done', 0):,}", "", "")]
    rows += [("would be opened", f"{sum(would_open.values()):,}", kinds, "")]
    return rows_table("Dry run", ["what", "items", "why", "field"], rows, "items")


def accounts_table(by_account: Mapping[str, Mapping[str, int]]) -> Table:
    """What a run would do, account by account."""
    rows = (
        (
            account,
            f"{counts.get('allowed', 0):,} of {counts.get('uploaded', 0):,}",
            _losses({key: n for key, n in counts.items() if ":" in key}),
        )
        for account, counts in sorted(by_account.items())
    )
    return rows_table("By account", ["account", "allowed", "left out"], rows, "allowed")


def closing_lines(profiles: int, out: str, elapsed_s: float, program: str) -> Iterator[str]:
    """Where the result lies, and what to type next; `program` is how the command is reached."""
    noun = "profile" if profiles == 1 else "profiles"
    yield f"{profiles:,} {noun} in {escape(f'{out}/{PROFILES_NAME}')}, after {elapsed_s:,.1f} s"
    if profiles:
        yield f"Next: {escape(program)} report {escape(out)}"


def _losses(lost: Mapping[str, int]) -> str:
    most_first = sorted(lost.items(), key=lambda loss: (-loss[1], loss[0]))
    return "\n".join(f"{n:,} {_plain(reason)}" for reason, n in most_first)


def _plain(reason: str) -> str:
    """The plain words of a reason, with or without the state before it."""
    name = reason.partition(":")[2] or reason
    return REASONS.get("bad_manifest" if name == "manifest" else name, name)


def _rate(rate: float | None, unit: str) -> str:
    return f"{rate:,.1f} {unit}" if rate is not None else ""
