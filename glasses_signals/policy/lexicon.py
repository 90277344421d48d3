"""Words that name a sensitive topic, found in a text whole, split, glued or spelled out.

The words live in `data/lexicon/<topic>.tsv`: a grade, the contexts that make the term a look-alike
("Union Square", "computer virus"), and terms that share both.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from glasses_signals.errors import BadPolicy
from glasses_signals.policy.policy import DEFAULT_POLICY, TOPICS

LEXICON = DEFAULT_POLICY.parent / "lexicon"

MAX_TERM_WORDS = 8
MAX_GLUED_WORDS = 4
# Shorter terms glue together by accident: "to day", "in to", "no va".
MIN_GLUED_LETTERS = 7

_WORD = re.compile(r"[a-z0-9]+")
_APOSTROPHES = str.maketrans("", "", "'’‘`´")


class Grade(StrEnum):
    """How far a term goes alone: `sure` decides, `likely` and `hint` only weigh in."""

    SURE = "sure"
    LIKELY = "likely"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Term:
    topic: str
    grade: Grade
    words: str  # normalised, separated by one space
    unless: tuple[str, ...]  # normalised phrases whose presence makes it a look-alike


def words_of(text: str) -> list[str]:
    """The words of a text as the lexicon compares them: ASCII lower case, accents and apostrophes
    dropped ("I'm" is "im", "Sinn Féin" is "sinn fein")."""
    folded = unicodedata.normalize("NFKD", text.casefold()).translate(_APOSTROPHES)
    return _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)))


class Lexicon:
    """All terms, looked up in a text by its word sequences."""

    def __init__(self, folder: Path = LEXICON) -> None:
        self.terms = tuple(term for topic in TOPICS for term in _read(folder, topic))
        self._whole: dict[str, list[Term]] = {}
        for term in self.terms:
            for form in _forms(term.words):
                self._whole.setdefault(form, []).append(term)

    @cached_property
    def _glued(self) -> dict[str, list[Term]]:
        glued: dict[str, list[Term]] = {}
        for form, terms in self._whole.items():
            solid = form.replace(" ", "")
            if len(solid) >= MIN_GLUED_LETTERS:
                glued.setdefault(solid, []).extend(t for t in terms if t.grade is Grade.SURE)
        return glued

    def find(self, words: Sequence[str]) -> Iterator[Term]:
        """The terms in a text, given as `words_of(text)`; look-alike contexts are left out."""
        padded = f" {' '.join(words)} "
        for term in self._candidates(words):
            if not any(f" {phrase} " in padded for phrase in term.unless):
                yield term

    def _candidates(self, words: Sequence[str]) -> Iterator[Term]:
        for start in range(len(words)):
            for length in range(1, min(MAX_TERM_WORDS, len(words) - start) + 1):
                window = words[start : start + length]
                yield from self._whole.get(" ".join(window), ())
                if length <= MAX_GLUED_WORDS:
                    yield from self._glued.get("".join(window), ())
                if length > 1 and all(len(word) == 1 for word in window):
                    yield from self._whole.get("".join(window), ())


def _forms(words: str) -> set[str]:
    """A term and its plural and possessive (apostrophes are dropped): nun, nuns; party, parties."""
    forms = {words, f"{words}s"}
    if words.endswith(("s", "x", "ch", "sh")):
        forms.add(f"{words}es")
    if words.endswith("y"):
        forms.add(f"{words[:-1]}ies")
    return forms


def _read(folder: Path, topic: str) -> Iterator[Term]:
    place = folder / f"{topic}.tsv"
    with place.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)):
            try:
                grade = Grade(row["grade"])
                unless = tuple(_phrases(row["unless"]))
                terms = list(_phrases(row["terms"]))
            except (KeyError, ValueError, AttributeError) as error:
                raise BadPolicy(
                    f"{place}, line {number + 2}: wanted grade, unless and terms between tabs; "
                    f"mend or reinstall the lexicon ({error})"
                ) from error
            yield from (Term(topic, grade, words, unless) for words in terms)


def _phrases(cell: str) -> Iterator[str]:
    for phrase in cell.split(";"):
        if words := " ".join(words_of(phrase)):
            yield words
