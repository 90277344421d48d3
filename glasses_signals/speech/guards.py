"""Tells a good transcript of a window from Whisper's usual failures, window by window."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from glasses_signals.speech.decoding import Decoded


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Thresholds. Words under `sure_log_probability` a token are heard again with more context;
    words under `least_log_probability` (openai-whisper's is -1) are not believed."""

    compression_ratio: float = 2.0  # openai-whisper's 2.4 is for windows of many sentences
    sure_log_probability: float = -0.5
    least_log_probability: float = -1.1
    tokens_per_s: float = 7.0
    spare_tokens: int = 8  # short commands have more tokens a second: punctuation, odd names
    no_speech: float = 0.6
    no_speech_log_probability: float = -0.7


def most_tokens(speech_s: float, settings: GuardSettings) -> int:
    """Tokens that a window with so much speech can hold; more of them is a runaway."""
    return settings.spare_tokens + int(settings.tokens_per_s * speech_s)


def compression_ratio(text: str) -> float:
    """Length over compressed length, as openai-whisper measures repetition."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def fault(decoded: Decoded, text: str, no_speech: float, settings: GuardSettings) -> str | None:
    """Why this transcript can't be trusted, or None."""
    if not decoded.finished:
        return "no_end"
    if not text:
        return "no_words"
    if compression_ratio(text) > settings.compression_ratio:
        return "repetitive"
    if no_speech > settings.no_speech and (
        decoded.mean_log_probability < settings.no_speech_log_probability
    ):
        return "no_speech"
    if decoded.mean_log_probability < settings.least_log_probability:
        return "low_probability"
    return None
