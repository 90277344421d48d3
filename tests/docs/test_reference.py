"""Everything a user can type or import stands in the reference."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import click
import pytest

import glasses_signals
from glasses_signals.cli import cli

REMEDY = "run scripts/document and commit docs/reference"


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from commands(f"{name} {inner.name}".strip(), inner)


def sections(page: Path) -> dict[str, str]:
    parts = re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


@pytest.mark.parametrize(("name", "command"), list(commands("", cli)))
def test_every_command_and_option_is_in_the_reference(
    name: str, command: click.Command, repository: Path
) -> None:
    documented = sections(repository / "docs/reference/cli.md")
    assert (name or "glasses-signals") in documented, REMEDY
    section = documented[name or "glasses-signals"]
    for parameter in command.params:
        names = (
            parameter.opts
            if isinstance(parameter, click.Option)
            else [parameter.human_readable_name]
        )
        assert all(re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", section) for n in names), REMEDY


def test_the_reference_names_no_command_that_is_gone(repository: Path) -> None:
    known = {name or "glasses-signals" for name, _ in commands("", cli)}
    assert set(sections(repository / "docs/reference/cli.md")) == known, REMEDY


def test_the_python_page_has_todays_signatures_and_docstrings(repository: Path) -> None:
    spec = spec_from_file_location("document", repository / "scripts" / "document.py")
    assert spec is not None and spec.loader is not None
    document = module_from_spec(spec)
    spec.loader.exec_module(document)
    page = (repository / "docs/reference/python.md").read_text("utf-8")
    assert page == document.python_page(), REMEDY
    public = {name for name in glasses_signals.__all__ if not name.startswith("_")}
    assert set(sections(repository / "docs/reference/python.md")) == public


def test_shell_completion_offers_commands(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("glasses-signals")
    words = {"COMP_WORDS": "glasses-signals ex", "COMP_CWORD": "1"}
    environment = {**words, "_GLASSES_SIGNALS_COMPLETE": "bash_complete", "HOME": str(tmp_path)}
    run = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert {"plain,explain", "plain,export", "plain,extract"} <= set(run.stdout.split())
