from __future__ import annotations

from dataclasses import replace

from glasses_signals.speech.decoding import Decoded
from glasses_signals.speech.guards import GuardSettings, compression_ratio, fault, most_tokens

SETTINGS = GuardSettings()


def _fault(text: str, log_probability: float = -0.2, no_speech: float = 0.0) -> str | None:
    return fault(Decoded((1, 2), log_probability, True), text, no_speech, SETTINGS)


def test_plain_words_pass() -> None:
    assert _fault("where can i buy good hiking boots") is None


def test_each_failure_is_named() -> None:
    assert _fault("") == "no_words"
    assert _fault("thank you " * 20) == "repetitive"
    assert _fault("maybe words", log_probability=-1.2) == "low_probability"
    assert _fault("maybe words", log_probability=-0.8, no_speech=0.9) == "no_speech"
    unfinished = Decoded((1, 2), -0.1, False)
    assert fault(unfinished, "and then and", 0.0, SETTINGS) == "no_end"


def test_sure_words_pass_whatever_the_no_speech_probability() -> None:
    assert _fault("call mum", no_speech=0.95) is None


def test_compression_ratio_is_whispers() -> None:
    assert compression_ratio("") == 0.0
    assert compression_ratio("la " * 100) > 10 > 2 > compression_ratio("no word comes twice here")


def test_more_speech_may_hold_more_tokens() -> None:
    assert most_tokens(10, SETTINGS) - most_tokens(5, SETTINGS) == 35


def test_what_stands_exactly_at_a_bound_passes() -> None:
    text = "thank you " * 3
    at_bound = replace(SETTINGS, compression_ratio=compression_ratio(text))
    assert fault(Decoded((1,), -0.2, True), text, 0.0, at_bound) is None
    assert _fault("maybe words", log_probability=SETTINGS.least_log_probability) is None
    unsure = SETTINGS.no_speech_log_probability - 0.1
    assert _fault("maybe words", unsure, no_speech=SETTINGS.no_speech) is None
    assert _fault("maybe words", SETTINGS.no_speech_log_probability, no_speech=1.0) is None
