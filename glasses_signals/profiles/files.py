"""Files of profile documents: one canonical JSON document a line, replaced in one step."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from glasses_signals.errors import BadInput
from glasses_signals.profiles.document import Document, canonical_json
from glasses_signals.uploads.fields import read_json_lines


def write_atomically(path: Path, lines: Iterable[str]) -> None:
    """Write `lines` so that `path` holds either its old content or all of the new, even after a
    crash or on a full disk; of two writers at once the last wins. Only the owner may read it.
    Raises OSError.
    """
    partial = path.with_name(f".{path.name}.partial")
    descriptor = held(partial, lambda: os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600))
    os.ftruncate(descriptor, 0)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        try:
            for line in lines:
                file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)  # before closing, which lets the next writer in
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def held(partial: Path, made: Callable[[], int]) -> int:
    """A descriptor of the file or folder `partial`, which `made` makes and opens; locked, waiting
    while another process writes to it. Raises OSError.

    One name for all: what a killed writer left is overwritten by the next, not left lying about.
    """
    while True:
        descriptor = made()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):  # its writer may have put it in place meanwhile
            if os.path.samestat(os.fstat(descriptor), partial.stat()):
                return descriptor
        os.close(descriptor)


def write_profiles(path: Path, documents: Iterable[Document]) -> int:
    """Write documents, already in the order of their account ids, as they come; gives how many.

    Raises OSError.
    """
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        for document in documents:
            count += 1
            yield canonical_json(document)

    write_atomically(path, lines())
    return count


def read_profiles(path: Path) -> Iterator[tuple[int, Document]]:
    """(line number, document) of a profiles file. Raises BadInput for a line that is not JSON."""
    try:
        for number, document in read_json_lines(path):
            if isinstance(document, BadInput):
                raise BadInput(f"{path}, line {number}: {document}")
            yield number, document
    except OSError as error:
        raise BadInput(
            f"can't read {path}: {error.strerror or error}; name a file of profiles, or the OUT of "
            "a finished extract run"
        ) from None
