"""How requests are worded, and what that does to texts that sound alike."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from glasses_signals.errors import BadModel
from glasses_signals.speech.beams import Search
from glasses_signals.speech.wording import START_OF_TEXT, Wording, WordingSettings, words_of

VOCABULARY = (b"how", b" much", b" is", b" the", b" wait", b" way", b"s", b" zq", b"x.", b"hall")
END = len(VOCABULARY)


def worded(weight: float = 1.0, per_word: float = 0.0) -> Wording:
    return Wording(VOCABULARY, END, WordingSettings(weight, per_word))


def worth(wording: Wording, *tokens: bytes) -> float:
    said = START_OF_TEXT
    for token in tokens:
        said = wording.after(said, VOCABULARY.index(token))
    return wording.after(said, END).worth


def test_words_are_told_apart_from_punctuation_and_numbers() -> None:
    assert words_of("Book it, at 5 p.m. -- 'don’t' wait!") == (
        ["book", "it", "at", "#", "pm", "don't", "wait"]
    )


def test_what_people_say_is_worth_more_than_what_they_do_not() -> None:
    wording = worded()
    usual = worth(wording, b"how", b" much", b" is", b" the")
    assert usual > worth(wording, b"how", b" is", b" much", b" the")
    assert usual > worth(wording, b"how", b" much", b" is", b" zq", b"x.", b"hall")


def test_a_word_is_judged_once_it_is_whole() -> None:
    wording = worded()
    begun = wording.after(START_OF_TEXT, VOCABULARY.index(b" way"))
    longer = wording.after(begun, VOCABULARY.index(b"s"))
    assert begun.worth == longer.worth == 0.0
    assert longer.spelled == b" ways"
    assert wording.after(longer, END).worth < 0


def test_each_word_and_the_end_has_its_bonus() -> None:
    plain, bonus = worded(), worded(per_word=0.5)
    tokens = b"how", b" much", b" is"
    assert worth(bonus, *tokens) == pytest.approx(worth(plain, *tokens) + 0.5 * 4)


@pytest.mark.parametrize("before", [(1, 1), (1, 100), (100, 200), (0, 0)])
def test_probabilities_of_all_words_sum_to_about_one(before: tuple[int, int]) -> None:
    wording = worded()
    total = sum(math.exp(wording.log_probability(before, id_)) for id_ in range(wording.size))
    assert total == pytest.approx(1, abs=0.06)  # stored in 8 bit


def test_of_texts_that_sound_alike_the_usual_one_wins() -> None:
    steps = ((b"hall", b"how"), (b" much", b"s"), (b" is", b"s"), (b"", b"s"))
    chances = np.log([[0.51, 0.49], *[[0.99, 0.01]] * 3]).astype(np.float32)
    found = []
    for wording in (None, worded()):
        search = Search(2, 9, END, wording)
        for likely, chance in zip(steps, chances, strict=True):
            tokens = [VOCABULARY.index(t) if t else END for t in likely]
            beams = len(search.beams)
            search.advance(np.tile(tokens, (beams, 1)), np.tile(chance, (beams, 1)))
        found.append(VOCABULARY[search.best().tokens[0]])
    assert found == [b"hall", b"how"]


def test_a_missing_file_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"nothing\.npz.*train_wording"):
        Wording(VOCABULARY, END, place=tmp_path / "nothing.npz")
