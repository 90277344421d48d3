"""Real recordings through the real models."""

from __future__ import annotations

import numpy as np
import pytest

from glasses_signals.errors import BadInput
from glasses_signals.records import Waveform
from glasses_signals.speech.guards import GuardSettings
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber

RATE = 16_000


def _words(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha() or c == " ")


def _silence(seconds: float) -> Waveform:
    return Waveform(np.zeros(round(seconds * RATE), np.float32))


def test_a_clean_speech_is_heard_word_for_word(
    transcriber: Transcriber, recordings: dict[str, Waveform]
) -> None:
    [transcript] = transcriber.transcribe([recordings["jfk"]])
    assert _words(transcript.text) == (
        "and so my fellow americans ask not what your country can do for you "
        "ask what you can do for your country"
    )
    assert transcript.language == "en"


def test_noisy_orders_keep_what_was_ordered(
    transcriber: Transcriber, recordings: dict[str, Waveform]
) -> None:
    wanted = {"order-018": "americano", "order-084": "latte", "order-099": "espresso"}
    transcripts = transcriber.transcribe([recordings[name] for name in wanted])
    heard = [_words(transcript.text) for transcript in transcripts]
    assert all(word in text for word, text in zip(wanted.values(), heard, strict=True)), heard


@pytest.mark.parametrize("beam", [1, 5])
def test_text_depends_neither_on_batch_size_nor_on_neighbours_nor_on_lanes(
    recordings: dict[str, Waveform], beam: int
) -> None:
    names = list(recordings)[:7]  # three batches of three rows, the last not full
    shuffled = [names[i] for i in np.random.default_rng(1).permutation(len(names))]
    texts = []
    for rows, threads, order in ((1, 1, names), (3, 3, names), (16, 2, shuffled)):
        settings = SpeechSettings(device="cpu", batch_rows=rows, threads=threads, beam=beam)
        transcriber = Transcriber(settings)
        heard = transcriber.transcribe([recordings[name] for name in order])
        texts.append({name: t.text for name, t in zip(order, heard, strict=True)})
    assert all(other == texts[0] for other in texts[1:])


@pytest.mark.parametrize("bystander_first", [True, False])
def test_a_far_voice_is_heard_but_told_from_the_wearer(
    transcriber: Transcriber, recordings: dict[str, Waveform], bystander_first: bool
) -> None:
    near, far = recordings["order-084"].samples, recordings["jfk"].samples * 10 ** (-16 / 20)
    parts = [far, near] if bystander_first else [near, far]
    [transcript] = transcriber.transcribe([Waveform(np.concatenate(parts))])
    said = {
        who: _words(" ".join(u.text for u in transcript.utterances if u.speaker == who))
        for who in ("wearer", "bystander")
    }
    assert "latte" in said["wearer"] and "country" not in said["wearer"]
    assert "your country" in said["bystander"]


def test_silence_and_noise_give_no_words(transcriber: Transcriber) -> None:
    noise = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32) * 0.05
    empty = Waveform(np.zeros(0, np.float32))
    transcripts = transcriber.transcribe([_silence(5), Waveform(noise), empty])
    assert [transcript.text for transcript in transcripts] == ["", "", ""]


def test_long_recording_has_right_times(
    transcriber: Transcriber, recordings: dict[str, Waveform]
) -> None:
    gap = np.zeros(20 * RATE, np.float32)
    jfk = recordings["jfk"].samples
    [transcript] = transcriber.transcribe([Waveform(np.concatenate([gap, jfk, gap, jfk]))])
    starts = [utterance.start_s for utterance in transcript.utterances]
    assert _words(transcript.text).count("fellow americans") == 2
    assert 19.5 < min(starts) < 21.5
    assert any(50.5 < start < 52.5 for start in starts)


def test_language_can_be_named(recordings: dict[str, Waveform]) -> None:
    transcriber = Transcriber(SpeechSettings(device="cpu", language="en"))
    [transcript] = transcriber.transcribe([recordings["order-084"]])
    assert (transcript.language, transcript.language_probability) == ("en", 1.0)


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'xx'.* en, "):
        Transcriber(SpeechSettings(device="cpu", language="xx"))


def test_a_second_try_searches_wider(recordings: dict[str, Waveform]) -> None:
    unsure = GuardSettings(sure_log_probability=0.0)  # so that all is heard twice
    narrow, wide = (
        Transcriber(SpeechSettings(device="cpu", guards=unsure, beam=2, beam_again=again))
        for again in (2, 8)
    )
    random = np.random.default_rng(0)
    noisy = [
        Waveform(
            (clip.samples + random.normal(0, clip.samples.std(), clip.samples.size)).astype("f4")
        )
        for clip in list(recordings.values())[:6]
    ]
    texts = [[heard.text for heard in one.transcribe(noisy)] for one in (narrow, wide)]
    assert texts[0] != texts[1]


def test_no_beam_is_refused() -> None:
    with pytest.raises(BadInput, match="use 1"):
        Transcriber(SpeechSettings(device="cpu", beam=0))


def test_half_precision_graphs_hear_the_same(
    transcriber: Transcriber, recordings: dict[str, Waveform]
) -> None:
    half = Transcriber(SpeechSettings(device="cpu", precision="fp16"))
    [heard] = half.transcribe([recordings["jfk"]])
    [reference] = transcriber.transcribe([recordings["jfk"]])
    assert _words(heard.text) == _words(reference.text)
