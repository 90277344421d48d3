"""Cuts recordings into windows for Whisper: stretches of speech, joined over short pauses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from glasses_signals.records import Span

FRAMES_PER_S = 100


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """`pad` keeps soft consonants that voice activity cuts off."""

    pad_before_s: float = 0.25
    pad_after_s: float = 0.25
    longest_pause_s: float = 1.6
    longest_s: float = 25.0
    bucket_s: float = 0.5


def plan_windows(speech: Sequence[Span], duration_s: float, settings: WindowSettings) -> list[Span]:
    """Windows with padding, in order, not overlapping, none longer than `longest_s`.

    Too long a stretch is cut at its longest pause, again and again.
    """
    groups: list[list[Span]] = []
    for span in speech:
        if groups and span.start_s - groups[-1][-1].end_s <= settings.longest_pause_s:
            groups[-1].append(span)
        else:
            groups.append([span])
    parts = [part for group in groups for part in _cut(group, settings)]
    windows: list[Span] = []
    for index, (start_s, end_s) in enumerate(parts):
        earliest = (parts[index - 1][1] + start_s) / 2 if index else 0.0
        latest = (parts[index + 1][0] + end_s) / 2 if index + 1 < len(parts) else duration_s
        windows.append(
            Span(
                max(earliest, start_s - settings.pad_before_s),
                min(latest, end_s + settings.pad_after_s),
            )
        )
    return windows


def _cut(group: Sequence[Span], settings: WindowSettings) -> list[tuple[float, float]]:
    start_s, end_s = group[0].start_s, group[-1].end_s
    longest = settings.longest_s - settings.pad_before_s - settings.pad_after_s
    if end_s - start_s <= longest:
        return [(start_s, end_s)]
    if len(group) == 1:  # speech without a pause: even parts
        count = int((end_s - start_s) // longest) + 1
        step = (end_s - start_s) / count
        return [(start_s + i * step, start_s + (i + 1) * step) for i in range(count)]
    pauses = [b.start_s - a.end_s for a, b in itertools.pairwise(group)]
    at = max(range(len(pauses)), key=pauses.__getitem__) + 1
    return [*_cut(group[:at], settings), *_cut(group[at:], settings)]


def frames_for(duration_s: float, margin_s: float, settings: WindowSettings) -> int:
    """Mel frames for a window of that length and a margin: whole buckets, even, at most 30 s."""
    bucket = round(settings.bucket_s * FRAMES_PER_S)
    wanted = round((duration_s + margin_s) * FRAMES_PER_S)
    return min(-(-wanted // bucket) * bucket, 30 * FRAMES_PER_S)
