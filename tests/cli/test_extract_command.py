"""What `extract` shows: to people on a terminal, to programs, before a run and after it."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Chats = tuple[tuple[str, ...], Path, "subprocess.CompletedProcess[str]"]

AS_OF = ("--as-of", "2026-02-01T00:00:00Z")
# Tells on standard error which files were opened and which processes started.
WATCHED = """
import sys
seen = []
def watch(event, arguments):
    if event in ("open", "os.fork", "os.posix_spawn", "subprocess.Popen"):
        seen.append(f"{event} {arguments[0] if arguments else ''}")
sys.addaudithook(watch)
from glasses_signals.cli import main
try:
    main()
finally:
    print(*seen, sep="\\n", file=sys.stderr)
"""


def dry_run(samples: Path, out: Path, *options: str) -> tuple[str, ...]:
    uploads, accounts = samples / "uploads", samples / "accounts.jsonl"
    where = (str(uploads), "--accounts", str(accounts), "--out", str(out))
    return ("extract", *where, *AS_OF, "--dry-run", *options)


def events(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


def test_a_dry_run_opens_no_media_and_starts_no_decoder(samples: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WATCHED, *dry_run(samples, tmp_path / "out", "--by-account")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    opened = [line.partition(" ")[2] for line in found.stderr.splitlines() if "open " in line]
    uploaded = {Path(name) for name in opened if str(samples / "uploads") in name}
    assert {file.name for file in uploaded} == {"upload.json"}
    assert len(uploaded) == len(list((samples / "uploads").glob("*/upload.json")))
    assert not [line for line in found.stderr.splitlines() if not line.startswith("open ")]
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_why_items_are_left_out(samples: Path, tmp_path: Path, run: Run) -> None:
    found = run(*dry_run(samples, tmp_path / "out", "--by-account"))
    assert found.returncode == 0
    assert "would be opened" in found.stdout
    assert "of accounts that opted out" in found.stdout
    assert "acct-hugo" in found.stdout


def test_accounts_of_a_dry_run_add_up_to_its_counts(
    samples: Path, tmp_path: Path, run: Run
) -> None:
    found = json.loads(run(*dry_run(samples, tmp_path / "out", "--by-account", "--json")).stdout)
    added: Counter[str] = Counter()
    for counts in found["by_account"].values():
        added.update(counts)
    assert added == found["counts"]
    assert sum(found["would_open"].values()) == found["counts"]["allowed"]


def test_accounts_are_told_only_when_asked_for(samples: Path, tmp_path: Path, run: Run) -> None:
    assert "acct-" not in run(*dry_run(samples, tmp_path / "out")).stdout
    assert "by_account" not in run(*dry_run(samples, tmp_path / "out", "--json")).stdout


def test_by_account_without_a_dry_run_is_a_usage_error(
    samples: Path, tmp_path: Path, run: Run
) -> None:
    arguments = [a for a in dry_run(samples, tmp_path, "--by-account") if a != "--dry-run"]
    found = run(*arguments)
    assert found.returncode == 1
    assert "--dry-run" in found.stderr


@pytest.fixture(scope="module")
def chats(samples: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Chats:
    """Arguments that extract the sample messages, the output folder, and the finished first run."""
    out = tmp_path_factory.mktemp("chats") / "out"
    where = (str(samples / "chats.jsonl"), "--accounts", str(samples / "accounts.jsonl"))
    arguments = ("extract", *where, "--source", "chat", "--out", str(out), *AS_OF)
    return arguments, out, run(*arguments, "--json")


def test_json_logs_are_one_event_a_line_with_time_and_level(
    chats: Chats,
) -> None:
    told = events(chats[2].stderr)
    assert [event["event"] for event in told] == ["run_started", "progress", "run_finished"]
    assert {event["level"] for event in told} == {"info"}
    times = [datetime.fromisoformat(event["time"]) for event in told]
    assert times == sorted(times)
    assert times[0].tzinfo == UTC
    assert json.loads(chats[2].stdout)["format"] == "glasses-run/1"


def test_without_a_terminal_nothing_but_results_is_printed(chats: Chats, run: Run) -> None:
    found = run(*chats[0])
    assert found.stderr == ""
    assert "\x1b" not in found.stdout
    assert "done by an earlier run" in found.stdout


def test_a_dry_run_after_a_run_finds_it_done_and_leaves_the_ledger_as_it_is(
    chats: Chats, run: Run
) -> None:
    before = (chats[1] / "ledger.sqlite").read_bytes()
    found = json.loads(run(*chats[0], "--dry-run", "--json").stdout)
    assert found["would_open"] == {}
    assert found["counts"]["already_done"] == found["counts"]["allowed"] > 0
    assert (chats[1] / "ledger.sqlite").read_bytes() == before


def test_errors_are_events_too(tmp_path: Path, run: Run) -> None:
    found = run("extract", tmp_path, "--accounts", "none.jsonl", "--out", tmp_path, "--json")
    assert found.returncode == 3
    *_, last = events(found.stderr)
    assert (last["level"], last["event"]) == ("error", "failed")
    assert "none.jsonl" in last["message"]
    assert found.stdout == ""


def test_a_terminal_sees_rate_and_time_to_go_by_stage(
    samples: Path, tmp_path: Path, on_terminal: Callable[..., str]
) -> None:
    where = (samples / "chats.jsonl", "--accounts", samples / "accounts.jsonl", "--out", tmp_path)
    shown = on_terminal("extract", *where, "--source", "chat", *AS_OF, "--unit-items", "4")
    for word in ("models load", "items", "interests", "texts", "/s", "to go"):
        assert word in shown, word


def test_a_dry_run_names_the_field_to_mend_and_manifests_that_cant_be_used(
    tmp_path: Path, run: Run
) -> None:
    upload = tmp_path / "uploads" / "one"
    upload.mkdir(parents=True)
    (upload / "a.jpg").write_bytes(b"x")
    run("bundle", upload, "--account", "acct-1")
    broken = tmp_path / "uploads" / "two"
    broken.mkdir()
    (broken / "upload.json").write_text("{")
    (tmp_path / "accounts.jsonl").write_text('{"account_id": "acct-1", "region": "US"}\n')
    where = ("--accounts", tmp_path / "accounts.jsonl", "--out", tmp_path / "out")
    found = run("extract", tmp_path / "uploads", *where, "--dry-run")
    assert "of accounts of unclear age" in found.stdout
    assert "minor" in found.stdout
    assert "two" in found.stdout
    told = events(run("extract", tmp_path / "uploads", *where, "--dry-run", "--json").stderr)
    assert [(event["level"], event["event"]) for event in told] == [("warning", "refused")]


def test_an_interrupted_run_says_how_to_go_on(samples: Path, tmp_path: Path) -> None:
    where = [str(samples / "uploads"), "--accounts", str(samples / "accounts.jsonl")]
    command = [sys.executable, "-m", "glasses_signals", "extract", *where, "--out", str(tmp_path)]
    process = subprocess.Popen(
        [*command, *AS_OF, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate()
    told = events(first + rest)
    assert process.returncode == 130
    assert [event["event"] for event in told] == ["run_started", "interrupted"]
    assert "same command again" in told[-1]["message"]


def test_an_interrupt_that_a_library_swallowed_still_ends_the_run(
    samples: Path, tmp_path: Path
) -> None:
    arguments = ["extract", str(samples / "chats.jsonl"), "--source", "chat", *AS_OF, "--json"]
    arguments += ["--accounts", str(samples / "accounts.jsonl"), "--out", str(tmp_path)]
    program = f"""if True:
        import os, signal, sys
        from glasses_signals import cli
        from glasses_signals.cli import extract
        load = extract.given_out

        class Swallows:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)

        def swallowing():
            Swallows()
            return load()

        extract.given_out = swallowing
        sys.argv[1:] = {arguments!r}
        cli.main()
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "Exception ignored" in done.stderr
    assert done.returncode == 130
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "interrupted"
    assert not (tmp_path / "profiles.jsonl").exists()


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    profiles = tmp_path / "p.jsonl"
    profiles.write_text('{"format": "interest-profile/1"}\n' * 20_000)
    command = f"{sys.executable} -m glasses_signals validate {profiles} --json | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_a_folder_without_uploads_is_pointed_out(tmp_path: Path, samples: Path, run: Run) -> None:
    (tmp_path / "uploads").mkdir()
    where = ("--accounts", samples / "accounts.jsonl", "--out", tmp_path / "out")
    found = run("extract", tmp_path / "uploads", *where, "--dry-run")
    assert "bundle FOLDER" in found.stderr
    assert run("extract", tmp_path / "uploads", *where).returncode == 0
