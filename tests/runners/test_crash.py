"""What a run survives: being killed, full and read-only disks, vanished uploads, a wrong clock."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from glasses_signals.errors import CannotStart, RunStopped
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.runners.extract import ExtractSettings, Progress, extract
from glasses_signals.runners.output import MIN_FREE_BYTES
from glasses_signals.runners.rehearsal import rehearse

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
SETTINGS = ExtractSettings(as_of=AS_OF, device="cpu", unit_items=1)
DISK_BYTES = MIN_FREE_BYTES + (8 << 20)


@pytest.fixture(scope="module")
def expected(photo_uploads: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an undisturbed run over them gives."""
    out = tmp_path_factory.mktemp("undisturbed")
    extract(photo_uploads, samples / "accounts.jsonl", out, SETTINGS)
    written = (out / "profiles.jsonl").read_bytes()
    assert written
    return written


@pytest.fixture
def uploads(photo_uploads: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(photo_uploads, tmp_path / "uploads"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk that is easily filled, or None where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    mounted = shutil.which("mount") is not None and (
        subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    )
    yield disk if mounted else None
    if mounted:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def start(uploads: Path, accounts: Path, out: Path, **options: Any) -> subprocess.Popen[str]:
    arguments = ["extract", uploads, "--accounts", accounts, "--out", out, "--unit-items", "1"]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "glasses_signals", *map(str, arguments)),
            *("--as-of", "2026-02-01T00:00:00Z", "--device", "cpu"),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        **options,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.001)


def test_killed_runs_end_in_the_same_bytes(repository: Path, tmp_path: Path) -> None:
    script = repository / "benchmarks" / "crash.py"
    found = tmp_path / "found.json"
    command = [sys.executable, script, "--kills", "3", "--seed", "7", "--json", found]
    subprocess.run(command, capture_output=True, check=False)
    result = json.loads(found.read_text())
    assert result["failures"] == []
    assert result["kills"] >= 3


def test_a_full_disk_stops_the_run_and_loses_nothing(
    uploads: Path, samples: Path, tmp_path: Path, expected: bytes, small_disk: Path | None
) -> None:
    accounts = samples / "accounts.jsonl"
    if small_disk is None:  # the next test covers a disk that refuses to grow a file
        return
    out = small_disk / "out"
    run = start(uploads, accounts, out)
    log = out / "ledger.sqlite-wal"
    wait_for(lambda: run.poll() is not None or (log.exists() and log.stat().st_size > 4096))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    _, error = run.communicate()
    assert run.returncode == 3, error
    assert "Traceback" not in error
    assert "full" in error or "No space left" in error, error
    filler.unlink()
    extract(uploads, accounts, out, SETTINGS)
    assert (out / "profiles.jsonl").read_bytes() == expected


@pytest.mark.parametrize("limit_kib", [8, 48, 80])
def test_a_file_that_may_not_grow_stops_the_run_and_loses_nothing(
    uploads: Path, samples: Path, tmp_path: Path, expected: bytes, limit_kib: int
) -> None:
    limits = (limit_kib << 10, resource.RLIM_INFINITY)
    run = start(
        uploads,
        samples / "accounts.jsonl",
        tmp_path / "out",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    _, error = run.communicate()
    assert run.returncode == 3, error
    assert "Traceback" not in error
    extract(uploads, samples / "accounts.jsonl", tmp_path / "out", SETTINGS)
    assert (tmp_path / "out" / "profiles.jsonl").read_bytes() == expected


def test_an_output_folder_that_can_not_be_made_is_refused(
    uploads: Path, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="Give another folder with --out"):
        extract(uploads, samples / "accounts.jsonl", tmp_path / "file" / "out", SETTINGS)


def test_uploads_that_vanish_on_the_way_stop_the_run_and_lose_nothing(
    uploads: Path, samples: Path, tmp_path: Path, expected: bytes
) -> None:
    away, out = tmp_path / "away", tmp_path / "out"

    def vanish(progress: Progress) -> None:
        if uploads.exists():
            uploads.rename(away)

    with pytest.raises(RunStopped, match="vanished"):
        extract(uploads, samples / "accounts.jsonl", out, SETTINGS, vanish)
    away.rename(uploads)
    extract(uploads, samples / "accounts.jsonl", out, SETTINGS)
    assert (out / "profiles.jsonl").read_bytes() == expected


def test_media_may_be_removed_once_they_are_done(
    uploads: Path, samples: Path, tmp_path: Path, expected: bytes
) -> None:
    out = tmp_path / "out"
    extract(uploads, samples / "accounts.jsonl", out, SETTINGS)
    for photo in uploads.glob("*/photo-*"):
        photo.unlink()
    extract(uploads, samples / "accounts.jsonl", out, SETTINGS)
    assert (out / "profiles.jsonl").read_bytes() == expected


@pytest.mark.parametrize("jump", [timedelta(days=-3), timedelta(days=3000)])
def test_a_clock_that_jumped_is_not_taken_for_the_end_of_retention(
    uploads: Path, samples: Path, tmp_path: Path, jump: timedelta
) -> None:
    out = tmp_path / "out"
    extract(uploads, samples / "accounts.jsonl", out, SETTINGS)
    with Ledger(out / "ledger.sqlite") as ledger:
        before = ledger.evidence("acct-ada")
        ledger.note_run(datetime.now(UTC) - jump)
    with pytest.raises(CannotStart, match="clock"):
        extract(uploads, samples / "accounts.jsonl", out, ExtractSettings(device="cpu"))
    with pytest.raises(CannotStart, match="clock"):  # a rehearsal tells of it too
        rehearse(uploads, samples / "accounts.jsonl", out, ExtractSettings(device="cpu"))
    with Ledger(out / "ledger.sqlite") as ledger:
        assert ledger.evidence("acct-ada") == before


def test_what_is_written_is_for_its_owner_only(
    uploads: Path, samples: Path, tmp_path: Path
) -> None:
    previous = os.umask(0)
    try:
        extract(uploads, samples / "accounts.jsonl", tmp_path / "out", SETTINGS)
    finally:
        os.umask(previous)
    modes = {
        f.name: f.stat().st_mode & 0o077 for f in [tmp_path / "out", *(tmp_path / "out").iterdir()]
    }
    assert set(modes.values()) == {0}, modes
