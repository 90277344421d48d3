"""What people may ask about themselves: `explain`, `forget`, `optout`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glasses_signals.cli.options import json_option, moment, policy_option, program
from glasses_signals.cli.out import given_out, with_local_out

if TYPE_CHECKING:
    from glasses_signals.runners.rights import Erased


@click.command()
@click.argument("out")
@click.argument("account")
@click.option("--interest", help="Only this taxonomy id.")
@json_option
@with_local_out
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
        click.echo(f"Nothing is held about {account} in {given_out()}.")
    for entry in entries:
        click.echo(f"{entry['id']} {' > '.join(entry['path'])}")
        click.echo(f"  {entry['in_plain_words']}")
        for capture in entry["captures"]:
            labels = f" ({', '.join(capture['labels'])})" if capture["labels"] else ""
            click.echo(
                f"  - {capture['captured_at']} {capture['source']}, {capture['modality']}, "
                f"by its {capture['rule']}{labels}: {capture['confidence']:.2f}"
            )
        click.echo(f"  Remove: {program()} forget {given_out()} {account} --interest {entry['id']}")


@click.command()
@click.argument("out")
@click.argument("account")
@click.option("--interest", help="Only this taxonomy id; it never comes back.")
@click.option("--before", callback=moment, help="Only captures before this time [default: now].")
@policy_option
@with_local_out
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

    _tell(run(out, account, interest, before, policy), "profiles are rewritten")


@click.command()
@click.argument("out")
@click.argument("account")
@policy_option
@with_local_out
def optout(out: Path, account: str, policy: Path | None) -> None:
    """Erase an account and keep it out of all later runs on OUT."""
    from glasses_signals.runners.rights import opt_out as run

    _tell(run(out, account, policy), "the account stays out from now on")


def _tell(erased: Erased, done: str) -> None:
    """What was done, the copies that it reached, and those it can't."""
    report = " The report, which may tell of the account, is removed." if erased.report else ""
    click.echo(
        f"Erased {erased.evidence} pieces of evidence; {done}.{report} "
        "Exports are copies: make them again."
    )
