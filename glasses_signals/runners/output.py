"""The output folder: held by one run at a time, with `run.json` beside ledger and profiles."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glasses_signals.errors import CannotStart
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.profiles.files import write_atomically

LEDGER_NAME = "ledger.sqlite"
PROFILES_NAME = "profiles.jsonl"
RUN_NAME = "run.json"
REPORT_NAME = "report.html"  # may tell of single accounts; forgetting removes it
MIN_FREE_BYTES = 64 << 20  # for the ledger's growth over a unit, and the profiles


@contextmanager
def hold_output(out: Path) -> Iterator[None]:
    """Make the folder if needed and hold it until the end of the block.

    Raises CannotStart when another run holds it, or it can't be written, or the disk is full.
    """
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.fdopen(os.open(out / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise CannotStart(
            f"can't write to {out}: {error.strerror or error}. Give another folder with --out"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotStart(
                f"{out} is in use by process {lock.read().strip() or 'of another machine'}; "
                "wait until it ends or give another folder with --out"
            ) from None
        free = shutil.disk_usage(out).free
        if free < MIN_FREE_BYTES:
            raise CannotStart(
                f"only {free >> 20} MiB are free where {out} lies; "
                f"at least {MIN_FREE_BYTES >> 20} MiB are needed"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        for partial in out.glob(".*.partial"):  # of a killed run; may tell of forgotten accounts
            partial.unlink()
        yield


def open_ledger(out: Path) -> Ledger:
    """The ledger of an earlier run. Raises CannotStart when `out` holds none."""
    if not (out / LEDGER_NAME).is_file():
        raise CannotStart(f"{out} holds no {LEDGER_NAME}; give the --out folder of an extract run")
    return Ledger(out / LEDGER_NAME)


def write_run_report(out: Path, report: Mapping[str, Any]) -> None:
    """Raises OSError."""
    write_atomically(out / RUN_NAME, [json.dumps(report, indent=2, sort_keys=True)])
