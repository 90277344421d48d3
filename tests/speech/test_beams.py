"""The search on a made-up language, against trying every text; and on the real decoder."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from glasses_signals.models.store import open_model
from glasses_signals.records import Waveform
from glasses_signals.speech.beams import Beam, Search, decode_beams
from glasses_signals.speech.decoding import Decoded, decode, open_windows
from glasses_signals.speech.mel import power_spectrum
from glasses_signals.speech.model import WhisperModel

VOCABULARY = 4  # the last one ends a text
END = VOCABULARY - 1
MOST = 3

Language = NDArray[np.float32]  # log-probabilities [token before (END: none), token]


def searched(language: Language, width: int) -> Decoded:
    search = Search(width, MOST, END)
    while not search.over:
        before = [beam.tokens[-1] if beam.tokens else END for beam in search.beams]
        rows = language[before]
        order = np.argsort(-rows, axis=1)[:, : width + 1]
        search.advance(order, np.take_along_axis(rows, order, 1))
    return search.best()


def every_text(language: Language) -> dict[tuple[int, ...], float]:
    """All texts under the limit that end, by their log-probability a token, the end included."""
    totals = {}
    for length in range(1, MOST):
        for text in itertools.product(range(END), repeat=length):
            path = (END, *text, END)
            total = sum(language[a, b] for a, b in itertools.pairwise(path))
            totals[text] = float(total) / (length + 1)
    return totals


def languages() -> st.SearchStrategy[Language]:
    def normalised(seed: int) -> Language:
        weights = np.random.default_rng(seed).gumbel(size=(VOCABULARY, VOCABULARY)) * 2
        weights[END, END] = -1e9  # no text is empty
        chances: Language = (weights - np.log(np.exp(weights).sum(1, keepdims=True))).astype("f4")
        return chances

    return st.integers(0, 10_000).map(normalised)


@given(languages())
def test_a_search_as_wide_as_the_language_finds_the_likeliest_text(language: Language) -> None:
    found, texts = searched(language, VOCABULARY**MOST), every_text(language)
    assert found.finished
    assert texts[found.tokens] == pytest.approx(max(texts.values()), abs=1e-5)


def test_a_text_that_ends_early_does_not_win_by_being_short() -> None:
    search = Search(2, 40, END)
    search.finished = [Beam((0,) * 5, -4.0, 0), Beam((0,) * 30, -9.0, 0)]
    assert len(search.best().tokens) == 30


@given(languages())
def test_a_search_of_one_takes_the_likeliest_token_each_time(language: Language) -> None:
    tokens: list[int] = []
    last = END
    while len(tokens) < MOST:
        last = int(language[last].argmax())
        if last == END:
            break
        tokens.append(last)
    found = searched(language, 1)
    assert (found.tokens, found.finished) == (tuple(tokens), last == END)


def test_two_beams_find_what_the_first_token_hides() -> None:
    # Token 0 is likelier to start with, but leads nowhere; token 1 surely ends.
    chances = np.array(
        [[0.4, 0.3, 0.2, 0.1], [0.01, 0.01, 0.01, 0.97], [0.25] * 4, [0.5, 0.45, 0.05, 1e-9]]
    )
    language = np.log(chances).astype(np.float32)
    assert searched(language, 1).tokens[0] == 0
    assert searched(language, 2).tokens == (1,)


@pytest.fixture(scope="module")
def whisper() -> WhisperModel:
    return WhisperModel(open_model("whisper-base"))


def test_one_beam_is_greedy_decoding_and_three_are_no_less_likely(
    whisper: WhisperModel, recordings: dict[str, Waveform]
) -> None:
    powers = [power_spectrum(recordings["jfk"].samples[: n * 16_000], 1100) for n in (2, 4, 9)]
    cross = whisper.encode(powers, 700)
    opening = open_windows(whisper, cross, len(powers))
    prompts = [whisper.prompt("en", whisper.tokens.transcribe)] * len(powers)
    limits = [20, 30, 50]
    greedy = decode(whisper, cross, opening, prompts, limits)
    one = decode_beams(whisper, cross, opening, prompts, limits, 1)
    three = decode_beams(whisper, cross, opening, prompts, limits, 3)
    assert [d.tokens for d in one] == [d.tokens for d in greedy]
    for wide, narrow in zip(three, greedy, strict=True):
        # Beams attend together, which rounds differently: likelier, but for the last digits.
        assert wide.finished
        assert wide.mean_log_probability > narrow.mean_log_probability - 0.01


def test_rows_are_kept_in_the_order_asked_for(whisper: WhisperModel) -> None:
    powers = [np.full((200, 201), level, np.float32) for level in (1e-6, 1e-3, 1.0)]
    powers[1][100:] = 0
    powers[2][50:] = 0
    cross = whisper.encode(powers, 150)
    kept = whisper.keep_rows(cross, [2, 0, 2])
    assert list(kept) == list(cross)
    for name, array in kept.items():
        np.testing.assert_array_equal(array.numpy()[:3], cross[name].numpy()[[2, 0, 2]])


@pytest.mark.parametrize("beam", [1, 3])
def test_a_window_decodes_to_the_same_bits_alone_and_among_others(
    whisper: WhisperModel, recordings: dict[str, Waveform], beam: int
) -> None:
    powers = [power_spectrum(recordings["jfk"].samples[: n * 8_000], 400) for n in range(1, 8)]
    prompt, limit = whisper.prompt("en", whisper.tokens.transcribe), 12
    heard = []
    for groups in ([powers], [[power] for power in powers], [powers[:3], powers[3:]]):
        decoded: list[Decoded] = []
        for group in groups:
            cross, count = whisper.encode(group, 350), len(group)
            opening = open_windows(whisper, cross, count)
            decoded += decode_beams(
                whisper, cross, opening, [prompt] * count, [limit] * count, beam
            )
        heard.append(decoded)
    assert heard[1] == heard[0]
    assert heard[2] == heard[0]
