"""OUT in a real S3 store: the same bytes as a local OUT, held by one run at a time."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import s3fs

from glasses_signals.errors import CannotStart, RunStopped
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.runners.extract import ExtractSettings, extract
from glasses_signals.runners.rights import opt_out
from glasses_signals.runners.stored_output import HOLD_NAME, stored_output

SETTINGS = ExtractSettings(as_of=datetime(2026, 2, 1, tzinfo=UTC), device="cpu")


@pytest.fixture
def files(store: str, monkeypatch: pytest.MonkeyPatch) -> s3fs.S3FileSystem:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    return s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)


@pytest.fixture
def url(files: s3fs.S3FileSystem) -> str:
    bucket = f"b{time.monotonic_ns()}"
    files.mkdir(bucket)
    return f"s3://{bucket}/nightly/out"


def names(files: s3fs.S3FileSystem, url: str) -> list[str]:
    return sorted(Path(place).name for place in files.ls(url))


def test_a_run_into_a_store_gives_the_bytes_of_a_local_one_and_goes_on_there(
    photo_uploads: Path, samples: Path, tmp_path: Path, files: s3fs.S3FileSystem, url: str
) -> None:
    accounts = samples / "accounts.jsonl"
    extract(photo_uploads, accounts, tmp_path / "local", SETTINGS)
    for already_done in (False, True):
        with stored_output(url) as out:
            report = extract(photo_uploads, accounts, out, SETTINGS)
        assert (report.counts.get("already_done", 0) == report.counts["allowed"]) is already_done
        written = files.cat_file(f"{url}/profiles.jsonl")
        assert written == (tmp_path / "local" / "profiles.jsonl").read_bytes() != b""
        assert names(files, url) == ["ledger.sqlite", "profiles.jsonl", "run.json"]
    assert not out.exists()


def test_what_is_forgotten_goes_from_the_store_and_its_report_too(
    photo_uploads: Path, samples: Path, files: s3fs.S3FileSystem, url: str
) -> None:
    with stored_output(url) as out:
        extract(photo_uploads, samples / "accounts.jsonl", out, SETTINGS)
        (out / "report.html").write_text("acct-ada")
    with stored_output(url) as out:
        opt_out(out, "acct-ada")
    assert names(files, url) == ["ledger.sqlite", "profiles.jsonl", "run.json"]
    for name in names(files, url):
        assert b"acct-ada" not in files.cat_file(f"{url}/{name}"), name


def test_what_a_stopped_run_had_done_is_stored(files: s3fs.S3FileSystem, url: str) -> None:
    with pytest.raises(RunStopped, match="on the way"), stored_output(url) as out:
        Ledger(out / "ledger.sqlite").close()
        raise RunStopped("on the way")
    assert names(files, url) == ["ledger.sqlite"]


def test_a_second_run_is_told_who_holds_it(files: s3fs.S3FileSystem, url: str) -> None:
    with (
        stored_output(url),
        pytest.raises(CannotStart, match=f"{socket.gethostname()}.*{os.getpid()}"),
        stored_output(url),
    ):
        pass
    assert not files.exists(f"{url}/{HOLD_NAME}")


@pytest.mark.parametrize(
    ("host", "refused"), [(socket.gethostname(), False), ("another-machine", True)]
)
def test_the_hold_of_a_dead_process_is_taken_over_on_its_own_machine_only(
    files: s3fs.S3FileSystem, url: str, host: str, refused: bool
) -> None:
    holder = {"host": host, "process": (1 << 22) + 1, "since": "2026-01-01T00:00:00Z"}
    files.pipe_file(f"{url}/{HOLD_NAME}", json.dumps(holder).encode())
    if refused:
        with pytest.raises(CannotStart, match="remove the object"), stored_output(url):
            pass
    else:
        with stored_output(url) as out:
            assert out.is_dir()
        assert not files.exists(f"{url}/{HOLD_NAME}")


def test_the_command_line_killed_on_the_way_and_typed_again_gives_the_same_bytes(
    photo_uploads: Path, samples: Path, tmp_path: Path, files: s3fs.S3FileSystem, url: str
) -> None:
    accounts = samples / "accounts.jsonl"
    extract(photo_uploads, accounts, tmp_path / "local", SETTINGS)
    command = [sys.executable, "-m", "glasses_signals"]
    job = ["extract", str(photo_uploads), "--accounts", str(accounts), "--out", url]
    job += ["--as-of", "2026-02-01T00:00:00Z", "--device", "cpu", "--unit-items", "1"]
    victim = subprocess.Popen([*command, *job])
    while victim.poll() is None and not files.exists(f"{url}/{HOLD_NAME}"):
        time.sleep(0.001)
    victim.kill()
    assert victim.wait() != 0
    again = subprocess.run([*command, *job], capture_output=True, text=True, check=False)
    assert again.returncode == 2, again.stderr  # the truncated photo
    assert f"{url}/profiles.jsonl" in again.stdout.replace("\n", "")
    written = files.cat_file(f"{url}/profiles.jsonl")
    assert written == (tmp_path / "local" / "profiles.jsonl").read_bytes()
    stored = b"".join(files.cat(files.ls(url)).values())
    assert (
        b"secret" not in again.stdout.encode() + again.stderr.encode() + stored
    )  # the store's key
    before = files.info(f"{url}/ledger.sqlite")
    asked = [*command, "explain", url, "acct-ada"]
    explained = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert f"forget {url} acct-ada" in explained.stdout, explained.stderr
    assert files.info(f"{url}/ledger.sqlite") == before


@pytest.mark.parametrize("wrong", ["s3://no-such-bucket/out", "nonsense://x"])
def test_a_url_that_leads_nowhere_can_not_start(files: s3fs.S3FileSystem, wrong: str) -> None:
    with pytest.raises(CannotStart), stored_output(wrong):
        pass


def test_any_other_store_works_alike(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/out"
    with stored_output(url) as out:
        Ledger(out / "ledger.sqlite").close()
        with pytest.raises(CannotStart, match="in use"), stored_output(url):
            pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ledger.sqlite"]
