"""Profiles as Parquet and back: one row an interest, typed, partitioned by kind, by account id."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.profiles.document import FORMAT, TAXONOMY, Document, canonical_json
from glasses_signals.profiles.files import held
from glasses_signals.records import InterestKind
from glasses_signals.times import format_time, parse_time

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise CannotStart(
        f"Parquet needs pyarrow ({error}); pip install 'glasses-signals[parquet]'"
    ) from None

ROW_GROUP_ROWS = 10_000  # some 20 MB of Python objects while they are gathered
READ_ROWS = 2_000
FILE_NAME = "part-0.parquet"

_TIME = pa.timestamp("s", tz="UTC")
_COUNTS = pa.map_(pa.string(), pa.int32())
_FIELDS = [
    pa.field("account_id", pa.string(), nullable=False),
    pa.field("as_of", _TIME, nullable=False),
    pa.field("interest_id", pa.int32(), nullable=False),
    pa.field("name", pa.string(), nullable=False),
    pa.field("path", pa.list_(pa.string()), nullable=False),
    pa.field("score", pa.float64(), nullable=False),
    pa.field("confidence", pa.float64(), nullable=False),
    pa.field("first_seen", _TIME, nullable=False),
    pa.field("last_seen", _TIME, nullable=False),
    pa.field("expires_at", _TIME, nullable=False),
    pa.field("evidence_count", pa.int32(), nullable=False),
    pa.field("sources", _COUNTS, nullable=False),
    pa.field("modalities", _COUNTS, nullable=False),
    pa.field("producers", pa.string(), nullable=False),  # canonical JSON, as in the document
]
_METADATA = {b"format": FORMAT.encode()}
# A partition's kind stands in its folder's name, as Hive, DuckDB, Spark and pandas read it.
PARTITION_SCHEMA = pa.schema(_FIELDS, metadata=_METADATA)
FILE_SCHEMA = pa.schema(
    [*_FIELDS, pa.field("kind", pa.string(), nullable=False)], metadata=_METADATA
)

Row = dict[str, Any]


def write_parquet_file(file: IO[bytes], documents: Iterable[Document]) -> None:
    """One Parquet file with a `kind` column, streamed to `file`, which need not be seekable."""
    with pq.ParquetWriter(file, FILE_SCHEMA, compression="zstd") as writer:
        for rows in _batches(_rows(documents)):
            writer.write_table(pa.Table.from_pylist(rows, FILE_SCHEMA))


def write_parquet_dataset(folder: Path, documents: Iterable[Document]) -> None:
    """A folder of `kind=interest/part-0.parquet` and so on, that replaces an earlier one.

    Written beside and put in place at the end by renaming, so a reader never meets half of it.
    Raises CannotStart when `folder` holds anything else, OSError.
    """
    if folder.exists() and not _is_dataset(folder):
        raise CannotStart(
            f"{folder} is there and is not a Parquet export of profiles; name another --output"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    descriptor = held(partial, lambda: _made_folder(partial))
    try:
        for left in partial.iterdir():  # by a writer that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        _write_partitions(partial, documents)
        for file in partial.glob(f"*/{FILE_NAME}"):
            with file.open("rb+") as written:
                os.fsync(written.fileno())
        _replace_folder(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)  # lets the next writer in


def _made_folder(folder: Path) -> int:
    """Make the folder, if it isn't there, and open it."""
    while True:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, FileExistsError):  # it is just being put in place
            if folder.is_file() or not folder.parent.is_dir():
                raise


def _write_partitions(folder: Path, documents: Iterable[Document]) -> None:
    with ExitStack() as stack:
        writers = {}
        for kind in map(str, InterestKind):
            place = folder / f"kind={kind}"
            place.mkdir()
            writers[kind] = stack.enter_context(
                pq.ParquetWriter(place / FILE_NAME, PARTITION_SCHEMA, compression="zstd")
            )
        for rows in _batches(_rows(documents)):
            for kind, writer in writers.items():
                of_kind = [row for row in rows if row["kind"] == kind]
                if of_kind:
                    writer.write_table(pa.Table.from_pylist(of_kind, PARTITION_SCHEMA))


def _is_dataset(folder: Path) -> bool:
    return folder.is_dir() and all(
        file.name == FILE_NAME and file.parent.name.startswith("kind=")
        for file in folder.rglob("*")
        if not file.is_dir()
    )


def _replace_folder(new: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def profiles_from_parquet(path: Path) -> Iterator[Document]:
    """The profile documents of a Parquet export, dataset folder or single file, by account id.

    Streams: holds one batch of each partition. Raises BadInput when it is no such export.
    """
    files = sorted(path.glob(f"kind=*/{FILE_NAME}")) if path.is_dir() else [path]
    if not files:
        raise BadInput(f"{path} holds no kind=*/{FILE_NAME}; name a Parquet export of profiles")
    rows = heapq.merge(*map(_read_rows, files), key=lambda row: str(row["account_id"]))
    for _, group in itertools.groupby(rows, key=lambda row: row["account_id"]):
        yield _document(list(group))


def _read_rows(file: Path) -> Iterator[Row]:
    kind = file.parent.name.removeprefix("kind=")
    try:
        with pq.ParquetFile(file) as parquet:
            metadata = parquet.schema_arrow.metadata or {}
            if metadata.get(b"format") != FORMAT.encode():
                raise BadInput(f"{file} is no Parquet export of {FORMAT} profiles")
            for batch in parquet.iter_batches(batch_size=READ_ROWS):
                for row in batch.to_pylist():
                    yield {"kind": kind, **row}
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"can't read {file} as Parquet: {error}") from None


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, ROW_GROUP_ROWS)):
        yield batch


def _rows(documents: Iterable[Document]) -> Iterator[Row]:
    for document in documents:
        producers = canonical_json(document["producers"])
        for entry in document["interests"]:
            evidence = entry["evidence"]
            yield {
                "account_id": document["account_id"],
                "as_of": parse_time(document["as_of"]),
                "interest_id": int(entry["id"]),
                "name": entry["name"],
                "path": entry["path"],
                "kind": entry["kind"],
                "score": float(entry["score"]),
                "confidence": float(entry["confidence"]),
                "first_seen": parse_time(entry["first_seen"]),
                "last_seen": parse_time(entry["last_seen"]),
                "expires_at": parse_time(entry["expires_at"]),
                "evidence_count": evidence["count"],
                "sources": sorted(evidence["sources"].items()),
                "modalities": sorted(evidence["modalities"].items()),
                "producers": producers,
            }


def _document(rows: list[Row]) -> Document:
    return {
        "format": FORMAT,
        "account_id": rows[0]["account_id"],
        "as_of": format_time(rows[0]["as_of"]),
        "taxonomy": TAXONOMY,
        "interests": [_entry(row) for row in sorted(rows, key=lambda row: int(row["interest_id"]))],
        "producers": json.loads(rows[0]["producers"]),
    }


def _entry(row: Row) -> Document:
    def time(field: str) -> str:
        value = row[field]
        assert isinstance(value, datetime)  # by the schema
        return format_time(value)

    return {
        "id": str(row["interest_id"]),
        "name": row["name"],
        "path": row["path"],
        "kind": row["kind"],
        "score": row["score"],
        "confidence": row["confidence"],
        "first_seen": time("first_seen"),
        "last_seen": time("last_seen"),
        "expires_at": time("expires_at"),
        "evidence": {
            "count": row["evidence_count"],
            "sources": dict(row["sources"]),
            "modalities": dict(row["modalities"]),
        },
    }
