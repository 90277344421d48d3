"""Where uploads lie: a folder or file on this machine, or the URL of an object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from glasses_signals.records import Source
from glasses_signals.uploads.local import LocalUploads

if TYPE_CHECKING:
    from glasses_signals.uploads.remote import RemoteUploads

Uploads: TypeAlias = "LocalUploads | RemoteUploads"


def is_url(place: str | Path) -> bool:
    """Whether a place lies in a store, such as `s3://bucket/uploads`."""
    return "://" in str(place)


def open_uploads(place: str | Path, source: Source) -> Uploads:
    """The uploads at a path or URL; nothing is read yet.

    Raises CannotStart when the URL's protocol is unknown or its package is missing.
    """
    if is_url(place):
        from glasses_signals.uploads.remote import RemoteUploads

        return RemoteUploads(str(place), source)
    return LocalUploads(Path(place), source)
