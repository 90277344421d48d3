"""What a run found, for others: `audiences`, `export`, `report`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from glasses_signals.cli.options import json_option, moment, policy_option
from glasses_signals.cli.out import with_local_out
from glasses_signals.errors import CannotStart


@click.command()
@click.argument("out")
@policy_option
@json_option
@with_local_out
def audiences(out: Path, policy: Path | None, as_json: bool) -> None:
    """Say about how many accounts hold each interest; small groups are never told."""
    from glasses_signals.policy.policy import load_policy
    from glasses_signals.profiles.audiences import audience_sizes
    from glasses_signals.profiles.files import read_profiles
    from glasses_signals.report.tables import console, rows_table
    from glasses_signals.runners.output import PROFILES_NAME, open_ledger

    rules = load_policy(policy)
    with open_ledger(out) as ledger:
        key = ledger.audience_key()
    sizes = audience_sizes((p for _, p in read_profiles(out / PROFILES_NAME)), rules, key)
    if as_json:
        for size in sizes:
            line = {"id": size.interest_id, "path": size.path, "about": size.about_accounts}
            click.echo(json.dumps(line))
        return
    if not sizes:
        click.echo(
            f"No interest is held by {rules.min_audience} accounts or more, and not by nearly all; "
            "none is told."
        )
        return
    rows = ((s.interest_id, " > ".join(s.path), str(s.about_accounts)) for s in sizes)
    console().print(rows_table("Audiences", ["id", "interest", "about"], rows))
    click.echo(
        f"Segments of under {rules.min_audience} accounts, or of all but so few, are left out; "
        f"sizes are blurred and rounded down to {rules.audience_step}s."
    )


@click.command()
@click.argument("out")
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
    default="glasses-signals.example",  # a name that nobody can own (RFC 2606)
    show_default=True,
    help="OpenRTB only: your domain, which `user.data.name` is to say.",
)
@click.option(
    "--as-of",
    callback=moment,
    help="Leave out interests that expired by this time [default: now].",
)
@with_local_out
def export(out: Path, to: str, output: Path, provider: str, as_of: datetime | None) -> None:
    """Write the profiles in OUT in another format; docs/exports.md says what each one loses.

    An export is a copy that `forget` does not reach: make it again after each run.
    """
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


@click.command()
@click.argument("out")
@click.option(
    "--output", type=click.Path(path_type=Path), help="HTML file [default: OUT/report.html]."
)
@click.option(
    "--accounts",
    is_flag=True,
    help="Also show what is held about single accounts, and why.",
)
@policy_option
@with_local_out
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
