"""How a run is going: lines that renew themselves on a terminal, events under `--json`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from glasses_signals.cli.log import Log

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from glasses_signals.runners.extract import Progress

    Show = Callable[[Progress], None]

EVENT_EVERY_S = 10.0
# What each stage does, and the unit it is counted in; a stage without one has only its time.
STAGES = {
    "speech": ("audio_s", "s of sound"),
    "vision": ("pictures", "pictures"),
    "interests": ("texts", "texts"),
    "ledger": (None, ""),
}


@contextmanager
def shown_progress(log: Log) -> Iterator[Show | None]:
    """What to call after each unit of work, or None when nobody watches."""
    if log.as_json:
        yield _heeding(log, _Events(log))
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _heeding(log, _Terminal(bars))
    else:
        yield None


def _heeding(log: Log, show: Show) -> Show:
    def shown(progress: Progress) -> None:
        log.heed()
        show(progress)

    return shown


@dataclass(slots=True)
class _Events:
    """A `progress` event at most every ten seconds."""

    log: Log
    next_at: float = 0.0

    def __call__(self, progress: Progress) -> None:
        now = monotonic()
        if now < self.next_at:
            return
        self.next_at = now + EVENT_EVERY_S
        remaining_s = progress.remaining_s
        self.log(
            "info",
            "progress",
            total=progress.total,
            handled=progress.handled,
            finished=progress.finished,
            quarantined=progress.quarantined,
            elapsed_s=round(progress.elapsed_s, 1),
            remaining_s=None if remaining_s is None else round(remaining_s, 1),
            **{f"{stage}_s": round(s, 1) for stage, s in sorted(progress.stage_s.items())},
        )


def _bars() -> Bars:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    from glasses_signals.report.tables import console

    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24, pulse_style="cyan"),
        TextColumn("{task.fields[done]}", justify="right"),
        TextColumn("{task.fields[rate]}", justify="right"),
        TextColumn("{task.fields[to_go]}", justify="right"),
        console=console(stderr=True),
        transient=True,
    )


@contextmanager
def counted(log: Log, total: int | None) -> Iterator[Callable[[], None]]:
    """What to call after each input of a single stage; shown where results go elsewhere.

    On a terminal that also gets the results, these are the progress.
    """
    if sys.stderr.isatty() and not sys.stdout.isatty() and not log.as_json:
        with _bars() as bars:
            yield _Count(log, total, bars)
    else:
        yield _Count(log, total, None)


class _Count:
    """Inputs done so far, on a terminal's line or as events."""

    def __init__(self, log: Log, total: int | None, bars: Bars | None) -> None:
        self._log, self._total, self._bars = log, total, bars
        self._started = self._told = monotonic()
        self._done = 0
        if bars is not None:
            self._task = bars.add_task("models load", total=total, done="", rate="", to_go="")

    def __call__(self) -> None:
        self._done += 1
        now = monotonic()
        rate = self._done / max(now - self._started, 1e-9)
        remaining_s = (self._total - self._done) / rate if self._total is not None else None
        if self._bars is not None:
            self._bars.update(
                self._task,
                description="inputs",
                completed=self._done,
                done=f"{self._done:,} of {self._total:,}" if self._total else f"{self._done:,}",
                rate=f"{rate:,.1f}/s",
                to_go=_to_go(remaining_s),
            )
        elif now - self._told >= EVENT_EVERY_S:
            self._told = now
            left = None if remaining_s is None else round(remaining_s, 1)
            self._log("info", "progress", total=self._total, handled=self._done, remaining_s=left)


class _Terminal:
    """A line for all items, and one a stage: its share of time, amount done, rate, time to go."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._all = bars.add_task(
            "models load, first items", done="", rate="", to_go="", total=None
        )
        self._stages: dict[str, TaskID] = {}

    def __call__(self, progress: Progress) -> None:
        rate = progress.finished / max(progress.elapsed_s, 1e-9)
        bad = f", {progress.quarantined:,} quarantined" if progress.quarantined else ""
        self._bars.update(
            self._all,
            description="items",
            total=progress.total,
            completed=progress.handled,
            done=f"{progress.handled:,} of {progress.total:,}{bad}",
            rate=f"{rate:,.1f}/s",
            to_go=_to_go(progress.remaining_s),
        )
        for stage, (unit, name) in STAGES.items():
            if stage in progress.stage_s:
                amount = progress.amounts.get(unit) if unit else None
                self._show_stage(progress, stage, amount, name)

    def _show_stage(self, progress: Progress, stage: str, amount: float | None, name: str) -> None:
        if stage not in self._stages:
            self._stages[stage] = self._bars.add_task(f"  {stage}", done="", rate="", to_go="")
        spent_s = progress.stage_s[stage]
        self._bars.update(
            self._stages[stage],
            total=sum(progress.stage_s.values()),
            completed=spent_s,
            done=f"{amount:,.0f} {name}" if amount else "",
            rate=f"{amount / spent_s:,.1f}/s" if amount and spent_s else "",
            to_go=_to_go(progress.stage_remaining_s(stage)),
        )


def _to_go(seconds: float | None) -> str:
    return "" if seconds is None else f"{timedelta(seconds=round(seconds))} to go"
