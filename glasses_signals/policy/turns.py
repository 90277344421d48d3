"""Conversation turns: what was said just before and after something sensitive goes with it.

A recording in which one utterance is sensitive is dropped whole by the caller, as one capture;
these functions then say which other captures of the account fall into the same conversation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from glasses_signals.policy.policy import Policy

Window = tuple[datetime, datetime]


def sensitive_windows(
    sensitive: Iterable[tuple[str, datetime]], policy: Policy
) -> dict[str, tuple[Window, ...]]:
    """The stretches of time in which an account's captures are dropped.

    `sensitive` are the account and time of each capture that the sensitive gate stopped. Returns,
    by account, disjoint windows in order, ends included. They live in memory for one run only:
    written down they would say when somebody spoke of something sensitive.
    """
    margin = timedelta(seconds=policy.conversation_window_s)
    moments: dict[str, list[datetime]] = {}
    for account_id, captured_at in sensitive:
        moments.setdefault(account_id, []).append(captured_at)
    return {account: _merged(sorted(times), margin) for account, times in moments.items()}


def in_window(
    windows: Mapping[str, tuple[Window, ...]], account_id: str, captured_at: datetime
) -> bool:
    """Whether a capture of the account lies in one of its windows."""
    own = windows.get(account_id, ())
    place = bisect_right(own, captured_at, key=lambda window: window[0])
    return place > 0 and captured_at <= own[place - 1][1]


def _merged(times: list[datetime], margin: timedelta) -> tuple[Window, ...]:
    merged: list[Window] = []
    for time in times:
        start, end = time - margin, time + margin
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
