"""Sibling products' JSONL files: chat messages, image prompts, feed watch events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.records import Item, ItemKind, Source
from glasses_signals.uploads.bundles import Refusal, inner_path
from glasses_signals.uploads.fields import (
    name_field,
    number_field,
    read_json_lines,
    stable_id,
    text_field,
    time_field,
)

LineParser = Callable[[Mapping[str, Any], Path], Item]


def read_sibling(path: Path, source: Source) -> Iterator[Item | Refusal]:
    """Items of one JSONL file of `source`, in line order; a bad line becomes a Refusal.

    A message id that comes twice is refused the second time. Raises CannotStart when the file
    can't be opened.
    """
    parse = _PARSERS[source]
    seen: set[str] = set()
    try:
        for number, record in read_json_lines(path):
            try:
                if isinstance(record, BadInput):
                    raise record
                item = parse(record, path.parent)
                if item.item_id in seen:
                    raise BadInput("this account and id stand on an earlier line too")
                seen.add(item.item_id)
                yield item
            except BadInput as error:
                yield Refusal(f"{path.name}, line {number}", str(error))
    except OSError as error:
        raise CannotStart(f"can't read {path}: {error.strerror or error}") from None


def _parse_chat(record: Mapping[str, Any], folder: Path) -> Item:
    account_id = name_field(record, "account_id")
    return Item(
        item_id=stable_id(Source.CHAT, account_id, name_field(record, "message_id")),
        account_id=account_id,
        source=Source.CHAT,
        kind=ItemKind.TEXT,
        captured_at=time_field(record, "sent_at"),
        ai_interaction=True,  # every line is the user's own message to the assistant
        text=text_field(record, "text"),
    )


def _parse_imagine(record: Mapping[str, Any], folder: Path) -> Item:
    account_id = name_field(record, "account_id")
    image = _optional_path(record, "image", folder)
    return Item(
        item_id=stable_id(Source.IMAGINE, account_id, name_field(record, "request_id")),
        account_id=account_id,
        source=Source.IMAGINE,
        kind=ItemKind.PHOTO if image else ItemKind.TEXT,
        captured_at=time_field(record, "sent_at"),
        ai_interaction=True,
        path=image,
        root=str(folder) if image else None,
        text=text_field(record, "prompt"),
    )


def _parse_feed(record: Mapping[str, Any], folder: Path) -> Item:
    account_id = name_field(record, "account_id")
    video = _optional_path(record, "video", folder)
    watched_s, duration_s = number_field(record, "watched_s"), number_field(record, "duration_s")
    if duration_s <= 0:
        raise BadInput("`duration_s` must be above zero")
    return Item(
        item_id=stable_id(Source.FEED, account_id, name_field(record, "event_id")),
        account_id=account_id,
        source=Source.FEED,
        kind=ItemKind.VIDEO if video else ItemKind.TEXT,
        captured_at=time_field(record, "watched_at"),
        ai_interaction=True,
        path=video,
        root=str(folder) if video else None,
        text=text_field(record, "caption"),
        watched_share=min(1.0, watched_s / duration_s),
    )


def _optional_path(record: Mapping[str, Any], field: str, folder: Path) -> str | None:
    if record.get(field) is None:
        return None
    return str(inner_path(folder, name_field(record, field)))


_PARSERS: Mapping[Source, LineParser] = {
    Source.CHAT: _parse_chat,
    Source.IMAGINE: _parse_imagine,
    Source.FEED: _parse_feed,
}
