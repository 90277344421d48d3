"""Words that name a sensitive topic, found in a text whole, split, glued, spelled out or misheard.

The words live in `data/lexicon/<topic>.tsv`: a grade, the contexts that make the terms look-alikes,
and terms that share both. `data/lexicon/lookalikes.txt` holds fixed expressions that only contain
such a word ("Union Square", "computer virus"): their words are not looked up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from glasses_signals.errors import BadPolicy
from glasses_signals.policy.phonetics import likeness, skeleton
from glasses_signals.policy.policy import DEFAULT_POLICY, TOPICS
from glasses_signals.tsv import read_tsv

LEXICON = DEFAULT_POLICY.parent / "lexicon"

MAX_TERM_WORDS = 8
MAX_GLUED_WORDS = 4
# Shorter terms glue together, or sound alike, by accident: "to day", "in to", "no va".
MIN_GLUED_LETTERS = 7
MIN_MISHEARD_LETTERS = 6
MIN_MISHEARD_SOUNDS = 3
# Spelling likeness below which two words of equal consonants are different words ("rosary" and
# "rosier"), measured on ordinary requests; one word alone needs more than a cut-up one.
MIN_LIKENESS_CUT = 0.55
MIN_LIKENESS_WHOLE = 0.75
# From here on words cut up anew are the long term itself ("joe by den"): true of a fifth of our
# misheard sentences, and of about 1 in 1,000 ordinary ones.
MIN_LIKENESS_SAME = 0.82
MIN_SAME_LETTERS = 8

HIDDEN = "·"  # stands for a word inside a look-alike; matches no term

# What a recogniser writes for the name of a letter: "el gee bee tee", "are m t".
_LETTER_NAMES = (
    "a ay, b be bee, c see sea, d dee, f ef, g gee, h age aitch, i eye, j jay, k kay, l el, m em, "
    "n en, o oh, p pea pee, q cue queue, r are our ar, s es ess, t tea tee, u you, v vee, x ex, "
    "y why, z zed zee"
)
_LETTERS = {letter: letter for letter in "abcdefghijklmnopqrstuvwxyz"} | {
    name: names.split()[0] for names in _LETTER_NAMES.split(", ") for name in names.split()
}
_MIN_SPELLED_LETTERS = 3

_WORD = re.compile(r"[a-z0-9]+")
_APOSTROPHES = str.maketrans("", "", "'’‘`´")
_ARTICLES = frozenset(("a", "the", "i"))


class Grade(StrEnum):
    """How far a term goes alone: `sure` decides, `likely` and `hint` only weigh in."""

    SURE = "sure"
    LIKELY = "likely"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Term:
    """Words that name a topic, or hint at it."""

    topic: str
    grade: Grade
    words: str  # normalised, separated by one space
    unless: tuple[str, ...]  # normalised phrases whose presence makes it a look-alike


@dataclass(frozen=True, slots=True)
class Findings:
    """What the lexicon found in one text. `misheard`: topic -> best spelling likeness, 0..1."""

    terms: tuple[Term, ...]
    misheard: dict[str, float]
    lookalikes: int


def words_of(text: str) -> list[str]:
    """The words of a text as the lexicon compares them: ASCII lower case, accents and apostrophes
    dropped ("I'm" is "im", "Sinn Féin" is "sinn fein")."""
    folded = unicodedata.normalize("NFKD", text.casefold()).translate(_APOSTROPHES)
    return _WORD.findall("".join(c for c in folded if not unicodedata.combining(c)))


class Lexicon:
    """All terms and look-alikes, looked up in a text by its word sequences."""

    def __init__(self, folder: Path = LEXICON) -> None:
        """Read the lexicon; BadPolicy, naming file and line, when it is malformed."""
        self.terms = tuple(term for topic in TOPICS for term in _read_terms(folder, topic))
        self._lookalikes: dict[str, list[list[str]]] = {}
        for phrase in _read_lookalikes(folder):
            self._lookalikes.setdefault(phrase[0], []).append(phrase)
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

    @cached_property
    def _sounds(self) -> dict[str, list[tuple[str, Term]]]:
        """Consonant skeleton -> letters and term, of sure terms long enough to be recognised."""
        sounds: dict[str, list[tuple[str, Term]]] = {}
        for term in self.terms:
            letters = term.words.replace(" ", "")
            sound = skeleton(tuple(term.words.split()))
            if (
                term.grade is Grade.SURE
                and len(letters) >= MIN_MISHEARD_LETTERS
                and len(sound) >= MIN_MISHEARD_SOUNDS
            ):
                sounds.setdefault(sound, []).append((letters, term))
        return sounds

    def look(self, words: Sequence[str]) -> Findings:
        """What is found in a text, given as `words_of(text)`."""
        shown, lookalikes = self._hide_lookalikes(words)
        padded = f" {' '.join(words)} "
        misheard, same = self._misheard(shown)
        terms = tuple(
            term
            for term in (*self._candidates(shown), *same)
            if not any(f" {phrase} " in padded for phrase in term.unless)
        )
        return Findings(terms, misheard, lookalikes)

    def _hide_lookalikes(self, words: Sequence[str]) -> tuple[list[str], int]:
        shown, count = list(words), 0
        for start, word in enumerate(words):
            for phrase in self._lookalikes.get(word, ()):
                if list(words[start : start + len(phrase)]) == phrase:
                    shown[start : start + len(phrase)] = [HIDDEN] * len(phrase)
                    count += 1
        return shown, count

    def _candidates(self, words: Sequence[str]) -> Iterator[Term]:
        for start in range(len(words)):
            for length in range(1, min(MAX_TERM_WORDS, len(words) - start) + 1):
                window = words[start : start + length]
                yield from self._whole.get(" ".join(window), ())
                if length <= MAX_GLUED_WORDS:
                    yield from self._glued.get("".join(window), ())
                yield from self._spelled(window)

    def _spelled(self, window: Sequence[str]) -> Iterator[Term]:
        """Terms that the window says letter by letter; names of letters alone are too common."""
        letters = [_LETTERS.get(word, "") for word in window]
        named = len(letters) >= _MIN_SPELLED_LETTERS and all(letters)
        single = len(letters) > 1 and all(len(word) == 1 for word in window)
        if single or named:
            terms = self._whole.get("".join(letters), ())
            yield from (term for term in terms if single or term.grade is Grade.SURE)

    def _misheard(self, words: Sequence[str]) -> tuple[dict[str, float], list[Term]]:
        """Topic -> best spelling likeness, and terms too like to be chance."""
        best: dict[str, float] = {}
        same: list[Term] = []
        for start in range(len(words)):
            for length in range(1, min(MAX_GLUED_WORDS, len(words) - start) + 1):
                window = tuple(words[start : start + length])
                if HIDDEN in window:
                    break
                if length > 1 and window[-1] in _ARTICLES:
                    continue
                heard = "".join(window)
                for letters, term in self._sounds.get(skeleton(window), ()):
                    like = _misheard_likeness(heard, letters, cut=length > 1)
                    best[term.topic] = max(best.get(term.topic, 0.0), like)
                    if like >= MIN_LIKENESS_SAME and _is_cut_anew(length, letters, term):
                        same.append(term)
        return {topic: like for topic, like in best.items() if like > 0}, same


def _is_cut_anew(length: int, letters: str, term: Term) -> bool:
    """A term's words in another number: "two days" is no mishearing of "two dads"."""
    return 1 < length != term.words.count(" ") + 1 and len(letters) >= MIN_SAME_LETTERS


def _misheard_likeness(heard: str, meant: str, *, cut: bool) -> float:
    """How much `heard` is spelled like `meant`, 0 when too little, or when it is no mishearing."""
    if heard in (meant, f"{meant}s") or f"{heard}s" == meant:
        return 0.0
    if not cut and len(heard) < MIN_MISHEARD_LETTERS:
        return 0.0
    like = likeness(heard, meant)
    return like if like >= (MIN_LIKENESS_CUT if cut else MIN_LIKENESS_WHOLE) else 0.0


def _forms(words: str) -> set[str]:
    """A term and its plural and possessive (apostrophes are dropped): nun, nuns; party, parties."""
    forms = {words, f"{words}s"}
    if words.endswith(("s", "x", "ch", "sh")):
        forms.add(f"{words}es")
    if words.endswith("y"):
        forms.add(f"{words[:-1]}ies")
    return forms


def _read_terms(folder: Path, topic: str) -> Iterator[Term]:
    place = folder / f"{topic}.tsv"
    for number, row in enumerate(read_tsv(place), start=2):
        try:
            grade = Grade(row["grade"])
            unless = tuple(" ".join(phrase) for phrase in _phrases(row["unless"]))
            terms = [" ".join(phrase) for phrase in _phrases(row["terms"])]
        except (KeyError, ValueError, AttributeError) as error:
            raise BadPolicy(
                f"{place}, line {number}: wanted grade, unless and terms between tabs; "
                f"mend or reinstall the lexicon ({error})"
            ) from error
        yield from (Term(topic, grade, words, unless) for words in terms)


def _read_lookalikes(folder: Path) -> Iterator[list[str]]:
    for line in (folder / "lookalikes.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            yield from _phrases(line)


def _phrases(cell: str) -> Iterator[list[str]]:
    for phrase in cell.split(";"):
        if words := words_of(phrase):
            yield words
