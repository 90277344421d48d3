"""How a word sounds, coarsely: misheard speech keeps its consonants ("rama dan", "rose airy")."""

from __future__ import annotations

import re
from functools import lru_cache

# Letters to sounds, after the rules that Metaphone uses (L. Philips, "Hanging on the Metaphone",
# Computer Language 7(12), 1990), reduced to what survives mishearing: voicing of f/v and s/z is
# folded, vowels are kept only at the start, h and y only where they are heard as consonants.
_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^ps", "s"),
        (r"^x", "s"),
        (r"mb$", "m"),
        (r"ng$", "n"),
        (r"gues?$", "g"),
        (r"ques?$", "k"),
        (r"(?:tch|tu(?=[aeiou]))", "C"),
        (r"(?:sch|sh|ti(?=[aou])|ci(?=[aou])|si(?=on)|ssi(?=on))", "X"),
        (r"ch(?=[rlt])", "k"),
        (r"ch", "X"),
        (r"ph", "f"),
        (r"gh(?=[aeiou])", "g"),
        (r"gh", ""),
        (r"th", "0"),
        (r"dg(?=[eiy])", "j"),
        (r"g(?=[eiy])", "j"),
        (r"c(?=[eiy])", "s"),
        (r"(?:ck|c|q)", "k"),
        (r"x", "ks"),
        (r"z", "s"),
        (r"v", "f"),
        (r"C", "X"),
        (r"w(?![aeiou])", ""),
        (r"wh", "w"),
        (r"h(?![aeiou])", ""),
        (r"(?<=[aeiou])h", ""),
        (r"^you", "y"),
        (r"^u(?=n[aeiou])", "y"),
        (r"(?<!^)y", ""),
        (r"(?<!^)[aeiou]+", ""),
        (r"^[aeiou]+", "a"),
        (r"(.)\1+", r"\1"),
    )
)


@lru_cache(maxsize=65_536)
def consonants(word: str) -> str:
    """The consonants that are heard in a lower-case ASCII word: "synagogue" and "synagog" are both
    "sng". A leading vowel is `a`."""
    for pattern, sound in _RULES:
        word = pattern.sub(sound, word)
    return word


def skeleton(words: tuple[str, ...]) -> str:
    """The skeleton of words said as one: inner leading vowels vanish, doubled sounds join."""
    first, *rest = (consonants(word) for word in words)
    joined = first + "".join(code.removeprefix("a") for code in rest)
    return re.sub(r"(.)\1+", r"\1", joined)


def likeness(one: str, other: str) -> float:
    """1 - edit distance / longer length of two strings: 1 when equal, 0 when nothing is shared."""
    previous = list(range(len(other) + 1))
    for row, a in enumerate(one, 1):
        current = [row]
        for column, b in enumerate(other, 1):
            current.append(
                min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (a != b))
            )
        previous = current
    return 1 - previous[-1] / max(len(one), len(other), 1)
