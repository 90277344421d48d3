"""The command line: parse, call, print. Heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from glasses_signals import __version__
from glasses_signals.errors import BadInput, CannotStart, GlassesSignalsError, RunStopped

if TYPE_CHECKING:
    from glasses_signals.runners.extract import Progress, RunReport

EXIT_USAGE = 1
EXIT_QUARANTINED = 2
EXIT_REFUSED = 3

_device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where models run. `cuda` is an error when it can't be used.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one line per result.")
_workers = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Processes that decode media.",
)
_policy = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="Policy file [default: the one that comes with the package].",
)


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """The version first, for programs; then what results depend on besides: models and device."""
    if not wanted or context.resilient_parsing:
        return
    from glasses_signals.models.manifest import manifest_names
    from glasses_signals.models.sessions import resolve_device

    click.echo(f"glasses-signals, version {__version__}")
    click.echo(f"device: {resolve_device('auto')}")
    for name in manifest_names():
        click.echo(f"model {name}: {_model_state(name)}")
    context.exit()


def _model_state(name: str) -> str:
    from glasses_signals.errors import BadModel
    from glasses_signals.models.store import open_model

    try:
        return f"built, sha256 {open_model(name).sha256[:12]}"
    except BadModel:
        return "not built"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show version, device and models, and exit.",
)
def cli() -> None:
    """From smart-glasses uploads to explainable, deletable interest profiles.

    Exit codes: 0 all done; 1 usage or configuration; 2 finished, but inputs could not be used
    (listed); 3 refused to start or had to stop.
    """


def main() -> None:
    """Entry point: errors made for people are printed without a traceback."""
    # ONNX Runtime has the cores; numpy's own threads would only spin beside it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except GlassesSignalsError as error:
        click.echo(f"glasses-signals: {error}", err=True)
        sys.exit(_exit_code(error))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        click.echo("glasses-signals: interrupted; run the same command again to go on", err=True)
        sys.exit(130)


def _exit_code(error: GlassesSignalsError) -> int:
    from glasses_signals.errors import BadModel

    return EXIT_REFUSED if isinstance(error, CannotStart | RunStopped | BadModel) else EXIT_USAGE


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    from glasses_signals.uploads.fields import parse_time

    if value is None:
        return None
    time = parse_time(value)
    if time is None:
        raise click.BadParameter("write a time with its zone, such as 2026-02-01T00:00:00Z")
    return time


@cli.command()
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
@_policy
@click.option(
    "--as-of",
    callback=_moment,
    help="Moment that decay and expiry are computed for [default: the start of today, UTC].",
)
@_device
@_workers
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
@_json
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


def _print_lines(
    lines: Iterable[dict[str, Any]], as_json: bool, plain: Callable[[Any], str]
) -> None:
    failed = False
    for line in lines:
        failed = failed or "error" in line
        if as_json:
            click.echo(json.dumps(line, ensure_ascii=False))
        elif "error" in line:
            click.echo(f"{line['file']}: error: {line['error']}")
        else:
            click.echo(plain(line))
    if failed:
        sys.exit(EXIT_QUARANTINED)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", default="whisper-base", show_default=True, help="Name or manifest file.")
@click.option("--language", help="Spoken language, such as `en` [default: detected].")
@_device
@_workers
@_json
def transcribe(
    files: tuple[Path, ...],
    model: str,
    language: str | None,
    device: str,
    workers: int,
    as_json: bool,
) -> None:
    """Transcribe sound or video files."""
    from glasses_signals.runners.stages import transcribe_files
    from glasses_signals.speech.transcriber import SpeechSettings

    settings = SpeechSettings(model=model, device=device, language=language)
    _print_lines(
        transcribe_files(files, settings, workers),
        as_json,
        lambda line: f"{line['file']}: {line['text'] or '(no speech)'}",
    )


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", default="efficientnet-lite0", show_default=True, help="Name or manifest.")
@_device
@_workers
@_json
def tag(files: tuple[Path, ...], model: str, device: str, workers: int, as_json: bool) -> None:
    """Say what photos and videos show, and which interests that suggests."""
    from glasses_signals.runners.stages import tag_files
    from glasses_signals.vision.tagger import VisionSettings

    _print_lines(
        tag_files(files, VisionSettings(model=model, device=device), workers),
        as_json,
        lambda line: f"{line['file']}: {_labels(line)}  ->  {_verdict(line)}",
    )


@cli.command(name="map")
@click.argument("texts", nargs=-1)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="JSONL file of objects with `text`; `-` reads standard input.",
)
@_policy
@_json
def map_(texts: tuple[str, ...], file: Path | None, policy: Path | None, as_json: bool) -> None:
    """Map texts to interests."""
    from glasses_signals.runners.stages import map_texts

    if bool(texts) == (file is not None):
        raise click.UsageError("give texts, or a file of them with --file; not both")
    wanted = iter(texts) if file is None else _texts_of(file)
    _print_lines(
        map_texts(wanted, policy), as_json, lambda line: f"{line['text_index']}: {_verdict(line)}"
    )


def _texts_of(file: Path) -> Iterator[str]:
    from glasses_signals.uploads.fields import read_json_lines, text_field

    source = Path("/dev/stdin") if str(file) == "-" else file
    try:
        for number, record in read_json_lines(source):
            try:
                if isinstance(record, BadInput):
                    raise record
                yield text_field(record, "text")
            except BadInput as error:
                raise BadInput(f"{file}, line {number}: {error}") from None
    except OSError as error:
        raise CannotStart(f"can't read {file}: {error.strerror or error}") from None


def _labels(line: dict[str, Any]) -> str:
    return ", ".join(f"{x['label']} {x['probability']:.2f}" for x in line["labels"]) or "(nothing)"


def _verdict(line: dict[str, Any]) -> str:
    if line["excluded"] is not None:
        return f"excluded ({line['excluded']})"
    found = (
        f"{i['id']} {' > '.join(i['path'])} ({i['confidence']:.2f})" for i in line["interests"]
    )
    return "; ".join(found) or "no interest"


@cli.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("account")
@click.option("--interest", help="Only this taxonomy id.")
@_json
def explain(out: Path, account: str, interest: str | None, as_json: bool) -> None:
    """Say why each interest of an account is held, and how to remove it."""
    from glasses_signals.ledger.explain import explain as run
    from glasses_signals.runners.output import open_ledger

    with open_ledger(out) as ledger:
        entries = run(ledger, account, interest)
    if as_json:
        for entry in entries:
            click.echo(json.dumps(entry, ensure_ascii=False))
        return
    if not entries:
        click.echo(f"Nothing is held about {account} in {out}.")
    for entry in entries:
        click.echo(f"{entry['id']} {' > '.join(entry['path'])}")
        click.echo(f"  {entry['in_plain_words']}")
        for capture in entry["captures"]:
            labels = f" ({', '.join(capture['labels'])})" if capture["labels"] else ""
            click.echo(
                f"  - {capture['captured_at']} {capture['source']}, {capture['modality']}, "
                f"by its {capture['rule']}{labels}: {capture['confidence']:.2f}"
            )
        click.echo(f"  Remove: glasses-signals forget {out} {account} --interest {entry['id']}")


@cli.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("account")
@click.option("--interest", help="Only this taxonomy id; it never comes back.")
@click.option("--before", callback=_moment, help="Only captures before this time [default: now].")
@_policy
def forget(
    out: Path,
    account: str,
    interest: str | None,
    before: datetime | None,
    policy: Path | None,
) -> None:
    """Erase what is held about an account, for good.

    A salted hash stays, so that a rerun over the same uploads does not bring it back.
    """
    from glasses_signals.runners.rights import forget as run

    erased = run(out, account, interest, before, policy)
    click.echo(f"Erased {erased} pieces of evidence; profiles are rewritten.")


@cli.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("account")
@_policy
def optout(out: Path, account: str, policy: Path | None) -> None:
    """Erase an account and keep it out of all later runs on OUT."""
    from glasses_signals.runners.rights import opt_out as run

    erased = run(out, account, policy)
    click.echo(f"Erased {erased} pieces of evidence; the account stays out from now on.")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_json
def validate(file: Path, as_json: bool) -> None:
    """Check a file of profile documents against the shared profile format."""
    from glasses_signals.profiles.document import validate_profile
    from glasses_signals.profiles.files import read_profiles

    valid, wrong = 0, 0
    for number, document in read_profiles(file):
        problems = validate_profile(document)
        valid, wrong = valid + (not problems), wrong + bool(problems)
        for problem in problems:
            record = {"line": number, "problem": problem}
            click.echo(json.dumps(record) if as_json else f"{file}, line {number}: {problem}")
    if not as_json:
        click.echo(f"{valid} valid, {wrong} not valid")
    if wrong:
        sys.exit(EXIT_USAGE)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def merge(files: tuple[Path, ...]) -> None:
    """Join profile files of several producers or shards into one, printed to standard output."""
    from glasses_signals.profiles.document import canonical_json, merge_profiles
    from glasses_signals.profiles.files import read_profiles

    documents = (document for file in files for _, document in read_profiles(file))
    for document in merge_profiles(documents):
        click.echo(canonical_json(document))


@cli.command()
@click.argument("out", type=click.Path(path_type=Path))
@_policy
@_json
def audiences(out: Path, policy: Path | None, as_json: bool) -> None:
    """Say about how many accounts hold each interest; small groups are never told."""
    from glasses_signals.policy.policy import load_policy
    from glasses_signals.profiles.audiences import audience_sizes
    from glasses_signals.profiles.files import read_profiles
    from glasses_signals.report.tables import console, rows_table
    from glasses_signals.runners.output import PROFILES_NAME

    rules = load_policy(policy)
    sizes = audience_sizes((p for _, p in read_profiles(out / PROFILES_NAME)), rules)
    if as_json:
        for size in sizes:
            line = {"id": size.interest_id, "path": size.path, "about": size.about_accounts}
            click.echo(json.dumps(line))
        return
    rows = ((s.interest_id, " > ".join(s.path), str(s.about_accounts)) for s in sizes)
    console().print(rows_table("Audiences", ["id", "interest", "about"], rows))
    click.echo(
        f"Segments under {rules.min_audience} accounts are left out; "
        f"sizes are rounded down to {rules.audience_step}s."
    )


@cli.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    type=click.Choice(["openrtb", "xdm", "parquet", "csv"]),
    help="OpenRTB `user` objects or XDM fragments, a JSON line each; Parquet; CSV.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default=True,
    help="File, for Parquet a folder partitioned by kind; `-` is standard output.",
)
@click.option(
    "--provider",
    default="glasses-signals.example",
    show_default=True,
    help="OpenRTB only: your domain, which `user.data.name` is to say.",
)
@click.option(
    "--as-of",
    callback=_moment,
    help="Leave out interests that expired by this time [default: now].",
)
def export(out: Path, to: str, output: Path, provider: str, as_of: datetime | None) -> None:
    """Write the profiles in OUT in another format; docs/exports.md says what each one loses.

    An export is a copy that `forget` does not reach: make it again after each run.
    """
    from datetime import UTC

    from glasses_signals.profiles.export.documents import unexpired
    from glasses_signals.profiles.export.write import ExportFormat, export_profiles
    from glasses_signals.profiles.files import read_profiles
    from glasses_signals.runners.output import PROFILES_NAME

    to_stdout = str(output) == "-"
    if to_stdout and to == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal; name a folder with --output")
    documents = (document for _, document in read_profiles(out / PROFILES_NAME))
    current = unexpired(documents, as_of or datetime.now(UTC))
    try:
        target = sys.stdout.buffer if to_stdout else output
        export_profiles(current, ExportFormat(to), target, provider)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotStart(
            f"can't write {output}: {error.strerror or error}; name another place with --output"
        ) from None


@cli.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), help="HTML file [default: OUT/report.html]."
)
@click.option(
    "--accounts",
    is_flag=True,
    help="Also show what is held about single accounts, and why.",
)
@_policy
def report(out: Path, output: Path | None, accounts: bool, policy: Path | None) -> None:
    """Write the last run on OUT as one HTML file that needs no network.

    Interests that fewer accounts hold than the policy's minimum audience are not told, unless
    single accounts are asked for.
    """
    from glasses_signals.report.page import write_report
    from glasses_signals.runners.output import REPORT_NAME

    place = output or out / REPORT_NAME
    size = write_report(out, place, policy, accounts)
    click.echo(f"wrote {place} ({size / 1e6:.1f} MB)")


@cli.command()
def doctor() -> None:
    """Check machine, device, disk and models, and say what to do."""
    from glasses_signals.runners.doctor import checks

    sound = True
    for check in checks():
        sound = sound and check.remedy is None
        click.echo(f"{'ok ' if check.remedy is None else 'BAD'} {check.what}: {check.found}")
        if check.remedy is not None:
            click.echo(f"    {check.remedy}")
    if not sound:
        sys.exit(EXIT_REFUSED)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("name", type=click.Choice(["speech", "vision", "job", "quality"]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    """Run one of the benchmarks that come with the checkout; `bench NAME --help` says more."""
    import subprocess

    script = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    if not script.is_file():
        raise CannotStart(f"{script} is not there: benchmarks come with a checkout, not the wheel")
    sys.exit(subprocess.run([sys.executable, str(script), *arguments], check=False).returncode)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--account", required=True, help="Account id that the media belong to.")
@click.option("--upload-id", help="Id of this upload [default: the folder's name].")
def bundle(folder: Path, account: str, upload_id: str | None) -> None:
    """Write upload.json for a folder of media, all marked as put to the AI.

    Capture times are the files' modification times; correct them in upload.json if need be.
    """
    from glasses_signals.uploads.bundles import write_manifest

    click.echo(f"wrote {write_manifest(folder, account, upload_id)}")


@cli.group()
def models() -> None:
    """Build, list and verify the models in the cache."""


@models.command(name="build")
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Build again what is built already.")
def models_build(names: tuple[str, ...], force: bool) -> None:
    """Build models by name or manifest file [default: all that come with the package]."""
    from glasses_signals.models.build import build

    build(names, force=force, report=click.echo)


@models.command(name="list")
def models_list() -> None:
    """List the models that come with the package, and whether they are built."""
    from glasses_signals.models.manifest import load_manifest, manifest_names
    from glasses_signals.models.store import cache_dir

    for name in manifest_names():
        click.echo(f"{name}: {load_manifest(name).licence}, {_model_state(name)}")
    click.echo(f"cache: {cache_dir()}")


@models.command(name="verify")
@click.argument("names", nargs=-1)
def models_verify(names: tuple[str, ...]) -> None:
    """Check built models' files against their checksums, and print their parity with torch."""
    from glasses_signals.models.build import verify

    results = verify(names)
    for result in results:
        if result.problem is not None:
            click.echo(f"{result.name}: {result.problem}", err=True)
            continue
        parity = ", ".join(f"{fact} {value}" for fact, value in sorted(result.parity.items()))
        click.echo(f"{result.name}: ok, sha256 {result.sha256}; {parity}")
    if not all(result.ok for result in results):
        sys.exit(EXIT_REFUSED)
