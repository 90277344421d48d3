"""Times as text: RFC 3339 in UTC, in every file that is read or written."""

from __future__ import annotations

from datetime import UTC, datetime

MAX_LENGTH = 40  # characters; a time with its zone and microseconds has 32


def parse_time(value: object) -> datetime | None:
    """A time with a zone as UTC, or None when it is missing, malformed or has no zone."""
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """In UTC, to the second: `2026-01-05T10:00:00Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
