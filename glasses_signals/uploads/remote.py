"""Upload bundles in an object store (`s3://...`, any fsspec URL): listed, and fetched when allowed.

Manifests and listings are read for every bundle; media only once the account gate has let them
pass. Fetches run a few at a time ahead of the decoders, are tried again with growing pauses, and
land in a temporary folder from which each file goes as soon as it has been used.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from fsspec.core import url_to_fs

from glasses_signals.errors import BadInput, CannotStart, RunStopped
from glasses_signals.records import Item, Source
from glasses_signals.uploads.bundles import (
    MANIFEST_NAME,
    MAX_DEPTH,
    MAX_MANIFEST_BYTES,
    MEDIA_KINDS,
    Refusal,
    no_manifest,
    read_manifest,
)
from glasses_signals.uploads.local import Fetched
from glasses_signals.uploads.siblings import read_sibling

# Chosen, not measured: enough that decoders don't wait for a store that takes 0.1 s an answer, and
# that a store gets three seconds to recover.
FETCH_THREADS = 8
FETCH_AHEAD = 32  # files
MAX_MEDIA_BYTES = 4 << 30
MAX_WINDOW_BYTES = 2 << 30  # of files fetched ahead; one file may be larger by itself
ATTEMPTS = 5
FIRST_PAUSE_S = 0.2  # doubled from one attempt to the next
# So many files in a row that can't be fetched mean that the store is away, not the files.
MAX_FAILURES_IN_A_ROW = 10
# A file that comes more slowly than this is no better than one that doesn't come.
PIECE_BYTES = 8 << 20
PIECE_S = 120.0

Entry = TypeVar("Entry")


def open_store(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it. Neither listings nor the file system are
    kept from earlier: what others changed meanwhile must be seen.

    Raises CannotStart when the protocol is unknown or its package is missing.
    """
    try:
        store, path = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    except (ImportError, ValueError) as error:
        raise CannotStart(
            f"{url} can't be opened: {error}. For s3:// install 'glasses-signals[s3]'"
        ) from None
    return store, path


class RemoteUploads:
    """The bundles under a URL. A context manager: the temporary folder goes when it ends."""

    def __init__(self, url: str, source: Source = Source.GLASSES) -> None:
        """Raises CannotStart when the URL's protocol is unknown or its package is missing."""
        self._source = source
        self._fs, self._root = open_store(url)
        self._url = url
        self._listed: dict[str, Any] = {}  # of the bundle that is being read
        self._numbers = itertools.count()

    def __enter__(self) -> RemoteUploads:
        self._folder = tempfile.TemporaryDirectory(prefix="glasses-signals-")
        self._threads = ThreadPoolExecutor(FETCH_THREADS, "fetch")
        return self

    def __exit__(self, *exception: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def exists(self) -> bool:
        """Whether the place is there. Raises RunStopped when the store doesn't answer."""
        return bool(self._asked(self._fs.exists, self._root))

    def read(self) -> Iterator[Item | Refusal]:
        """As `read_bundles`, or `read_sibling` for chats. Raises CannotStart, RunStopped."""
        if not self.exists():
            raise CannotStart(
                f"{self._url} is not there, or may not be read with these credentials"
            )
        if self._source is not Source.GLASSES:
            yield from self._read_sibling()
            return
        seen: dict[str, str] = {}
        for folder in self._bundle_folders():
            if isinstance(folder, Refusal):
                yield folder
            else:
                yield from self._read_bundle(folder, seen)

    def _read_sibling(self) -> Iterator[Item | Refusal]:
        local = Path(self._folder.name) / PurePosixPath(self._root).name
        self._asked(self._copy, self._asked(self._fs.info, self._root), local)
        above = PurePosixPath(self._root).parent
        for found in read_sibling(local, self._source):
            if isinstance(found, Item) and found.path is not None:
                inside = Path(found.path).relative_to(local.parent).as_posix()
                path = self._fs.unstrip_protocol(str(above / inside))
                yield replace(found, path=path, root=None)
            else:
                yield found

    def _bundle_folders(self) -> Iterator[str | Refusal]:
        """Folders that hold a manifest or media, as `read_bundles` finds them, by their paths."""
        waiting = [(self._root, 0)]
        while waiting:
            folder, depth = waiting.pop()
            if depth > MAX_DEPTH:
                yield Refusal(self._where(folder), f"lies more than {MAX_DEPTH} folders deep")
                continue
            entries = {
                PurePosixPath(entry["name"]).name: entry
                for entry in self._asked(self._fs.ls, folder, detail=True)
            }
            files = [name for name, entry in entries.items() if entry["type"] == "file"]
            if MANIFEST_NAME in files:
                yield folder
                continue
            if any(PurePosixPath(name).suffix.lower() in MEDIA_KINDS for name in files):
                yield folder
            waiting += [
                (entries[name]["name"], depth + 1)
                for name in sorted(entries, reverse=True)
                if entries[name]["type"] == "directory" and not name.startswith(".")
            ]

    def _read_bundle(self, folder: str, seen: dict[str, str]) -> Iterator[Item | Refusal]:
        where = self._where(folder)
        self._listed = self._asked(self._fs.find, folder, detail=True)
        manifest = self._listed.get(f"{folder}/{MANIFEST_NAME}")
        if manifest is None:
            yield no_manifest(where, PurePosixPath(folder).name)
            return
        try:
            if manifest["size"] > MAX_MANIFEST_BYTES:
                raise BadInput(f"the manifest is larger than {MAX_MANIFEST_BYTES >> 20} MiB")
            data = self._asked(self._fs.cat_file, manifest["name"])
            for found in read_manifest(data, Path(folder), where, seen):
                if isinstance(found, Item):
                    path = self._fs.unstrip_protocol(str(found.path))
                    yield replace(found, path=path, root=None)
                else:
                    yield found
        except (BadInput, FileNotFoundError) as error:
            yield Refusal(f"{where}/{MANIFEST_NAME}", str(error))

    def _where(self, folder: str) -> str:
        return folder.removeprefix(self._root).strip("/") or "."

    def file_facts(self, item: Item) -> list[object]:
        """What changes with a file's content, from the listing. Raises BadInput: not there."""
        name = self._fs._strip_protocol(item.path)
        if self._source is not Source.GLASSES:  # one file lists them all: asked for one by one
            with contextlib.suppress(FileNotFoundError):
                self._listed = {name: self._asked(self._fs.info, name)}
        entry = self._listed.get(name)
        if entry is None:
            raise BadInput("the file is not there; upload the bundle again")
        if entry["size"] > MAX_MEDIA_BYTES:
            raise BadInput(f"the file is larger than {MAX_MEDIA_BYTES >> 30} GiB")
        return _facts(entry)

    def fetch(
        self, entries: Iterable[Entry], item_of: Callable[[Entry], Item]
    ) -> Iterator[tuple[Entry, Fetched | None]]:
        """Each entry with its file, in order, fetched ahead; None for an item without a file.

        Raises RunStopped when the store doesn't answer any more.
        """
        window: deque[tuple[Entry, Future[Fetched] | None, int]] = deque()
        failures = 0
        for entry in itertools.chain(entries, [None]):
            while window and (entry is None or self._is_full(window)):
                earlier, future, _ = window.popleft()
                fetched = None if future is None else future.result()
                failures = failures + 1 if fetched is not None and fetched.error else 0
                if failures >= MAX_FAILURES_IN_A_ROW:
                    assert fetched is not None
                    raise RunStopped(
                        f"{failures} files in a row can't be fetched, the last one because: "
                        f"{fetched.error}. Run the same command again when the store answers"
                    )
                yield earlier, fetched
            if entry is not None:
                window.append((entry, *self._submit(item_of(entry))))

    def release(self, fetched: Fetched) -> None:
        """Remove a file that has been used."""
        fetched.path.unlink(missing_ok=True)

    def _submit(self, item: Item) -> tuple[Future[Fetched] | None, int]:
        if item.path is None:
            return None, 0
        name = self._fs._strip_protocol(item.path)
        entry = self._listed[name]
        local = Path(self._folder.name) / f"{next(self._numbers)}{PurePosixPath(name).suffix}"
        return self._threads.submit(self._fetched, entry, local), int(entry["size"])

    @staticmethod
    def _is_full(window: deque[tuple[Any, Any, int]]) -> bool:
        return len(window) >= FETCH_AHEAD or sum(size for *_, size in window) > MAX_WINDOW_BYTES

    def _fetched(self, entry: Mapping[str, Any], local: Path) -> Fetched:
        try:
            self._tried(self._copy, entry, local)
        except FileNotFoundError:
            return Fetched(local, "the file is not there any more; upload the bundle again")
        except Exception as error:  # of whatever kind the store's client raises
            return Fetched(local, f"can't be fetched: {type(error).__name__}: {error}")
        return Fetched(local)

    def _copy(self, entry: Mapping[str, Any], local: Path) -> None:
        """Fetch a listed file piece by piece, each within PIECE_S, and see that it is still it."""
        name, size, received = entry["name"], int(entry["size"]), 0
        with local.open("wb") as target:
            while received < size:
                wanted = min(size - received, PIECE_BYTES)
                piece = self._fs.cat_file(
                    name, start=received, end=received + wanted, timeout=PIECE_S
                )
                if len(piece) != wanted:
                    raise OSError(f"{len(piece)} bytes came, {wanted} were asked for")
                target.write(piece)
                received += wanted
        if _facts(self._fs.info(name)) != _facts(entry):
            raise OSError("it was replaced since it was listed")

    def _asked(self, action: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """As `_tried`, for what the run can't do without. Raises RunStopped."""
        try:
            return self._tried(action, *arguments, **options)
        except FileNotFoundError:
            raise
        except Exception as error:  # of whatever kind the store's client raises
            raise RunStopped(
                f"{self._url} can't be read: {type(error).__name__}: {error}. "
                "Run the same command again when it can"
            ) from error

    def _tried(self, action: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The action's result, after up to ATTEMPTS attempts. What is not there is not awaited."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return action(*arguments, **options)
            except (FileNotFoundError, PermissionError):
                raise
            except Exception:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
        raise AssertionError("not reached")


def _facts(entry: Mapping[str, Any]) -> list[object]:
    changed = entry.get("ETag") or entry.get("mtime") or entry.get("created")
    return [entry["size"], str(changed)]
