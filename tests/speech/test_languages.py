from __future__ import annotations

import numpy as np

from glasses_signals.speech.languages import LanguageSettings, choose_language

CODES = ["en", "de", "ja"]
SETTINGS = LanguageSettings()


def _chosen(probabilities: list[float], spoken: tuple[str, ...] = (), speech_s: float = 5) -> str:
    array = np.array(probabilities, np.float32)
    return choose_language(array, CODES, spoken, speech_s, SETTINGS).code


def test_a_likely_language_is_believed() -> None:
    assert _chosen([0.1, 0.85, 0.05]) == "de"


def test_an_unlikely_one_falls_back_to_the_default_unsurely() -> None:
    array = np.array([0.3, 0.1, 0.6], np.float32)
    language = choose_language(array, CODES, (), 5, SETTINGS)
    assert (language.code, language.sure) == ("en", False)


def test_short_speech_needs_more() -> None:
    assert _chosen([0.2, 0.8, 0.0], speech_s=0.5) == "en"


def test_known_languages_narrow_the_choice() -> None:
    assert _chosen([0.5, 0.2, 0.3], spoken=("de-DE", "ja")) == "ja"


def test_an_english_only_model_says_english() -> None:
    none = np.zeros(0, np.float32)
    assert choose_language(none, [], (), 5, SETTINGS).code == "en"
