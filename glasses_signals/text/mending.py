"""Mends what reading a picture gets wrong: "Takeonecapsule" is "Take one capsule"."""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from importlib import resources

_RUN = re.compile(r"[A-Za-z']{7,}")  # shorter runs are left alone: too easily two words by chance
_DIGIT_IN_WORD = re.compile(r"(?<=[A-Za-z])[01](?=[A-Za-z])")
_NAME_WORDS = 2
_LONGEST = 20
_COST_A_WORD = 2.5  # keeps "forget" from being "for get"
_LEAST_MEAN_LENGTH = 3.5  # of the words: names of medicines fall apart into shorter ones
# Of words under four letters, rarer ones are mostly abbreviations.
_FREQUENT = 300
_PLURAL_COST = 1.0


def mended(text: str) -> str:
    """The text with letters for digits inside words, and spaces inside runs of several words.

    One or two words lose their accents, as many a sign does: "Café" is English as well.
    """
    if len(text.split()) <= _NAME_WORDS:
        letters = unicodedata.normalize("NFD", text)
        plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
        text = unicodedata.normalize("NFC", plain)
    text = _DIGIT_IN_WORD.sub(_letter, text)
    return _RUN.sub(lambda run: _split(run.group()), text)


def _letter(digit: re.Match[str]) -> str:
    capital = digit.string[digit.start() - 1].isupper()
    return ("O" if capital else "o") if digit.group() == "0" else ("I" if capital else "l")


def _split(run: str) -> str:
    costs = _costs()
    lower = run.lower()
    if lower in costs or "'" in run:
        return run
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of each prefix, where its last word starts
    for end in range(1, len(lower) + 1):
        ways = (
            (best[start][0] + costs[lower[start:end]] + _COST_A_WORD, start)
            for start in range(max(0, end - _LONGEST), end)
            if lower[start:end] in costs
        )
        best.append(min(ways, default=(math.inf, 0)))
    if math.isinf(best[-1][0]):
        return run
    words: list[str] = []
    end = len(run)
    while end:
        start = best[end][1]
        words.insert(0, run[start:end])
        end = start
    return " ".join(words) if len(run) >= _LEAST_MEAN_LENGTH * len(words) else run


@functools.cache
def _costs() -> dict[str, float]:
    """Zipf's law: the word of rank r has a probability of about 1 / r."""
    path = resources.files("glasses_signals.text") / "data" / "english_words.txt"
    costs = {
        word: math.log(rank + 10)
        for rank, word in enumerate(path.read_text("utf-8").split())
        if len(word) > 3 or rank < _FREQUENT
    }
    plurals = {f"{word}s": cost + _PLURAL_COST for word, cost in costs.items() if len(word) > 3}
    return plurals | costs
