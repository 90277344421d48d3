"""Decides a recording's language from Whisper's probabilities and what its owner speaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Where accented or noisy English lands (measured, docs/speech.md), of languages that Whisper base
# hardly transcribes: Welsh, Hawaiian, Latin, Latvian, Maori, Nynorsk, Shona.
_CATCH_ALLS = ("cy", "haw", "la", "lv", "mi", "nn", "sn")


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """`language`: don't detect.

    Another language than `default` is believed from `likely` on; from `least_probability` on where
    `default` is under `least_default`, which is rare even for noisy English; and for speech under
    `short_s` only from `short_least_probability` on. `catch_alls` are believed only for owners who
    name them. Where neither is likely, words count as `default` only from
    `unsure_log_probability` a token on. Under `certain`, a language whose words fail their guards
    is given up for `default`.
    """

    language: str | None = None
    default: str = "en"
    likely: float = 0.7
    certain: float = 0.9
    least_probability: float = 0.45
    least_default: float = 0.1
    short_s: float = 1.5
    short_least_probability: float = 0.85
    unsure_log_probability: float = -0.8
    catch_alls: tuple[str, ...] = _CATCH_ALLS


@dataclass(frozen=True, slots=True)
class Language:
    """Words are believed from `least_log_probability` a token on: above minus infinity where the
    language is unsure, infinity where it could be any.
    """

    code: str
    probability: float
    least_log_probability: float = -math.inf

    @property
    def sure(self) -> bool:
        return self.least_log_probability == -math.inf

    @property
    def unknown(self) -> bool:
        return self.least_log_probability == math.inf


def choose_language(
    probabilities: NDArray[np.float32],
    codes: Sequence[str],
    spoken: Sequence[str],
    speech_s: float,
    settings: LanguageSettings,
) -> Language:
    """Language of a recording with `speech_s` of speech in its longest window.

    `probabilities` are Whisper's, float32 [languages], in the order of `codes` (none: an
    English-only model). `spoken` are BCP 47 tags of its owner's languages, which narrow the choice;
    () for any.
    """
    if settings.language or not codes:
        return Language(settings.language or settings.default, 1.0)
    known = {tag.split("-")[0].lower() for tag in spoken} & set(codes)
    allowed = [code in known if known else code not in settings.catch_alls for code in codes]
    narrowed = np.where(allowed, probabilities, 0.0)
    narrowed = narrowed / max(float(narrowed.sum()), 1e-9)
    best = int(narrowed.argmax())
    code, probability = codes[best], float(narrowed[best])
    if known or code == settings.default:
        return Language(code, probability)
    p_default = float(narrowed[codes.index(settings.default)])
    if _believed(probability, p_default, speech_s, settings):
        return Language(code, probability)
    likely_enough = p_default >= settings.least_default
    least = settings.unsure_log_probability if likely_enough else math.inf
    return Language(settings.default, p_default, least)


def _believed(
    probability: float, p_default: float, speech_s: float, settings: LanguageSettings
) -> bool:
    """Is the likeliest language, another than the default, likely enough?"""
    rare = p_default < settings.least_default
    if speech_s < settings.short_s:
        return rare and probability >= settings.short_least_probability
    return probability >= (settings.least_probability if rare else settings.likely)


def doubted(language: Language, settings: LanguageSettings) -> Language | None:
    """What to hear a recording in whose words were no good in `language`: the default, unless
    `language` is certain, or is the default already.
    """
    if language.code == settings.default or language.probability >= settings.certain:
        return None
    return Language(settings.default, 0.0, settings.unsure_log_probability)
