from __future__ import annotations

import math

import numpy as np

from glasses_signals.speech.languages import (
    Language,
    LanguageSettings,
    choose_language,
    doubted,
)

CODES = ["en", "de", "ja", "cy", "fr"]
SETTINGS = LanguageSettings()


def _choice(
    probabilities: list[float], spoken: tuple[str, ...] = (), speech_s: float = 5
) -> Language:
    array = np.array((*probabilities, 0.0, 0.0)[: len(CODES)], np.float32)
    return choose_language(array, CODES, spoken, speech_s, SETTINGS)


def test_a_likely_language_is_believed() -> None:
    assert _choice([0.1, 0.85, 0.05]).code == "de"


def test_a_fair_language_is_believed_where_english_is_rare() -> None:
    assert _choice([0.05, 0.55, 0.4]).code == "de"


def test_a_fair_language_is_not_believed_where_english_is_likely_enough() -> None:
    language = _choice([0.3, 0.6, 0.1])
    assert (language.code, language.sure) == ("en", False)
    assert language.least_log_probability == SETTINGS.unsure_log_probability


def test_where_nothing_is_likely_no_words_are_believed() -> None:
    language = _choice([0.05, 0.35, 0.3, 0.0, 0.3])
    assert language.unknown
    assert language.least_log_probability == math.inf


def test_short_speech_needs_more() -> None:
    assert _choice([0.05, 0.8, 0.15]).code == "de"
    assert _choice([0.05, 0.8, 0.15], speech_s=0.5).code == "en"


def test_what_accents_are_taken_for_is_english_unless_the_owner_speaks_it() -> None:
    assert _choice([0.03, 0.02, 0.02, 0.93]).code == "en"
    assert _choice([0.03, 0.02, 0.02, 0.93], spoken=("cy-GB", "en-GB")).code == "cy"


def test_known_languages_narrow_the_choice() -> None:
    assert _choice([0.5, 0.2, 0.3], spoken=("de-DE", "ja")).code == "ja"


def test_an_english_only_model_says_english() -> None:
    none = np.zeros(0, np.float32)
    language = choose_language(none, [], (), 5, SETTINGS)
    assert (language.code, language.sure) == ("en", True)


def test_words_that_fail_put_an_uncertain_language_in_doubt() -> None:
    other = doubted(Language("de", 0.6), SETTINGS)
    assert other is not None
    assert (other.code, other.sure) == ("en", False)
    assert doubted(Language("de", 0.95), SETTINGS) is None
    assert doubted(Language("en", 0.3), SETTINGS) is None
