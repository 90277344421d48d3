import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import glasses_signals
from glasses_signals import cli

HEAVY = ("torch", "cv2", "onnxruntime", "av", "numpy", "tokenizers", "rich", "jsonschema")


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("module", ["glasses_signals", "glasses_signals.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*[m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize("command", ["", *cli.cli.commands])
def test_every_command_has_a_help_text(command: str, run: Run) -> None:
    found = run(*command.split(), "--help")
    assert found.returncode == 0
    assert "Usage:" in found.stdout


def test_a_wrong_option_is_a_usage_error(run: Run) -> None:
    found = run("extract", "--nonsense")
    assert found.returncode == 1
    assert "--nonsense" in found.stderr


def test_an_unlocatable_ledger_is_an_error_for_people(tmp_path: Path, run: Run) -> None:
    found = run("explain", str(tmp_path), "acct-001")
    assert found.returncode == 3
    assert "Traceback" not in found.stderr
    assert "--out folder" in found.stderr


def test_a_time_without_a_zone_is_refused(tmp_path: Path, run: Run) -> None:
    found = run("extract", ".", "--accounts", "a", "--out", "o", "--as-of", "2026-02-01")
    assert found.returncode == 1
    assert "2026-02-01T00:00:00Z" in found.stderr


def test_validate_names_line_and_problem(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"format": "interest-profile/1"}\n')
    found = run("validate", str(file), "--json")
    assert found.returncode == 1
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert {line["line"] for line in lines} == {1}
    assert any("account_id" in line["problem"] for line in lines)


def test_bundle_writes_a_manifest_and_says_where(tmp_path: Path, run: Run) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    found = run("bundle", str(tmp_path), "--account", "acct-1")
    assert found.returncode == 0
    assert json.loads((tmp_path / "upload.json").read_text())["account_id"] == "acct-1"
    assert run("bundle", str(tmp_path), "--account", "acct-1").returncode == 1


def test_the_version_tells_runtime_and_models_without_loading_them() -> None:
    code = (
        "import sys; from glasses_signals.cli import main\n"
        "sys.argv[1:] = ['--version']\n"
        "try:\n    main()\nfinally:\n"
        f"    print(*[m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, *models = found.stdout.splitlines()
    assert first == f"glasses-signals, version {glasses_signals.__version__}"
    assert "CPUExecutionProvider" in second
    assert any(line.startswith("model whisper-base: ") for line in models)
    assert found.stderr.split() == []


@pytest.fixture
def output(samples: Path, tmp_path: Path, run: Run) -> Path:
    """The output folder of a run over the sample messages."""
    where = (samples / "chats.jsonl", "--accounts", samples / "accounts.jsonl")
    run("extract", *where, "--source", "chat", "--out", tmp_path, "--as-of", "2026-02-01T00:00:00Z")
    return tmp_path


@pytest.mark.slow
def test_an_audience_too_small_is_told_in_words(output: Path, run: Run) -> None:
    assert run("audiences", output).stdout.startswith("No interest is held by 50 accounts or more")


@pytest.mark.slow
def test_forgetting_says_which_copies_it_reached(output: Path, run: Run) -> None:
    (output / "report.html").write_text("of an earlier run")
    assert (
        "report, which may tell of the account, is removed"
        in run("forget", output, "acct-ada").stdout
    )
    assert "report" not in run("optout", output, "acct-ada").stdout


def test_a_benchmark_without_labelled_media_says_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("GLASSES_SIGNALS_EVAL", str(tmp_path / "none"))
    found = run("bench", "job")
    assert found.returncode == 3
    assert "benchmarks.md" in found.stderr
    assert run("bench", "quality", "--help").returncode == 0


def test_help_on_benchmarks_and_a_wrong_name(run: Run) -> None:
    assert "GLASSES_SIGNALS_EVAL" in run("bench", "--help").stdout
    wrong = run("bench", "everything")
    assert wrong.returncode == 1
    assert "quality" in wrong.stderr
