"""Makes many small uploads, runs them, and says whether memory is flat and time linear.

    python benchmarks/scale.py --chats 100000
    python benchmarks/scale.py --photos 9000 --voices 500 --videos 500

Prints, for each tenth of the items: wall and CPU seconds (of this process and its decode workers,
which says more on a machine that others use too), and resident memory at its end; then how true
the time-to-go was after the first tenth. A rerun over the finished output is timed as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from made_uploads import account_ids, write_accounts, write_bundles, write_chats

from glasses_signals.records import Source
from glasses_signals.runners.extract import ExtractSettings, Progress, extract

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
ITEMS_PER_ACCOUNT = 50


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a run stood when a tenth was finished."""

    finished: int
    wall_s: float
    cpu_s: float
    rss_mb: float
    workers_rss_mb: float
    remaining_s: float | None


@dataclass(slots=True)
class Meter:
    """Called with the progress after each unit; keeps a mark per tenth of `items`."""

    items: int
    process: psutil.Process = field(default_factory=psutil.Process)
    marks: list[Mark] = field(default_factory=list)

    def __call__(self, progress: Progress) -> None:
        if progress.finished >= self.items * (len(self.marks) + 1) / 10:
            self.marks.append(self.mark(progress))

    def mark(self, progress: Progress) -> Mark:
        workers = self.process.children()
        return Mark(
            finished=progress.finished,
            wall_s=round(progress.elapsed_s, 2),
            cpu_s=round(cpu_s(self.process) + sum(map(cpu_s, workers)), 2),
            rss_mb=round(self.process.memory_info().rss / 2**20, 1),
            workers_rss_mb=round(sum(w.memory_info().rss for w in workers) / 2**20, 1),
            remaining_s=progress.remaining_s,
        )


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def figures(marks: list[Mark], whole_s: float) -> dict[str, Any]:
    """Last tenth over first for rates, last over first mark for memory; 1.0 is perfect.

    Rates leave out the first tenth, which loads the models, and take the second for the first.
    """
    pairs = list(itertools.pairwise(marks))  # tenths end with a unit, so they differ in length
    wall = [(b.finished - a.finished) / (b.wall_s - a.wall_s) for a, b in pairs]
    cpu = [(b.finished - a.finished) / (b.cpu_s - a.cpu_s) for a, b in pairs]
    first = marks[0]
    truth = whole_s - first.wall_s
    return {
        "rate_last_over_second_tenth": round(wall[-1] / wall[0], 3),
        "rate_by_cpu": round(cpu[-1] / cpu[0], 3),
        "memory_last_over_first_tenth": round(marks[-1].rss_mb / first.rss_mb, 3),
        "time_to_go_over_truth": round((first.remaining_s or 0.0) / truth, 3),
        "items_per_s": round(marks[-1].finished / marks[-1].wall_s, 1),
        "items_per_cpu_s": round(marks[-1].finished / marks[-1].cpu_s, 1),
    }


def measure(folder: Path, items: int, source: Source, unit_items: int) -> dict[str, Any]:
    uploads = folder / ("chats.jsonl" if source is Source.CHAT else "uploads")
    settings = ExtractSettings(source=source, as_of=AS_OF, device="cpu", unit_items=unit_items)
    meter = Meter(items)

    def run(progress: Callable[[Progress], None] | None) -> Any:
        return extract(uploads, folder / "accounts.jsonl", folder / "out", settings, progress)

    started = time.perf_counter()
    report = run(meter)
    whole_s = time.perf_counter() - started
    rerun_started = time.perf_counter()
    again = run(None)
    rerun_s = time.perf_counter() - rerun_started
    assert again.counts["already_done"] == report.counts["allowed"]
    return {
        "items": items,
        "source": str(source),
        "whole_s": round(whole_s, 1),
        "rerun_s": round(rerun_s, 1),
        "stage_s": report.document["stage_s"],
        "profiles": report.profiles,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "ledger_mb": round((folder / "out" / "ledger.sqlite").stat().st_size / 2**20, 1),
        "load_average": os.getloadavg()[0],
        **figures(meter.marks, whole_s),
        "tenths": [asdict(mark) for mark in meter.marks],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--chats", type=int, default=0)
    parser.add_argument("--photos", type=int, default=0)
    parser.add_argument("--voices", type=int, default=0)
    parser.add_argument("--videos", type=int, default=0)
    parser.add_argument("--unit-items", type=int, default=64)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    media = options.photos + options.voices + options.videos
    accounts = account_ids(max(1, max(options.chats, media) // ITEMS_PER_ACCOUNT))
    write_accounts(folder / "accounts.jsonl", accounts)
    try:
        if options.chats:
            write_chats(folder / "chats.jsonl", options.chats, accounts)
            result = measure(folder, options.chats, Source.CHAT, options.unit_items)
            print(json.dumps(result, indent=2), flush=True)
            shutil.rmtree(folder / "out")
        if media:
            kinds = {name: getattr(options, name) for name in ("photos", "voices", "videos")}
            write_bundles(folder / "uploads", accounts, **kinds)
            result = measure(folder, media, Source.GLASSES, options.unit_items)
            print(json.dumps(result, indent=2), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
