"""The documentation builds, and its examples run as they are written."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from reading import REPOSITORY, blocks, shell_lines, type_in

from glasses_signals.cli import cli
from glasses_signals.profiles.document import validate_profile
from glasses_signals.profiles.files import read_profiles

PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))]


def documented_commands() -> list[str]:
    lines = [line for page in PAGES for line in shell_lines(page)]
    return sorted({line for line in lines if line.startswith("glasses-signals ")})


@pytest.mark.parametrize("line", documented_commands())
def test_every_command_in_the_docs_exists_with_its_options(line: str) -> None:
    words = shlex.split(re.split(r" (?:\d?>|\|) ", line)[0])[1:]
    command: click.Command = cli
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    context = click.Context(command, **command.context_settings)
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("name", ["speech", "vision", "job", "quality"])
def test_benchmark_options_in_the_docs_exist(name: str) -> None:
    start = f"glasses-signals bench {name} "
    used = {
        word
        for page in PAGES
        for line in shell_lines(page)
        if start in line
        for word in shlex.split(line)
        if word.startswith("--")
    }
    script = REPOSITORY / "benchmarks" / f"{name}.py"
    command = [sys.executable, str(script), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert used <= set(re.findall(r"--[a-z-]+", shown.stdout))


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        command, cwd=REPOSITORY, env=quiet, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 10
    loaded = re.compile(r"""<(?:script|link|img)[^>]*(?:src|href)=["']?https?:""")
    assert not [page for page in pages if loaded.search(page.read_text("utf-8"))]


@pytest.fixture
def output_of_today(run_of_today: Path, tmp_path: Path) -> Path:
    """A folder with `out`, a run of today."""
    shutil.copytree(run_of_today, tmp_path / "out")
    return tmp_path


def test_the_queries_on_exports_run_as_written(output_of_today: Path) -> None:
    page = REPOSITORY / "docs" / "exports.md"
    for line in shell_lines(page):
        done = type_in(line, output_of_today)
        assert done.returncode == 0, done.stderr
    for code in blocks(page, "python"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=output_of_today,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    users = (output_of_today / "users.jsonl").read_text().splitlines()
    assert json.loads(users[0])["data"][0]["name"] == "ads.example"


def test_the_example_producer_joins_our_profiles(output_of_today: Path) -> None:
    article = {"account_id": "acct-0001", "topic": "625", "saved_at": "2026-01-05T10:00:00Z"}
    (output_of_today / "saved.jsonl").write_text(json.dumps(article) + "\n")
    (output_of_today / "docs").symlink_to(REPOSITORY / "docs")
    for line in shell_lines(REPOSITORY / "docs" / "how-to" / "add-a-source.md"):
        done = type_in(line, output_of_today)
        assert done.returncode == 0, done.stderr
    joined = {d["account_id"]: d for _, d in read_profiles(output_of_today / "all.jsonl")}
    assert all(validate_profile(document) == [] for document in joined.values())
    assert {p["name"] for p in joined["acct-0001"]["producers"]} == {
        "glasses-signals",
        "reading-list",
    }
