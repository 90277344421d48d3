"""Uploads in a local folder, or one JSONL file of a sibling product."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.records import Item, Source
from glasses_signals.uploads.bundles import Refusal, check_inside, read_bundles
from glasses_signals.uploads.siblings import read_sibling

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is ready to be read, or why it can't be had."""

    path: Path
    error: str | None = None


def local_file_facts(item: Item) -> list[object]:
    """What changes with the file's content; nothing is read. Raises BadInput: can't be used."""
    path = Path(item.path or "")
    try:
        check_inside(path, Path(item.root or path.parent))
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise BadInput(f"can't be looked up: {reason or error}") from None
    return [status.st_size, status.st_mtime_ns]


class LocalUploads:
    """A context manager, as `RemoteUploads`, with the same methods; it has nothing to tidy.

    Without a path it only hands out files of items that are known already.
    """

    def __init__(self, path: Path | None, source: Source = Source.GLASSES) -> None:
        self._path = path or Path()
        self._source = source

    def __enter__(self) -> LocalUploads:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def exists(self) -> bool:
        """Whether the place is there, or still there."""
        return self._path.exists()

    def read(self) -> Iterator[Item | Refusal]:
        """What was uploaded; media are not touched. Raises CannotStart."""
        if self._source is Source.GLASSES:
            return read_bundles(self._path)
        if not self._path.is_file():
            raise CannotStart(
                f"{self._path} is no file; --source {self._source} reads one JSONL file"
            )
        return read_sibling(self._path, self._source)

    def file_facts(self, item: Item) -> list[object]:
        """As `local_file_facts`."""
        return local_file_facts(item)

    def fetch(
        self, entries: Iterable[Entry], item_of: Callable[[Entry], Item]
    ) -> Iterator[tuple[Entry, Fetched | None]]:
        """Each entry with its file, in order; None for an item without a file."""
        for entry in entries:
            path = item_of(entry).path
            yield entry, None if path is None else Fetched(Path(path))

    def release(self, fetched: Fetched) -> None:
        """Called when a file has been used."""
