"""Upload bundles (`glasses-upload/1`): a folder with `upload.json` and media beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from glasses_signals.digests import file_sha256
from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.records import Item, ItemKind, Source
from glasses_signals.times import format_time
from glasses_signals.uploads.fields import name_field, parse_json_object, stable_id, time_field

FORMAT = "glasses-upload/1"
MANIFEST_NAME = "upload.json"
MAX_MANIFEST_BYTES = 16 << 20  # some 100,000 items; parsed, it takes ten times as much memory
MAX_DEPTH = 32  # of folders under the uploads
MEDIA_KINDS: Mapping[str, ItemKind] = {
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"), ItemKind.PHOTO),
    **dict.fromkeys((".mp4", ".mov", ".m4v"), ItemKind.VIDEO),
    **dict.fromkeys((".wav", ".m4a", ".aac", ".mp3", ".ogg", ".opus", ".flac"), ItemKind.VOICE),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upload or a part of it that can't be used: where it stands, and why with the remedy."""

    where: str
    reason: str

    @property
    def item_id(self) -> str:
        """As of an item, for the ledger: the same place has the same id in every run."""
        return stable_id("refused", self.where)


def read_bundles(root: Path) -> Iterator[Item | Refusal]:
    """Items of every bundle under `root` (or of `root` itself), in the order of their paths.

    Only manifests are read here, never media. An upload of an account that stands in two bundles
    is taken from the first. Raises CannotStart when `root` is no folder.
    """
    if not root.is_dir() or not _is_unicode(str(root)):
        raise CannotStart(f"{root} is not a folder. Give the folder that holds the upload bundles")
    seen: dict[str, str] = {}
    for folder in _bundle_folders(root):
        if isinstance(folder, Refusal):
            yield folder
            continue
        where = folder.relative_to(root).as_posix()
        manifest = folder / MANIFEST_NAME
        if not manifest.is_file():
            yield no_manifest(where, folder.name)
            continue
        try:
            if manifest.is_symlink() or manifest.stat().st_size > MAX_MANIFEST_BYTES:
                raise BadInput(
                    f"the manifest is a link or larger than {MAX_MANIFEST_BYTES >> 20} MiB"
                )
            yield from read_manifest(manifest.read_bytes(), folder, where, seen)
        except BadInput as error:
            yield Refusal(f"{where}/{MANIFEST_NAME}", str(error))
        except OSError as error:
            reason = f"can't be read: {error.strerror or error}"
            yield Refusal(f"{where}/{MANIFEST_NAME}", reason)


def _bundle_folders(root: Path) -> Iterator[Path | Refusal]:
    """Folders that hold a manifest or media. A bundle's own subfolders belong to it."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        where = folder.relative_to(root).as_posix()
        if not _is_unicode(where):
            shown = where.encode("utf-8", "backslashreplace").decode()
            yield Refusal(shown, "the folder's name is not valid UTF-8; rename it")
            continue
        if depth > MAX_DEPTH:
            yield Refusal(where, f"lies more than {MAX_DEPTH} folders deep; move it up")
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Refusal(where, f"the folder can't be listed: {error.strerror or error}")
            continue
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
        if MANIFEST_NAME in names:
            yield folder
            continue
        if any(PurePosixPath(name).suffix.lower() in MEDIA_KINDS for name in names):
            yield folder
        waiting += [
            (folder / entry.name, depth + 1)
            for entry in reversed(entries)
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]


def _is_unicode(name: str) -> bool:
    """Whether a file name is text: bytes that are not valid UTF-8 can't be stored or shown."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def no_manifest(where: str, name: str) -> Refusal:
    """Of media in a folder without a manifest; `name` is the folder's own."""
    return Refusal(
        where,
        f"no {MANIFEST_NAME} beside the media; write one with "
        f"`glasses-signals bundle {name} --account ACCOUNT`",
    )


def read_manifest(
    data: bytes, folder: Path, where: str, uploads: dict[str, str]
) -> Iterator[Item | Refusal]:
    """Items of the manifest of the bundle in `folder`, which `where` names to people.

    `uploads` remembers in which bundle each upload of an account was first seen. Raises BadInput
    when nothing of it can be used.
    """
    manifest = parse_json_object(data)
    if manifest.get("format") != FORMAT:
        raise BadInput(f'`format` is not "{FORMAT}"; this version reads no other')
    upload_id = name_field(manifest, "upload_id")
    account_id = name_field(manifest, "account_id")
    entries = manifest.get("items")
    if not isinstance(entries, list):
        raise BadInput("`items` is missing or not a list")
    first = uploads.setdefault(stable_id(account_id, upload_id), where)
    if first != where:
        raise BadInput(f"this `upload_id` of this account stands in {first} too; keep one of them")
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        place = f"{where}/{MANIFEST_NAME}#items[{index}]"
        try:
            if not isinstance(entry, dict):
                raise BadInput("expected an object in curly braces")
            item = _parse_item(entry, folder, upload_id, account_id)
            if item.item_id in seen:
                raise BadInput("this `path` stands twice in the manifest; list each file once")
            seen.add(item.item_id)
            yield item
        except BadInput as error:
            yield Refusal(place, str(error))


def _parse_item(entry: Mapping[str, Any], folder: Path, upload_id: str, account_id: str) -> Item:
    media = name_field(entry, "path")
    kind = entry.get("kind")
    if kind not in (ItemKind.VOICE, ItemKind.PHOTO, ItemKind.VIDEO):
        raise BadInput("`kind` must be voice, photo or video")
    sha256 = entry.get("sha256")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise BadInput("`sha256` must be 64 lower-case hexadecimal digits, or left out")
    return Item(
        item_id=stable_id(Source.GLASSES, account_id, upload_id, media),
        account_id=account_id,
        source=Source.GLASSES,
        kind=ItemKind(kind),
        captured_at=time_field(entry, "captured_at"),
        ai_interaction=entry.get("ai_interaction") is True,
        path=str(inner_path(folder, media)),
        root=str(folder),
        declared_sha256=sha256,
    )


def inner_path(folder: Path, name: str) -> Path:
    """`name` joined to `folder`, judged by its spelling. Raises BadInput when it leaves the folder.

    Links are judged later, by `check_inside`, so that excluded media are not even looked up.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name or "\x00" in name:
        raise BadInput(
            "`path` leaves the bundle; give a path inside the folder that holds the manifest"
        )
    return folder / relative


def check_inside(path: Path, folder: Path) -> None:
    """Raises BadInput when `path`, links followed, lies outside `folder` or is no regular file."""
    if not path.exists():
        raise BadInput("the file is not there; upload the bundle again")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BadInput("the file is a link that leads out of the bundle")
    if not path.is_file():
        raise BadInput("not a regular file (a folder, pipe or device)")


def write_manifest(folder: Path, account_id: str, upload_id: str | None = None) -> Path:
    """Write `upload.json` for the media in `folder`, all marked as AI interactions.

    Capture times are the files' modification times. Raises BadInput when there is nothing to list
    or a manifest is there already.
    """
    manifest = folder / MANIFEST_NAME
    if manifest.exists():
        raise BadInput(f"{manifest} is there already; remove it first if it is to be written anew")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in MEDIA_KINDS and p.is_file())
    if not files:
        raise BadInput(f"{folder} holds no media; known endings: {' '.join(sorted(MEDIA_KINDS))}")
    items = [
        {
            "path": file.relative_to(folder).as_posix(),
            "kind": str(MEDIA_KINDS[file.suffix.lower()]),
            "captured_at": format_time(datetime.fromtimestamp(file.stat().st_mtime, UTC)),
            "ai_interaction": True,
            "sha256": file_sha256(file),
        }
        for file in files
    ]
    document = {
        "format": FORMAT,
        "upload_id": upload_id or folder.resolve().name,
        "account_id": account_id,
        "items": items,
    }
    manifest.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return manifest
