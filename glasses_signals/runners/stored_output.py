"""OUT in an object store (`s3://...`, any fsspec URL): fetched, worked on here, stored again.

A ledger needs file locks and `fsync`, which stores don't have. So a run holds the store's OUT by an
object that only one can create, works in a temporary folder, and stores each file whole at its end,
the ledger first: profiles never tell what the stored ledger does not know. A machine that dies on
the way leaves the store as it was, and loses the work of that run.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glasses_signals.errors import CannotStart, RunStopped
from glasses_signals.runners.output import (
    LEDGER_NAME,
    PROFILES_NAME,
    REPORT_NAME,
    RUN_NAME,
)
from glasses_signals.times import format_time
from glasses_signals.uploads.remote import open_store

HOLD_NAME = ".held"
KEPT = (LEDGER_NAME, PROFILES_NAME, RUN_NAME, REPORT_NAME)  # in the order they are stored in


@contextmanager
def stored_output(url: str) -> Iterator[Path]:
    """A local folder with the files of OUT at `url`; what has become of them is stored at the end.

    Stored also when the block ends by an error: what a run had done by then is kept. Raises
    CannotStart when another run holds this OUT, RunStopped when the files can't be stored.
    """
    store, root = open_store(url)
    with tempfile.TemporaryDirectory(prefix="glasses-signals-out-") as name, _held(store, root):
        folder = Path(name)
        fetched = _fetch(store, root, folder, url)
        try:
            yield folder
        finally:
            _store(store, root, folder, url, fetched)


@contextmanager
def _held(store: Any, root: str) -> Iterator[None]:
    holder = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": format_time(datetime.now(UTC)),
    }
    place = f"{root}/{HOLD_NAME}"
    try:
        if not store.exists(root):
            store.mkdir(root, create_parents=False)  # else a mistyped bucket would be made
        _take(store, place, json.dumps(holder).encode())
    except CannotStart:
        raise
    except Exception as error:  # of whatever kind the store's client raises
        raise CannotStart(
            f"can't write to {root}: {type(error).__name__}: {error}. Give another --out"
        ) from None
    try:
        yield
    finally:
        store.rm(place)


def _take(store: Any, place: str, holder: bytes) -> None:
    """Create the object that says who holds OUT. Raises CannotStart when it is there already."""
    for _ in range(2):
        try:
            store.pipe_file(place, holder, mode="create")
            return
        except FileExistsError:
            pass
        except OSError as error:
            if not store.exists(place):
                raise error
        try:
            found = store.cat_file(place)
        except FileNotFoundError:  # given back just now
            continue
        if not _is_dead(found):
            raise CannotStart(
                f"{place} is there: this OUT is in use by {found.decode(errors='replace')}; "
                "wait until that run ends, or remove the object if it is dead"
            )
        store.rm(place)
    raise CannotStart(f"{place} was taken by another run at the same moment; try again")


def _is_dead(holder: bytes) -> bool:
    """Whether the holder was a process of this machine that is no more."""
    try:
        told = json.loads(holder)
        if told["host"] != socket.gethostname():
            return False
        os.kill(int(told["process"]), 0)
    except ProcessLookupError:
        return True
    except (ValueError, KeyError, TypeError, OSError):
        return False
    return False


def _fetch(store: Any, root: str, folder: Path, url: str) -> dict[str, tuple[int, int]]:
    """Fetch what is there; gives each file's state, to know later what was changed or removed."""
    found = {}
    try:
        for name in KEPT:
            if store.exists(f"{root}/{name}"):
                store.get_file(f"{root}/{name}", str(folder / name))
                (folder / name).chmod(0o600)
                found[name] = _state(folder / name)
    except Exception as error:
        raise CannotStart(f"{url} can't be read: {type(error).__name__}: {error}") from error
    return found


def _state(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _store(
    store: Any, root: str, folder: Path, url: str, fetched: dict[str, tuple[int, int]]
) -> None:
    try:
        for name in KEPT:
            file = folder / name
            if not file.exists():
                if name in fetched:  # forgetting removes the report
                    store.rm(f"{root}/{name}")
            elif fetched.get(name) != _state(file):
                store.put_file(str(file), f"{root}/{name}")
    except Exception as error:
        raise RunStopped(
            f"the results can't be stored at {url}: {type(error).__name__}: {error}. "
            "The store has what it had; run the same command again when it answers"
        ) from error
