"""Decides a recording's language from Whisper's probabilities and what its owner speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """`language`: don't detect. Short noisy English is often taken for something else, so another
    language than `default` needs `least_probability`, and more for speech under `short_s`."""

    language: str | None = None
    default: str = "en"
    least_probability: float = 0.7
    short_s: float = 1.5
    short_least_probability: float = 0.9


@dataclass(frozen=True, slots=True)
class Language:
    """`sure` is False when the default was taken because nothing else was likely enough."""

    code: str
    probability: float
    sure: bool = True


def choose_language(
    probabilities: NDArray[np.float32],
    codes: Sequence[str],
    spoken: Sequence[str],
    speech_s: float,
    settings: LanguageSettings,
) -> Language:
    """Language of a recording with `speech_s` of speech in its longest window.

    `probabilities` are Whisper's, one for each of `codes` (none: an English-only model). `spoken`
    are BCP 47 tags of its owner's languages, which narrow the choice; () for any.
    """
    if settings.language or not codes:
        return Language(settings.language or settings.default, 1.0)
    known = {tag.split("-")[0].lower() for tag in spoken} & set(codes)
    allowed = np.array([not known or code in known for code in codes])
    narrowed = np.where(allowed, probabilities, 0.0)
    narrowed = narrowed / max(float(narrowed.sum()), 1e-9)
    best = int(narrowed.argmax())
    code, probability = codes[best], float(narrowed[best])
    if known or code == settings.default:
        return Language(code, probability)
    short = speech_s < settings.short_s
    if probability >= (settings.short_least_probability if short else settings.least_probability):
        return Language(code, probability)
    return Language(settings.default, float(narrowed[codes.index(settings.default)]), sure=False)
