"""A text's vector depends on the text alone."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from glasses_signals.text.encoder import EncoderSettings, TextEncoder

TEXTS = [
    "Where can I buy good hiking boots?",
    "hi",
    "",
    "What is the name of this flower, and does it need a lot of sun?",
    "Play some jazz",
    "Set a timer for ten minutes while the espresso machine warms up.",
    "¿Dónde está la biblioteca?",
    "word " * 300,
    *(f"How do I get to platform {number} from here?" for number in range(60)),
]


def test_vectors_have_unit_length_and_one_row_a_text(encoder: TextEncoder) -> None:
    vectors = encoder(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder([]).shape == (0, 384)


@pytest.fixture(scope="module")
def together(encoder: TextEncoder) -> NDArray[np.float32]:
    return encoder(TEXTS)


@settings(max_examples=25, deadline=None)
@given(chosen=st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=100))
def test_a_text_has_the_same_bits_in_any_company(
    encoder: TextEncoder, together: NDArray[np.float32], chosen: list[int]
) -> None:
    np.testing.assert_array_equal(encoder([TEXTS[i] for i in chosen]), together[chosen])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_text_has_the_same_bits_for_any_thread_count(
    together: NDArray[np.float32], threads: int
) -> None:
    other = TextEncoder(EncoderSettings(device="cpu", threads=threads))
    np.testing.assert_array_equal(other(TEXTS), together)


def test_alike_texts_are_near_and_others_far(encoder: TextEncoder) -> None:
    boots, hiking, jazz = encoder(
        ["Where can I buy good hiking boots?", "shops for walking shoes", "play some jazz"]
    )
    assert boots @ hiking > 0.5 > 0.2 > boots @ jazz


def test_what_is_past_128_tokens_is_not_read(encoder: TextEncoder) -> None:
    short, long = encoder(["word " * 300, "word " * 400 + "hiking"])
    np.testing.assert_array_equal(short, long)


def test_a_pickled_encoder_gives_the_same_bits(encoder: TextEncoder) -> None:
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(encoder))(TEXTS[:3]), encoder(TEXTS[:3])
    )
