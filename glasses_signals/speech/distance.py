"""Who is near the microphones: the wearer's voice is far louder than anybody's around.

No voiceprint: only levels within one recording are compared, and nothing of them is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.records import Span
from glasses_signals.speech.mel import SAMPLE_RATE

_FRAME_SAMPLES = 400  # 25 ms, the usual frame of speech analysis
_LOUD_PERCENTILE = 85.0  # vowels, whatever the pauses and the noise between
_SILENCE = 1e-12  # keeps the logarithm finite


@dataclass(frozen=True, slots=True)
class DistanceSettings:
    """Speech joined over pauses of up to `phrase_pause_s` is one voice's. It is far when it is
    `far_below_db` under the recording's loudest (chosen on mixes of two voices, docs/speech.md)."""

    phrase_pause_s: float = 0.2
    far_below_db: float = 8.0


def far_speech(
    samples: NDArray[np.float32], speech: Sequence[Span], settings: DistanceSettings
) -> list[bool]:
    """For each stretch of speech in a recording, float32 [N] at 16 kHz: is it a bystander's?

    With one level of speech in a recording, nobody is far.
    """
    phrases: list[list[Span]] = []
    for span in speech:
        if phrases and span.start_s - phrases[-1][-1].end_s <= settings.phrase_pause_s:
            phrases[-1].append(span)
        else:
            phrases.append([span])
    levels = [_level_db(samples, phrase[0].start_s, phrase[-1].end_s) for phrase in phrases]
    nearest = max(levels, default=0.0)
    return [
        level < nearest - settings.far_below_db
        for phrase, level in zip(phrases, levels, strict=True)
        for _ in phrase
    ]


def _level_db(samples: NDArray[np.float32], start_s: float, end_s: float) -> float:
    """Level of the loud frames, in decibels of full scale."""
    part = samples[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]
    count = len(part) // _FRAME_SAMPLES
    if count == 0:
        part = np.pad(part, (0, _FRAME_SAMPLES - len(part)))
        count = 1
    frames = part[: count * _FRAME_SAMPLES].reshape(count, _FRAME_SAMPLES)
    power = np.percentile(np.mean(frames**2, axis=1), _LOUD_PERCENTILE)
    return float(10 * np.log10(power + _SILENCE))
