"""Strict reading of single JSON fields: the value in its type, or `BadInput` naming the field."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from glasses_signals.errors import BadInput
from glasses_signals.times import parse_time

MAX_LINE_BYTES = 1 << 20  # a chat message or an account needs far less
MAX_NAME_LENGTH = 512  # of ids and paths; longer ones are hostile


def name_field(record: Mapping[str, Any], field: str) -> str:
    """A short printable string such as an id or a path. Raises BadInput."""
    value = record.get(field)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"`{field}` is missing or not a text; give it as a non-empty string")
    if len(value) > MAX_NAME_LENGTH or not value.isprintable():
        raise BadInput(
            f"`{field}` is longer than {MAX_NAME_LENGTH} characters or has control characters"
        )
    _refuse_surrogates(value, field)
    return value


def _refuse_surrogates(value: str, field: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(f"`{field}` has characters that are not valid Unicode") from None


def time_field(record: Mapping[str, Any], field: str) -> datetime:
    """An RFC 3339 time with a zone. Raises BadInput."""
    time = parse_time(record.get(field))
    if time is None:
        raise BadInput(
            f"`{field}` is missing or not a time with a zone; write it as 2026-01-05T10:00:00Z"
        )
    return time


def number_field(record: Mapping[str, Any], field: str) -> float:
    """A finite, non-negative number. Raises BadInput."""
    value = record.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise BadInput(f"`{field}` is missing or not a non-negative number")
    return float(value)


def text_field(record: Mapping[str, Any], field: str) -> str:
    """Free text that may be long. Raises BadInput."""
    value = record.get(field)
    if not isinstance(value, str):
        raise BadInput(f"`{field}` is missing or not a text")
    _refuse_surrogates(value, field)
    return value


def parse_json_object(text: str | bytes) -> dict[str, Any]:
    """One JSON object. Raises BadInput when it is not JSON, not an object, or nested too deep.

    A field that stands twice is refused as well: readers disagree about which one holds.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles)
    except RecursionError:
        raise BadInput("the JSON is nested too deep") from None
    except ValueError as error:
        raise BadInput(f"not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadInput("expected a JSON object in curly braces")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadInput("a field stands twice in one JSON object")
    return fields


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadInput]]:
    """(line number, object or the reason why the line can't be used) for every non-blank line."""
    with path.open("rb") as lines:
        number = 0
        while line := lines.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                while (rest := lines.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield number, BadInput(f"the line is longer than {MAX_LINE_BYTES} bytes")
            elif line.strip():
                try:
                    yield number, parse_json_object(line)
                except BadInput as error:
                    yield number, error


def stable_id(*parts: str) -> str:
    """A 32-digit id that is the same for the same parts on every machine and run."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
