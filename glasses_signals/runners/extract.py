"""The main job: uploads in; ledger, profiles and run report out.

A runner, local or on a Ray cluster, finishes the items unit by unit; a unit's outcomes are stored
in one transaction, so a killed run loses at most the units that it was working on.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import glasses_signals
from glasses_signals.core_dumps import forbid_core_dumps
from glasses_signals.errors import CannotStart, RunStopped
from glasses_signals.ledger.ledger import Ledger, Quarantined
from glasses_signals.models.sessions import cpu_flags, resolve_device
from glasses_signals.peak_memory import peak_rss_mb
from glasses_signals.policy.policy import Policy, load_policy
from glasses_signals.profiles.files import write_profiles
from glasses_signals.records import Item, Source
from glasses_signals.runners.admission import Admission, Admitted
from glasses_signals.runners.local import run_locally
from glasses_signals.runners.output import (
    LEDGER_NAME,
    PROFILES_NAME,
    hold_output,
    write_run_report,
)
from glasses_signals.runners.profiles import account_profiles
from glasses_signals.runners.recognise import Clock, require_vision
from glasses_signals.runners.shards import Shard
from glasses_signals.runners.units import UnitOperator, UnitResult
from glasses_signals.speech.transcriber import SpeechSettings
from glasses_signals.times import format_time
from glasses_signals.uploads.accounts import read_accounts
from glasses_signals.uploads.bundles import Refusal
from glasses_signals.uploads.local import LocalUploads
from glasses_signals.uploads.place import Uploads, open_uploads
from glasses_signals.vision.tagger import VisionSettings

UNIT_ITEMS = 128  # a killed run loses two units at most
# A clock further off the last run's than this is more likely wrong than the nightly job idle.
MAX_BACK = timedelta(days=1)
MAX_PAUSE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """How to run. `as_of` is the moment of decay and expiry; None is the start of today, UTC."""

    source: Source = Source.GLASSES
    policy: Path | None = None
    as_of: datetime | None = None
    device: str = "auto"
    decode_workers: int = 2
    unit_items: int = UNIT_ITEMS
    shard: Shard | None = None
    runner: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    vision: VisionSettings = field(default_factory=VisionSettings)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: uploads handled, items finished by this run, and the work that took."""

    total: int
    handled: int  # of `total`, not counting what is being worked on
    skipped: int  # of `handled`, done by earlier runs
    finished: int
    quarantined: int
    amounts: Mapping[str, float]  # audio_s, pictures and texts so far
    stage_s: Mapping[str, float]  # seconds spent by stage
    elapsed_s: float

    @property
    def remaining_s(self) -> float | None:
        """Seconds to go if the rest is like what this run has done so far; None at first."""
        return self._to_go(self.elapsed_s)

    def stage_remaining_s(self, stage: str) -> float | None:
        """Seconds that `stage` has still to work, likewise."""
        return self._to_go(self.stage_s[stage])

    def _to_go(self, spent_s: float) -> float | None:
        worked = self.handled - self.skipped
        return spent_s * (self.total - self.handled) / worked if worked > 0 else None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did. `counts` by reason are this run's; `states` are the whole ledger's."""

    states: Mapping[str, int]
    counts: Mapping[str, int]
    quarantined: tuple[Quarantined, ...]
    account_problems: tuple[str, ...]
    profiles: int
    document: Mapping[str, Any]


def extract(
    uploads: Path | str,
    accounts: Path,
    out: Path,
    settings: ExtractSettings | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> RunReport:
    """Process the uploads that are not done yet, and write everybody's profiles.

    `uploads` is a folder, a file of a sibling product, or a URL such as `s3://bucket/uploads`.
    Raises CannotStart, BadPolicy or BadModel before anything is done, RunStopped on a full disk.
    """
    settings = settings or ExtractSettings()
    place = open_uploads(uploads, settings.source)
    return extract_from(place, accounts, out, settings, progress)


def extract_from(
    place: Uploads,
    accounts: Path,
    out: Path,
    settings: ExtractSettings,
    progress: Callable[[Progress], None] | None = None,
) -> RunReport:
    """As `extract`, from any place that gives items and files the way `LocalUploads` does.

    Raises CannotStart, BadPolicy, BadModel and RunStopped likewise.
    """
    forbid_core_dumps()
    policy = load_policy(settings.policy)
    accounts_file = read_accounts(accounts)
    device = resolve_device(settings.device)
    require_vision(settings.vision)
    with hold_output(out), Ledger(out / LEDGER_NAME) as ledger, place:
        job = _Job(ledger, policy, settings, device, progress)
        try:
            as_of = settings.as_of or today(ledger)
            if settings.as_of is None:
                ledger.note_run(max(as_of, ledger.latest_run() or as_of))
            if progress is not None:
                job.total = sum(1 for _ in read_uploads(place, settings.shard))
            admission = Admission(
                accounts_file.accounts,
                policy,
                ledger,
                settings.source,
                job.counts,
                as_of,
                place.file_facts,
            )
            job.process(admission(read_uploads(place, settings.shard)), place)
            if not place.exists():
                raise FileNotFoundError("the uploads vanished while they were read")
            started = perf_counter()
            documents = account_profiles(ledger, accounts_file.accounts, policy, as_of)
            profiles = write_profiles(out / PROFILES_NAME, documents)
            job.clock.add("profiles", started)
            report = job.report(as_of, profiles, accounts_file.problems)
            write_run_report(out, report.document)
        except (sqlite3.OperationalError, OSError) as error:
            raise RunStopped(
                f"the run stopped: {error}. What was done is kept in {out / LEDGER_NAME}; "
                "make room or mend the folder, then run the same command again"
            ) from error
    return report


def today(ledger: Ledger) -> datetime:
    """The start of today, UTC. Raises CannotStart when the clock has jumped since the last run.

    A wrong clock would pass for the end of retention, and erase what must be kept.
    """
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    latest = ledger.latest_run()
    if latest is not None and not latest - MAX_BACK <= now <= latest + MAX_PAUSE:
        raise CannotStart(
            f"this machine's clock says {now:%Y-%m-%d}, but the last run on this ledger was on "
            f"{latest:%Y-%m-%d}; set the clock, or give --as-of if both are right"
        )
    return now


def read_uploads(place: Uploads, shard: Shard | None) -> Iterator[Item | Refusal]:
    """What was uploaded, of this shard's accounts only; media are not touched."""
    return place.read() if shard is None else shard.select(place.read())


class _Job:
    """One run: its operators, its counts and its clock."""

    def __init__(
        self,
        ledger: Ledger,
        policy: Policy,
        settings: ExtractSettings,
        device: str,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.ledger = ledger
        self.policy = policy
        self.settings = settings
        self.device = device
        self.progress = progress
        self.total = 0
        self.counts: Counter[str] = Counter()
        self.clock = Clock()
        self.providers: dict[str, str] = {}
        self.started = perf_counter()
        self.started_at = datetime.now(UTC)

    def process(self, admitted: Iterator[Admitted], place: Uploads) -> None:
        """Let the runner finish units, and store each as it comes."""
        for result in self._units(admitted, place):
            self.clock.join(result.clock)
            started = perf_counter()
            self.ledger.record(result.outcomes, self.policy.conversation_window_s, result.models)
            self.clock.add("ledger", started)
            self.counts.update(result.counts)
            self.providers.update(result.providers)
            self.tell()

    def _units(self, admitted: Iterator[Admitted], place: Uploads) -> Iterator[UnitResult]:
        settings = self.settings
        operator = UnitOperator(settings.speech, settings.vision, self.policy)
        if settings.runner == "local":
            return run_locally(
                admitted, place, operator, settings.unit_items, settings.decode_workers
            )
        if not isinstance(place, LocalUploads):
            raise CannotStart("--runner ray reads a folder that all nodes share, not a URL")
        from glasses_signals.runners.ray_runner import run_on_ray

        return run_on_ray(
            admitted,
            operator,
            settings.unit_items,
            settings.decode_workers,
            settings.ray_address,
            gpus=1.0 if self.device == "cuda" else 0.0,
        )

    def tell(self) -> None:
        if self.progress is None:
            return
        states = {"used", "unused", "quarantined"}
        finished = sum(n for key, n in self.counts.items() if key.split(":")[0] in states)
        finished -= self.counts["quarantined:manifest"]
        skipped = self.counts["already_done"]
        in_work = self.counts["allowed"] - skipped - finished
        self.progress(
            Progress(
                total=self.total,
                handled=self.counts["uploaded"] - in_work,
                skipped=skipped,
                finished=finished,
                quarantined=self.counts["quarantined:file"],
                amounts=dict(self.clock.amounts),
                stage_s=dict(self.clock.seconds),
                elapsed_s=perf_counter() - self.started,
            )
        )

    def report(
        self, as_of: datetime, profiles: int, account_problems: tuple[str, ...]
    ) -> RunReport:
        elapsed_s = perf_counter() - self.started
        clock = self.clock
        quarantined = tuple(self.ledger.quarantined())
        states = self.ledger.counts()
        document = {
            "format": "glasses-run/1",
            "version": glasses_signals.__version__,
            "source": str(self.settings.source),
            "started_at": format_time(self.started_at),
            "as_of": format_time(as_of),
            "elapsed_s": round(elapsed_s, 3),
            "states": states,
            "counts": dict(sorted(self.counts.items())),
            "contested": self.ledger.contested(),
            "profiles": profiles,
            "quarantined": [{"place": q.place, "reason": q.reason} for q in quarantined],
            "stage_s": {stage: round(s, 3) for stage, s in sorted(clock.seconds.items())},
            "throughput": {
                "audio_s_per_s": _rate(clock.amounts["audio_s"], clock.seconds["speech"]),
                "pictures_per_s": _rate(clock.amounts["pictures"], clock.seconds["vision"]),
                "items_per_s": _rate(self.counts["allowed"], elapsed_s),
            },
            "device": self.device,
            "providers": self.providers,
            "cpu_flags": list(cpu_flags()),
            "models": {
                name: f"sha256:{sha}"
                for used in self.ledger.models().values()
                for name, sha in used.items()
            },
            "policy": f"sha256:{self.policy.sha256}",
            "peak_rss_mb": peak_rss_mb(),
        }
        return RunReport(
            states, dict(self.counts), quarantined, account_problems, profiles, document
        )


def _rate(amount: float, seconds: float) -> float | None:
    return round(amount / seconds, 2) if seconds > 0 and amount > 0 else None
