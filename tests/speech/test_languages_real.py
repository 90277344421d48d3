"""Languages on real speech: telephone prompts in French and Russian, orders in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasses_signals.media.audio import decode_audio
from glasses_signals.records import Waveform
from glasses_signals.speech.transcriber import Transcriber

SAID = {"fr": "correspondant", "ru": "номер"}


@pytest.fixture(scope="module")
def prompts(media: Path) -> dict[str, Waveform]:
    found = sorted((media / "languages").glob("*/*.g*"))
    return {path.parent.name: decode_audio(path) for path in found}


@pytest.mark.slow
def test_other_languages_are_heard_in_their_own_words_and_translated(
    transcriber: Transcriber, prompts: dict[str, Waveform]
) -> None:
    assert set(prompts) == set(SAID)
    transcripts = transcriber.transcribe(list(prompts.values()))
    assert [t.language for t in transcripts] == list(prompts)
    for language, transcript in zip(prompts, transcripts, strict=True):
        assert SAID[language] in transcript.text
        assert all(u.english and u.english.isascii() for u in transcript.utterances)


@pytest.mark.slow
def test_real_orders_stay_english_beside_them(
    transcriber: Transcriber, prompts: dict[str, Waveform], recordings: dict[str, Waveform]
) -> None:
    transcripts = transcriber.transcribe([*prompts.values(), *recordings.values()])
    assert {t.language for t in transcripts[len(prompts) :]} == {"en"}


@pytest.mark.slow
def test_an_account_that_speaks_the_language_gets_it_and_nobody_elses(
    transcriber: Transcriber, prompts: dict[str, Waveform]
) -> None:
    wave = prompts["fr"]
    named = [("fr-CA", "en"), ("ru-RU", "fr-FR")]
    transcripts = transcriber.transcribe([wave, wave], languages=named)
    assert [t.language for t in transcripts] == ["fr", "fr"]
