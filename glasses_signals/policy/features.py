"""What the classifier sees of a text besides its sentence embedding."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from glasses_signals.policy.lexicon import Findings, Grade
from glasses_signals.policy.phonetics import consonants
from glasses_signals.policy.policy import TOPICS

GRAM_BUCKETS = 1 << 14
# Per topic: a sure term, how long the sure terms are, likely terms, hints, misheard terms.
_PER_TOPIC = 5
LEXICON_WIDTH = len(TOPICS) * _PER_TOPIC + 3
_FIRST = {topic: place * _PER_TOPIC for place, topic in enumerate(TOPICS)}


def lexicon_features(findings: Findings, words: int) -> NDArray[np.float32]:
    """Float32 [LEXICON_WIDTH], each about 0..2: what the lexicon found in a text of `words`."""
    found = np.zeros(LEXICON_WIDTH, np.float32)
    for term in findings.terms:
        at = _FIRST[term.topic]
        if term.grade is Grade.SURE:
            found[at] = 1
            found[at + 1] = min(3, found[at + 1] + len(term.words) / 12)
        elif term.grade is Grade.LIKELY:
            found[at + 2] = min(1.5, found[at + 2] + 0.5)
        else:
            found[at + 3] = min(1, found[at + 3] + 0.25)
    for topic, like in findings.misheard.items():
        found[_FIRST[topic] + 4] = (like - 0.5) * 2
    found[-3] = min(findings.lookalikes, 2)
    found[-2] = any(found[at] for at in _FIRST.values())
    found[-1] = min(words, 40) / 20
    return found


def gram_buckets(words: Sequence[str]) -> NDArray[np.intp]:
    """The buckets of a text's word and letter n-grams, sorted, each once: intp [buckets].

    Letters are taken across word borders, so that a word cut in two keeps most of its n-grams.
    """
    buckets = {zlib.crc32(gram.encode()) % GRAM_BUCKETS for gram in _grams(words)}
    return np.array(sorted(buckets), np.intp)


def _grams(words: Sequence[str]) -> Iterator[str]:
    for length, mark in ((1, "w"), (2, "b"), (3, "t")):
        for start in range(len(words) - length + 1):
            yield f"{mark}:{' '.join(words[start : start + length])}"
    letters = f"^{''.join(words)}$"
    for length in (4, 5):
        for start in range(len(letters) - length + 1):
            yield letters[start : start + length]
    sounds = "".join(consonants(word) for word in words)
    for start in range(len(sounds) - 3):
        yield f"k:{sounds[start : start + 4]}"
