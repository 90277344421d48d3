"""Runs many small uploads of all kinds, and says whether memory is flat and time linear.

    python benchmarks/scale.py --items 100000 [--json FILE]

Of a hundred items, 76 are chat lines, 20 small photos, 3 clips of sound and 1 a clip of video, all
different, dealt evenly over ONE run. A thread looks at the process and its decode workers twice a
second. Prints, for each tenth of the items: seconds, items a second, peak memory, how busy the
cores were with it and with all else on the machine, and the time to go that was foretold at its
end; then the goals of memory, rate and time to go as ratios (1.0 is perfect), the share of the
ledger, and what a run costs in which nothing is new. The last tenth ends one unit before the end:
that unit was recognised before, and is only judged after.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does

import argparse
import itertools
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from job import machine_busy_s
from made_uploads import account_ids, write_accounts, write_bundles, write_chats
from results import write_json

from glasses_signals.records import Item, Source
from glasses_signals.runners.extract import ExtractSettings, Progress, RunReport, extract_from
from glasses_signals.uploads.bundles import Refusal
from glasses_signals.uploads.local import Fetched, LocalUploads, local_file_facts

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
ITEMS_PER_ACCOUNT = 50
SHARES = {"photos": 0.20, "voices": 0.03, "videos": 0.01}  # the rest are chat lines
LOOK_EVERY_S = 0.5


class Mixed:
    """A place of uploads: bundles and a file of chats, dealt evenly so that any tenth is alike."""

    def __init__(self, folder: Path, media: int, chats: int) -> None:
        self._bundles = LocalUploads(folder / "uploads")
        self._chats = LocalUploads(folder / "chats.jsonl", Source.CHAT)
        self._media_share = media / (media + chats)

    def __enter__(self) -> Mixed:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def exists(self) -> bool:
        return self._bundles.exists() and self._chats.exists()

    def read(self) -> Iterator[Item | Refusal]:
        bundles, chats = iter(self._bundles.read()), iter(self._chats.read())
        due = 0.0
        for _ in itertools.count():
            due += self._media_share
            first, second = (bundles, chats) if due >= 1 else (chats, bundles)
            due -= due >= 1
            found = next(first, None) or next(second, None)
            if found is None:
                return
            yield found

    def file_facts(self, item: Item) -> list[object]:
        return local_file_facts(item)

    def fetch(
        self, entries: Iterable[Any], item_of: Callable[[Any], Item]
    ) -> Iterator[tuple[Any, Fetched | None]]:
        return self._bundles.fetch(entries, item_of)

    def release(self, fetched: Fetched) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Tenth:
    """From one mark to the next; memory is the peak within, in MiB; `busy` and `others`, what the
    rest of the machine used meanwhile, are shares of all cores' time."""

    finished: int
    end_s: float
    items_per_s: float
    items_per_cpu_s: float
    peak_rss_mb: float
    peak_workers_rss_mb: float
    busy: float
    others: float
    remaining_s: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Items finished, seconds since the start, CPU seconds of the run and of the whole machine."""

    finished: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    machine_s: float = 0.0


@dataclass(slots=True)
class Meter:
    """Called with the progress after each unit; keeps a `Tenth` for each of `items`."""

    items: int
    process: psutil.Process = field(default_factory=psutil.Process)
    tenths: list[Tenth] = field(default_factory=list)
    rss_mb: float = 0.0
    workers_rss_mb: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)
    before: Mark = Mark()  # where the tenth began
    latest: Mark = Mark()

    def __call__(self, progress: Progress) -> None:
        before_this, self.latest = self.latest, self.mark(progress.finished, progress.elapsed_s)
        if progress.finished < self.items * (len(self.tenths) + 1) / 10:
            return
        then, now = self.before, self.latest
        if progress.finished == self.items and before_this.finished > then.finished:
            now = before_this
        self.before = now
        done, wall, cpu = (
            now.finished - then.finished,
            now.elapsed_s - then.elapsed_s,
            now.cpu_s - then.cpu_s,
        )
        cores_s = wall * (os.cpu_count() or 1)
        tenth = Tenth(
            finished=progress.finished,
            end_s=round(now.elapsed_s, 2),
            items_per_s=round(done / wall, 1),
            items_per_cpu_s=round(done / cpu, 1),
            peak_rss_mb=round(self.rss_mb, 1),
            peak_workers_rss_mb=round(self.workers_rss_mb, 1),
            busy=round(cpu / cores_s, 3),
            others=round(max(0.0, now.machine_s - then.machine_s - cpu) / cores_s, 3),
            remaining_s=progress.remaining_s,
        )
        self.tenths.append(tenth)
        print(tenth, flush=True)
        self.rss_mb = self.workers_rss_mb = 0.0

    def mark(self, finished: int, elapsed_s: float) -> Mark:
        both = (self.process, *self.process.children())
        cpu_s = sum(sum(p.cpu_times()[:2]) for p in both)
        return Mark(finished, elapsed_s, cpu_s, machine_busy_s())

    def watch(self) -> None:
        while not self.stopped.wait(LOOK_EVERY_S):
            self.rss_mb = max(self.rss_mb, rss_mb(self.process))
            self.workers_rss_mb = max(
                self.workers_rss_mb, sum(map(rss_mb, self.process.children()))
            )


def rss_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        return 0.0


def ratios(tenths: list[Tenth], whole_s: float) -> dict[str, float]:
    """Rates: last tenth over the second, as models load in the first. Memory: over the first."""
    first, second, last = tenths[0], tenths[1], tenths[-1]
    foretold = (first.remaining_s or 0.0) / (whole_s - first.end_s)
    memory = last.peak_rss_mb + last.peak_workers_rss_mb
    highest = max(t.peak_rss_mb + t.peak_workers_rss_mb for t in tenths)
    return {
        "rate_last_over_second_tenth": round(last.items_per_s / second.items_per_s, 3),
        "rate_by_cpu": round(last.items_per_cpu_s / second.items_per_cpu_s, 3),
        "memory_last_over_first_tenth": round(
            memory / (first.peak_rss_mb + first.peak_workers_rss_mb), 3
        ),
        "memory_highest_over_first_tenth": round(
            highest / (first.peak_rss_mb + first.peak_workers_rss_mb), 3
        ),
        "time_to_go_over_truth": round(foretold, 3),
        "busy": round(statistics.median(t.busy for t in tenths), 3),
        "others": round(statistics.median(t.others for t in tenths), 3),
    }


def measure(folder: Path, media: int, chats: int) -> dict[str, Any]:
    settings = ExtractSettings(as_of=AS_OF, device="cpu")

    def run(progress: Callable[[Progress], None] | None) -> tuple[RunReport, float]:
        started = time.perf_counter()
        place: Any = Mixed(folder, media, chats)
        report = extract_from(place, folder / "accounts.jsonl", folder / "out", settings, progress)
        return report, time.perf_counter() - started

    meter = Meter(media + chats)
    meter.before = meter.latest = meter.mark(0, 0.0)  # making the uploads does not count
    watcher = threading.Thread(target=meter.watch, daemon=True)
    watcher.start()
    report, whole_s = run(meter)
    meter.stopped.set()
    again, rerun_s = run(None)
    assert again.counts["already_done"] == report.counts["allowed"] == media + chats
    stage_s = report.document["stage_s"]
    return {
        "items": media + chats,
        "load_average": os.getloadavg()[0],
        "whole_s": round(whole_s, 1),
        **ratios(meter.tenths, whole_s),
        "ledger_share": round(stage_s["ledger"] / whole_s, 4),
        "ledger_bytes_an_item": round(
            (folder / "out" / "ledger.sqlite").stat().st_size / (media + chats)
        ),
        "stage_s": stage_s,
        "profiles": report.profiles,
        "nothing_new_s": round(rerun_s, 2),
        "nothing_new_profiles_s": again.document["stage_s"]["profiles"],
        "nothing_new_us_an_item": round(
            1e6 * (rerun_s - again.document["stage_s"]["profiles"]) / (media + chats), 1
        ),
        "tenths": [asdict(tenth) for tenth in meter.tenths],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    kinds = {name: round(options.items * share) for name, share in SHARES.items()}
    media = sum(kinds.values())
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        accounts = account_ids(max(1, options.items // ITEMS_PER_ACCOUNT))
        write_accounts(folder / "accounts.jsonl", accounts)
        write_chats(folder / "chats.jsonl", options.items - media, accounts)
        write_bundles(folder / "uploads", accounts, **kinds)
        found = measure(folder, media, options.items - media)
        print(json.dumps(found, indent=2))
        if options.json:
            write_json(options.json, found)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
