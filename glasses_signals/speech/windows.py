"""Cuts recordings into windows for Whisper, and says how much of each window is computed.

A window is a stretch of speech, joined over short pauses. Whisper expects silence after it, up to
30 s. Computing that silence is most of the usual cost; here the first try computes almost none and
borrows it instead from a silent window (see `models/recipes/whisper_graph.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from glasses_signals.records import Span
from glasses_signals.speech.mel import FRAMES_PER_S, LONGEST_FRAMES

_FRAMES_PER_POSITION = 2  # the encoder's second convolution halves the frames
_POSITIONS_PER_S = FRAMES_PER_S // _FRAMES_PER_POSITION
_STEP_FRAMES = 10  # few different lengths keep ONNX Runtime's memory small


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """`pad_*` keep soft consonants that voice activity cuts off. `edge_s` is computed silence after
    the speech, `borrowed_s` borrowed silence after that, at least. `margin_s` is the computed
    silence of the second try, which borrows none."""

    pad_before_s: float = 0.5
    pad_after_s: float = 0.5
    longest_pause_s: float = 1.6
    longest_s: float = 25.0
    edge_s: float = 0.1
    borrowed_s: float = 3.0
    bucket_s: float = 0.5
    margin_s: float = 6.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A window to hear: `speech_s` seconds of its span are speech; `far` when a bystander's."""

    span: Span
    speech_s: float
    far: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """`frames` of mel features to compute; `positions` for the decoder to attend to."""

    frames: int
    positions: int


def plan_windows(
    speech: Sequence[Span], far: Sequence[bool], duration_s: float, settings: WindowSettings
) -> list[Planned]:
    """Windows with padding, in order, not overlapping, none longer than `longest_s`, and none with
    near and far speech in it. `far[i]` says of `speech[i]` whether it is a bystander's.

    Too long a stretch is cut at its longest pause, again and again.
    """
    groups: list[list[Span]] = []
    sides: list[bool] = []
    for span, side in zip(speech, far, strict=True):
        close = groups and span.start_s - groups[-1][-1].end_s <= settings.longest_pause_s
        if close and side == sides[-1]:
            groups[-1].append(span)
        else:
            groups.append([span])
            sides.append(side)
    parts = [
        (*part, side)
        for group, side in zip(groups, sides, strict=True)
        for part in _cut(group, settings)
    ]
    windows: list[Planned] = []
    for index, (start_s, end_s, side) in enumerate(parts):
        earliest = (parts[index - 1][1] + start_s) / 2 if index else 0.0
        latest = (parts[index + 1][0] + end_s) / 2 if index + 1 < len(parts) else duration_s
        span = Span(
            max(earliest, start_s - settings.pad_before_s),
            min(latest, end_s + settings.pad_after_s),
        )
        windows.append(Planned(span, _overlap_s(speech, span), side))
    return windows


def _overlap_s(speech: Sequence[Span], span: Span) -> float:
    overlaps = (min(s.end_s, span.end_s) - max(s.start_s, span.start_s) for s in speech)
    return sum(overlap for overlap in overlaps if overlap > 0)


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


def window_shape(duration_s: float, attempt: int, settings: WindowSettings) -> Shape:
    """Shape of a window of that length: short with borrowed silence at attempt 0, a margin of
    computed silence at 1, Whisper's full 30 s after. A function of the window alone, so that its
    text does not depend on what else is in the batch.
    """
    if attempt > 1:
        return Shape(LONGEST_FRAMES, LONGEST_FRAMES // _FRAMES_PER_POSITION)
    computed_s = duration_s + (settings.margin_s if attempt else settings.edge_s)
    frames = _up_to(computed_s * FRAMES_PER_S, _STEP_FRAMES, LONGEST_FRAMES)
    borrowed = 0.0 if attempt else settings.borrowed_s * _POSITIONS_PER_S
    positions = _up_to(
        frames / _FRAMES_PER_POSITION + borrowed,
        round(settings.bucket_s * _POSITIONS_PER_S),
        LONGEST_FRAMES // _FRAMES_PER_POSITION,
    )
    return Shape(frames, positions)


def _up_to(value: float, step: int, most: int) -> int:
    """The next multiple of `step`, at most `most`."""
    return min(-int(-value // step) * step, most)


def widened(span: Span, others: Sequence[Span], margin_s: float) -> Span:
    """`span` with up to `margin_s` before and after it, but nothing of `others`; it may reach
    beyond the recording's end."""
    before = [other.end_s for other in others if other.end_s <= span.start_s]
    after = [other.start_s for other in others if other.start_s >= span.end_s]
    return Span(max([0.0, span.start_s - margin_s, *before]), min([span.end_s + margin_s, *after]))
