"""`extract`: the main job, its progress and its tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from glasses_signals.cli.options import (
    EXIT_QUARANTINED,
    device_option,
    json_option,
    moment,
    policy_option,
    workers_option,
)

if TYPE_CHECKING:
    from glasses_signals.runners.extract import Progress, RunReport


@click.command()
@click.argument("uploads")
@click.option(
    "--accounts",
    required=True,
    type=click.Path(path_type=Path),
    help="accounts.jsonl: who the uploads belong to and what they agreed to.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for ledger, profiles and run report.",
)
@click.option(
    "--source",
    type=click.Choice(["glasses", "chat", "imagine", "feed"]),
    default="glasses",
    show_default=True,
    help="What UPLOADS is: a folder of bundles, or a JSONL file of a sibling product.",
)
@policy_option
@click.option(
    "--as-of",
    callback=moment,
    help="Moment that decay and expiry are computed for [default: the start of today, UTC].",
)
@device_option
@workers_option
@click.option(
    "--unit-items",
    type=click.IntRange(1, 4096),
    default=64,
    show_default=True,
    help="Items finished and stored together: a killed run loses at most so many.",
)
@click.option(
    "--shard",
    metavar="K/N",
    help="Only the K-th of N parts, split by account; `merge` joins their profiles.",
)
@click.option(
    "--runner",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where units are finished: in this process, or by actors on a Ray cluster.",
)
@click.option("--ray-address", help="Ray cluster to join [default: start one on this machine].")
@json_option
def extract(
    uploads: str,
    accounts: Path,
    out: Path,
    source: str,
    policy: Path | None,
    as_of: datetime | None,
    device: str,
    workers: int,
    unit_items: int,
    shard: str | None,
    runner: Literal["local", "ray"],
    ray_address: str | None,
    as_json: bool,
) -> None:
    """Turn uploads into interest profiles: the main job.

    UPLOADS is a folder, a file of a sibling product, or a URL such as s3://bucket/uploads.
    What was done before is skipped; a killed run goes on where it was.
    """
    from glasses_signals.records import Source
    from glasses_signals.runners.extract import ExtractSettings
    from glasses_signals.runners.extract import extract as run
    from glasses_signals.runners.shards import parse_shard
    from glasses_signals.speech.transcriber import SpeechSettings
    from glasses_signals.vision.tagger import VisionSettings

    settings = ExtractSettings(
        source=Source(source),
        policy=policy,
        as_of=as_of,
        device=device,
        decode_workers=workers,
        unit_items=unit_items,
        shard=parse_shard(shard) if shard else None,
        runner=runner,
        ray_address=ray_address,
        speech=SpeechSettings(device=device),
        vision=VisionSettings(device=device),
    )
    with _progress(quiet=as_json) as show:
        report = run(uploads, accounts, out, settings, show)
    for problem in report.account_problems:
        click.echo(f"glasses-signals: {problem}", err=True)
    if as_json:
        click.echo(json.dumps(report.document, sort_keys=True))
    else:
        _print_report(report, out)
    if report.quarantined:
        sys.exit(EXIT_QUARANTINED)


class _progress:  # noqa: N801 - reads as a statement
    """A progress bar on a terminal; nothing elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr.isatty()

    def __enter__(self) -> Callable[[Progress], None] | None:
        if not self._shown:
            return None
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        from glasses_signals.report.tables import console

        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(pulse_style="cyan"),
            TimeElapsedColumn(),
            console=console(stderr=True),
            transient=True,
        )
        task = self._bar.add_task("starting", total=None)
        self._bar.start()

        def show(progress: Progress) -> None:
            rate = progress.finished / max(progress.elapsed_s, 1e-9)
            remaining = progress.remaining_s
            to_go = "" if remaining is None else f", {timedelta(seconds=round(remaining))} to go"
            self._bar.update(
                task,
                total=progress.total,
                completed=progress.handled,
                description=f"{progress.finished:,} items, {rate:,.1f}/s, "
                f"{progress.audio_s:,.0f} s of speech, {progress.pictures:,.0f} pictures, "
                f"{progress.quarantined} quarantined{to_go}",
            )

        return show

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            self._bar.stop()


def _print_report(report: RunReport, out: Path) -> None:
    from glasses_signals.profiles.files import read_profiles
    from glasses_signals.report.tables import MAX_ACCOUNTS, console, profiles_table, rows_table
    from glasses_signals.runners.output import PROFILES_NAME

    screen = console()
    if report.profiles:
        screen.print(profiles_table(p for _, p in read_profiles(out / PROFILES_NAME)))
    if report.profiles > MAX_ACCOUNTS:
        screen.print(f"... and {report.profiles - MAX_ACCOUNTS} more accounts")
    counts = ((reason, str(n)) for reason, n in sorted(report.counts.items()))
    screen.print(rows_table("This run", ["what became of it", "items"], counts))
    if report.quarantined:
        rows = ((q.place, q.reason) for q in report.quarantined)
        screen.print(rows_table("Quarantined", ["file", "reason"], rows))
    screen.print(f"{report.profiles} profiles in {out / PROFILES_NAME}")
