from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.records import Span
from glasses_signals.speech.windows import WindowSettings, plan_windows, window_shape

SETTINGS = WindowSettings()


def _spans(lengths: list[tuple[float, float]]) -> tuple[list[Span], float]:
    """Speech of (pause before, length) pairs, and the end of the recording."""
    spans, now = [], 0.0
    for pause, length in lengths:
        spans.append(Span(now + pause, now + pause + length))
        now += pause + length
    return spans, now + 1.0


@given(st.lists(st.tuples(st.floats(0.1, 20), st.floats(0.12, 80)), max_size=20))
def test_windows_hold_all_speech_in_order_and_fit_whisper(
    lengths: list[tuple[float, float]],
) -> None:
    speech, duration_s = _spans(lengths)
    planned = plan_windows(speech, [False] * len(speech), duration_s, SETTINGS)
    windows = [window.span for window in planned]
    assert all(w.end_s - w.start_s <= SETTINGS.longest_s + 1e-6 for w in windows)
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in itertools.pairwise(windows))
    for span in speech:
        inside = sum(
            max(0.0, min(w.end_s, span.end_s) - max(w.start_s, span.start_s)) for w in windows
        )
        assert inside >= span.end_s - span.start_s - 1e-6


def test_short_pauses_are_joined_and_long_ones_are_not() -> None:
    speech = [Span(1, 2), Span(2.5, 3), Span(9, 10)]
    windows = plan_windows(speech, [False] * 3, 12, SETTINGS)
    before, after = SETTINGS.pad_before_s, SETTINGS.pad_after_s
    assert [w.span for w in windows] == [Span(1 - before, 3 + after), Span(9 - before, 10 + after)]


def test_near_and_far_speech_never_share_a_window() -> None:
    speech = [Span(1, 2), Span(2.2, 3), Span(3.1, 4)]
    windows = plan_windows(speech, [False, True, True], 5, SETTINGS)
    assert [(w.far, round(w.speech_s, 2)) for w in windows] == [(False, 1.0), (True, 1.7)]
    assert windows[0].span.end_s <= windows[1].span.start_s


@given(st.floats(0.1, 25))
def test_first_try_computes_little_silence_and_later_ones_more(duration_s: float) -> None:
    first, second, last = (window_shape(duration_s, attempt, SETTINGS) for attempt in range(3))
    assert duration_s * 100 <= first.frames <= second.frames <= last.frames == 3000
    assert first.positions >= min(1500, first.frames // 2 + SETTINGS.borrowed_s * 50 - 1)
    assert second.positions >= second.frames // 2
    assert all(shape.frames % 2 == 0 for shape in (first, second, last))
