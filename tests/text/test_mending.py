from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasses_signals.text.mending import mended


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ("Takeonecapsulebymouth", "Take one capsule by mouth"),
        ("Allarewelcome", "All are welcome"),
        ("forStateSenate", "for State Senate"),
        ("MountainBikeRepair&Rental", "Mountain Bike Repair&Rental"),
    ],
)
def test_lost_spaces_come_back(run: str, text: str) -> None:
    assert mended(run) == text


@pytest.mark.parametrize(
    "word",
    ["Atorvastatin", "Ibuprofen", "YouTube", "forget", "Gottesdienst", "Wednesday's", "Senate", ""],
)
def test_what_is_one_word_stays_one(word: str) -> None:
    assert mended(word) == word


@pytest.mark.parametrize(
    ("read", "text"), [("AM0XICILLIN 500 mg", "AMOXICILLIN 500 mg"), ("ho1iday", "holiday")]
)
def test_digits_in_words_are_letters(read: str, text: str) -> None:
    assert mended(read) == text


@pytest.mark.parametrize(
    ("read", "text"),
    [("Café", "Cafe"), ("Crème brûlée", "Creme brulee"), ("die schöne Müllerin",) * 2],
)
def test_only_names_lose_their_accents(read: str, text: str) -> None:
    assert mended(read) == text


@given(st.text(st.characters(codec="ascii", exclude_characters="01"), max_size=60))
def test_nothing_but_spaces_is_added(text: str) -> None:
    assert mended(text).replace(" ", "") == text.replace(" ", "")
