from __future__ import annotations

import numpy as np
import pytest

from glasses_signals.records import Span
from glasses_signals.speech.distance import DistanceSettings, far_speech

RATE = 16_000
SETTINGS = DistanceSettings()


def flags(*levels_db: float, pause_s: float = 1.0) -> list[bool]:
    """Flags of a second of noise at each level, with pauses between."""
    noise = np.random.default_rng(0)
    samples, spans, now = [], [], 0.0
    for level in levels_db:
        second = noise.standard_normal(RATE).astype(np.float32) * np.float32(10 ** (level / 20))
        samples += [second, np.zeros(round(pause_s * RATE), np.float32)]
        spans.append(Span(now, now + 1))
        now += 1 + pause_s
    return far_speech(np.concatenate(samples), spans, SETTINGS)


@pytest.mark.parametrize(
    ("levels_db", "wanted"),
    [
        ((-20,), [False]),
        ((-60,), [False]),
        ((-20, -25), [False, False]),
        ((-20, -32), [False, True]),
        ((-32, -20, -31), [True, False, True]),
    ],
)
def test_only_what_is_much_quieter_than_the_nearest_is_far(
    levels_db: tuple[float, ...], wanted: list[bool]
) -> None:
    assert flags(*levels_db) == wanted


def test_what_follows_without_a_pause_is_the_same_voice() -> None:
    assert flags(-20, -32, pause_s=0.1) == [False, False]


def test_no_speech_has_no_flags() -> None:
    assert far_speech(np.zeros(RATE, np.float32), [], SETTINGS) == []


def test_speech_shorter_than_a_frame_has_a_level() -> None:
    assert far_speech(np.ones(RATE, np.float32), [Span(0, 0.01)], SETTINGS) == [False]
