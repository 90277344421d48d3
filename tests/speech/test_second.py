"""The second listener: what it hears, and of what it is asked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from glasses_signals.records import Span, Waveform
from glasses_signals.speech.second import SecondListener, SecondSettings
from glasses_signals.speech.transcriber import SpeechSettings, Transcriber
from glasses_signals.speech.windows import widened

RATE = 16_000


@pytest.fixture(scope="module")
def listener() -> SecondListener:
    return SecondListener(SecondSettings(), "cpu", 2)


def test_it_hears_a_speech_word_for_word(
    listener: SecondListener, recordings: dict[str, Waveform]
) -> None:
    [heard] = listener([recordings["jfk"].samples])
    assert heard is not None and math.exp(heard.mean_log_probability) > 0.8
    assert "ask not what your country can do for you" in heard.text.lower()


def test_what_it_hears_depends_neither_on_neighbours_nor_on_batches(
    listener: SecondListener, recordings: dict[str, Waveform]
) -> None:
    sounds = {name: waveform.samples for name, waveform in recordings.items()}
    alone = {name: listener([sound])[0] for name, sound in sounds.items()}
    names = [list(sounds)[i] for i in np.random.default_rng(1).permutation(len(sounds))]
    assert dict(zip(names, listener([sounds[n] for n in names]), strict=True)) == alone
    narrow = SecondListener(SecondSettings(batch_rows=3), "cpu", 1)
    assert dict(zip(names, narrow([sounds[n] for n in names]), strict=True)) == alone


def test_no_row_attends_to_what_it_was_filled_up_with(
    listener: SecondListener, recordings: dict[str, Waveform]
) -> None:
    sound = recordings["jfk"].samples
    memory, lengths = listener._encoded([sound, sound[: 3 * RATE], sound[: 2 * RATE]])
    assert len(lengths) == 4  # 8-bit products take rows by twos
    for row in range(3):
        heard, filled = np.split(memory["cross_v0"][row], [lengths[row]], axis=1)
        assert heard[:, -1].any() and not filled.any()


def test_words_that_it_does_not_believe_itself_count_as_not_heard(
    recordings: dict[str, Waveform],
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(2 * RATE).astype(np.float32) * np.float32(0.1)
    strict = SecondListener(SecondSettings(least=0.9999), "cpu", 1)
    assert strict([recordings["jfk"].samples, noise]) == [None, None]


def test_it_takes_nothing_and_very_little(listener: SecondListener) -> None:
    assert listener([]) == []
    assert len(listener([np.zeros(0, np.float32), np.zeros(100, np.float32)])) == 2


def test_only_what_is_not_sure_is_heard_again(recordings: dict[str, Waveform]) -> None:
    order = recordings["order-084"]
    never, always = (
        Transcriber(SpeechSettings(device="cpu", second=SecondSettings(below=below)))
        for below in (1e-9, 1.0)
    )
    [first], [second] = never.transcribe([order]), always.transcribe([order])
    assert all(u.again is None for u in first.utterances)
    assert any(u.again is not None and "latte" in u.again.text.lower() for u in second.utterances)
    assert first.text == second.text


def test_far_voices_are_not_heard_again(recordings: dict[str, Waveform]) -> None:
    near, far = recordings["order-084"].samples, recordings["jfk"].samples * 10 ** (-16 / 20)
    settings = SpeechSettings(device="cpu", second=SecondSettings(below=1.0))
    [transcript] = Transcriber(settings).transcribe([Waveform(np.concatenate([far, near]))])
    speakers = {u.speaker: u.again for u in transcript.utterances}
    assert speakers["bystander"] is None and speakers["wearer"] is not None


def test_a_listener_that_nobody_wants_is_not_loaded() -> None:
    models = Transcriber(SpeechSettings(device="cpu", second=None)).models
    assert not any(name.startswith("moonshine") for name in models)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], Span(1.0, 6.0)),
        ([Span(0.0, 1.5)], Span(1.5, 6.0)),
        ([Span(5.2, 8.0), Span(9.0, 9.5)], Span(1.0, 5.2)),
        ([Span(2.0, 5.0)], Span(1.0, 6.0)),
    ],
)
def test_a_window_is_widened_up_to_its_neighbours(others: list[Span], expected: Span) -> None:
    assert widened(Span(2.0, 5.0), others, 1.0) == expected
    assert widened(Span(0.5, 5.0), [], 1.0).start_s == 0.0
