"""What the single stages show beside their results."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_a_terminal_sees_progress_when_results_go_elsewhere(
    on_terminal: Callable[..., str],
) -> None:
    shown = on_terminal("map", "hiking boots", "a good espresso machine", "banana bread")
    for word in ("models load", "3 of 3", "/s", "to go"):
        assert word in shown, word


@pytest.mark.slow
def test_a_file_that_cant_be_used_is_a_line_and_an_event(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"no picture")
    found = run("tag", file, "--json")
    assert found.returncode == 2
    assert "error" in json.loads(found.stdout)
    failed, finished = (json.loads(line) for line in found.stderr.splitlines())
    assert (failed["level"], failed["event"]) == ("warning", "input_failed")
    assert (finished["inputs"], finished["failed"]) == (1, 1)


def test_without_a_terminal_only_results_are_printed(run: Run) -> None:
    found = run("map", "hiking boots")
    assert found.stderr == ""
    assert found.stdout.startswith("0: ")
