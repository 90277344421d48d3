"""Profile files of any producer: `validate`, `merge`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from glasses_signals.cli.options import EXIT_USAGE, json_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
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


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def merge(files: tuple[Path, ...]) -> None:
    """Join profile files of several producers or shards into one, printed to standard output."""
    from glasses_signals.profiles.document import canonical_json, merge_profiles
    from glasses_signals.profiles.files import read_profiles

    documents = (document for file in files for _, document in read_profiles(file))
    for document in merge_profiles(documents):
        click.echo(canonical_json(document))
