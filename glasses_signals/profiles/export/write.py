"""Write an export: to a file replaced in one step, or to standard output as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO

from glasses_signals.profiles.document import Document, canonical_json
from glasses_signals.profiles.export.documents import csv_lines, openrtb_user, xdm_fragment
from glasses_signals.profiles.files import write_atomically


class ExportFormat(StrEnum):
    """Named as after `export --to`."""

    OPENRTB = "openrtb"
    XDM = "xdm"
    PARQUET = "parquet"
    CSV = "csv"


def export_profiles(
    documents: Iterable[Document],
    to: ExportFormat,
    output: Path | IO[bytes],
    provider: str = "",
) -> None:
    """Write `documents`, in the order of their account ids, without holding them all.

    A path is replaced in one step and readable by its owner only: a file, for Parquet a folder
    partitioned by kind. A stream gets one file's bytes. `provider` is OpenRTB's `data.name`, the
    domain of who provides the data; no other format has it. Raises CannotStart, OSError.
    """
    if to is ExportFormat.PARQUET:
        from glasses_signals.profiles.export.parquet import (
            write_parquet_dataset,
            write_parquet_file,
        )

        if isinstance(output, Path):
            write_parquet_dataset(output, documents)
        else:
            write_parquet_file(output, documents)
    elif isinstance(output, Path):
        write_atomically(output, _lines(documents, to, provider))
    else:
        for line in _lines(documents, to, provider):
            output.write(line.encode() + b"\n")
        output.flush()


def _lines(documents: Iterable[Document], to: ExportFormat, provider: str) -> Iterator[str]:
    if to is ExportFormat.CSV:
        return csv_lines(documents)
    convert = xdm_fragment if to is ExportFormat.XDM else partial(openrtb_user, provider=provider)
    return (canonical_json(convert(document)) for document in documents)
