"""`extract`: the main job, or a dry run of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from glasses_signals.cli.log import Log, current_log
from glasses_signals.cli.options import (
    EXIT_QUARANTINED,
    beam_option,
    device_option,
    hear_once_option,
    json_option,
    labels_option,
    moment,
    ocr_option,
    policy_option,
    program,
    vision_settings,
    workers_option,
)
from glasses_signals.cli.out import given_out, with_local_out
from glasses_signals.cli.progress import shown_progress
from glasses_signals.records import Source

if TYPE_CHECKING:
    from glasses_signals.runners.extract import ExtractSettings, RunReport


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
    help="Folder for ledger, profiles and run report; or its URL, such as s3://bucket/out.",
)
@click.option(
    "--source",
    type=click.Choice([str(source) for source in Source]),
    default=str(Source.GLASSES),
    show_default=True,
    help="What UPLOADS is: a folder of bundles, or a JSONL file of a sibling product.",
)
@policy_option
@click.option(
    "--as-of",
    callback=moment,
    help="Moment that decay and expiry are computed for [default: the start of today, UTC].",
)
@click.option(
    "--tagger",
    default="efficientnet-lite0",
    show_default=True,
    help="Model that says what pictures show: name or manifest.",
)
@labels_option
@ocr_option
@beam_option
@hear_once_option
@device_option
@workers_option
@click.option(
    "--unit-items",
    type=click.IntRange(1, 4096),
    default=128,
    show_default=True,
    help="Items finished and stored together: a killed run loses at most two such units.",
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
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only say what the account gates would let through; no media is opened, nothing written.",
)
@click.option("--by-account", is_flag=True, help="With --dry-run: also account by account.")
@json_option
@with_local_out
def extract(
    uploads: str, accounts: Path, out: Path, dry_run: bool, by_account: bool, **options: Any
) -> None:
    """Turn uploads into interest profiles: the main job.

    UPLOADS is a folder, a file of a sibling product, or a URL such as s3://bucket/uploads.
    What was done before is skipped; a killed run goes on where it was.
    """
    if by_account and not dry_run:
        raise click.UsageError("--by-account goes with --dry-run")
    settings = _settings(**options)
    if dry_run:
        _rehearse(uploads, accounts, out, settings, by_account)
    else:
        _run(uploads, accounts, out, settings)


def _settings(
    *,
    source: str,
    policy: Path | None,
    as_of: datetime | None,
    tagger: str,
    labels: Path | None,
    ocr: bool,
    beam: int,
    hear_once: bool,
    device: str,
    workers: int,
    unit_items: int,
    shard: str | None,
    runner: Literal["local", "ray"],
    ray_address: str | None,
    as_json: bool,
) -> ExtractSettings:
    from glasses_signals.runners.extract import ExtractSettings
    from glasses_signals.runners.shards import parse_shard
    from glasses_signals.speech.transcriber import SpeechSettings

    speech = SpeechSettings(device=device, beam=beam)
    return ExtractSettings(
        source=Source(source),
        policy=policy,
        as_of=as_of,
        device=device,
        decode_workers=workers,
        unit_items=unit_items,
        shard=parse_shard(shard) if shard else None,
        runner=runner,
        ray_address=ray_address,
        speech=replace(speech, second=None) if hear_once else speech,
        vision=vision_settings(tagger, device, labels, ocr),
    )


def _run(uploads: str, accounts: Path, out: Path, settings: ExtractSettings) -> None:
    from glasses_signals.runners.extract import extract as run

    log = current_log()
    log("info", "run_started", uploads=uploads, source=str(settings.source), out=given_out())
    with shown_progress(log) as show:
        report = run(uploads, accounts, out, settings, show)
    _warn(log, uploads, settings, report.account_problems, report.counts)
    for entry in report.quarantined:
        log("warning", "quarantined", place=entry.place, reason=entry.reason)
    log("info", "run_finished", elapsed_s=report.document["elapsed_s"], profiles=report.profiles)
    if log.as_json:
        click.echo(json.dumps(report.document, sort_keys=True))
    else:
        _print_report(report, out)
    if report.quarantined:
        sys.exit(EXIT_QUARANTINED)


def _warn(
    log: Log,
    uploads: str,
    settings: ExtractSettings,
    account_problems: Iterable[str],
    counts: Mapping[str, int],
) -> None:
    for problem in account_problems:
        log.tell("warning", "account_unusable", problem)
    if not counts.get("uploaded"):
        log.tell("warning", "nothing_uploaded", _nothing_in(uploads, settings))


def _nothing_in(uploads: str, settings: ExtractSettings) -> str:
    """Why a first run may find nothing; a later run counts what was done before, too."""
    if settings.source is not Source.GLASSES:
        return f"{uploads} holds no line"
    return (
        f"no upload.json was found in {uploads} or its folders (links are not followed); "
        "`glasses-signals bundle FOLDER` writes one"
    )


def _print_report(report: RunReport, out: Path) -> None:
    from glasses_signals.profiles.files import read_profiles
    from glasses_signals.report import tables
    from glasses_signals.runners.output import PROFILES_NAME

    screen = tables.console()
    if report.profiles:
        screen.print(tables.profiles_table(p for _, p in read_profiles(out / PROFILES_NAME)))
    if report.profiles > tables.MAX_ACCOUNTS:
        screen.print(f"... and {report.profiles - tables.MAX_ACCOUNTS:,} more accounts")
    screen.print(tables.funnel_table(report.counts))
    if report.document["stage_s"]:
        screen.print(tables.stages_table(report.document))
    if report.quarantined:
        rows = ((q.place, q.reason) for q in report.quarantined)
        screen.print(tables.rows_table("Quarantined", ["file", "reason"], rows))
    elapsed_s = report.document["elapsed_s"]
    for line in tables.closing_lines(report.profiles, given_out(), elapsed_s, program()):
        screen.print(line, soft_wrap=True)


def _rehearse(
    uploads: str, accounts: Path, out: Path, settings: ExtractSettings, by_account: bool
) -> None:
    from glasses_signals.report import tables
    from glasses_signals.runners.rehearsal import rehearse

    log = current_log()
    found = rehearse(uploads, accounts, out, settings)
    _warn(log, uploads, settings, found.account_problems, found.counts)
    for refusal in found.refused:
        log("warning", "refused", place=refusal.where, reason=refusal.reason)
    if log.as_json:
        shown = {"counts": found.counts, "would_open": found.would_open}
        extra = {"by_account": found.by_account} if by_account else {}
        click.echo(json.dumps({"format": "glasses-rehearsal/1", **shown, **extra}, sort_keys=True))
        return
    screen = tables.console()
    screen.print(tables.gates_table(found.counts, found.would_open))
    if found.refused:
        refused = ((refusal.where, refusal.reason) for refusal in found.refused)
        screen.print(tables.rows_table("Can't be used", ["where", "reason"], refused))
    if by_account:
        screen.print(tables.accounts_table(found.by_account))
    screen.print("Nothing was opened and nothing written.")
