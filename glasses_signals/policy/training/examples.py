"""The written examples, and copies made from them: mixed, misheard, and terms in carriers."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from glasses_signals.policy.lexicon import Grade, Lexicon, words_of
from glasses_signals.policy.policy import DEFAULT_POLICY
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.policy.training.mishear import Mishearing
from glasses_signals.tsv import read_tsv

WRITTEN = DEFAULT_POLICY.parent / "examples"
ORDINARY = DEFAULT_POLICY.parents[2] / "interests" / "data" / "examples"

# How much an example counts, by where it comes from. Copies are noisy and many; terms in carriers
# only teach what kind of thing a name is.
WEIGHTS = {
    "interest": 1.6,
    "lookalike": 1.3,
    "ordinary": 3.0,
    "mixed copy": 0.8,
    "misheard copy": 0.7,
    "harmless mixed copy": 1.0,
    "harmless misheard copy": 0.8,
    "term": 0.35,
    "misheard term": 0.35,
}
_WRITTEN_WEIGHT = 1.3

_JOINS = (
    "{a} and {b}",
    "{a}, {b}",
    "{a}. {b}",
    "{b}, {a}",
    "{a} so {b}",
    "{a} and then {b}",
    "{b} because {a}",
    "{a}, also {b}",
    "hey {a} {b}",
    "{b} and {a}",
    "{a} by the way {b}",
)
_CARRIERS = (
    "tell me about {x}",
    "what is {x}",
    "find {x} near me",
    "when is {x} this year",
    "{x}",
    "play something about {x}",
    "who is {x}",
    "remind me about {x}",
    "read me the news on {x}",
    "i love {x}",
    "my brother is into {x}",
    "how do i get to {x}",
    "book a table near {x} for four",
    "what does {x} say about this",
    "is {x} open today",
    "look up {x} for my mum",
    "buy a book on {x}",
    "any tickets for {x} left",
)
_MIXED_ORDINARY = 2000
_MISHEARD_ORDINARY = 900
_TERMS = 2600
_ORDINARY = 24_000


@dataclass(frozen=True, slots=True)
class Example:
    """`source` is the written text that it was made from: copies stay in their source's fold."""

    text: str
    topic: str  # one of CLASSES
    style: str
    source: str

    @property
    def weight(self) -> float:
        return WEIGHTS.get(self.style, _WRITTEN_WEIGHT)


def written_examples() -> list[Example]:
    """All examples written for the gate, each text once for each topic."""
    found: dict[tuple[str, str], Example] = {}
    for place in sorted(WRITTEN.glob("*.tsv")):
        for row in read_tsv(place):
            text, topic = row["text"].strip(), row["topic"]
            if text:
                found.setdefault((text, topic), Example(text, topic, row["style"], text))
    return list(found.values())


def ordinary_examples(lexicon: Lexicon) -> list[Example]:
    """Some sentences written for the interests; none that a blocked node or a sure term claims."""
    blocked = blocked_nodes()
    found: dict[str, Example] = {}
    for place in sorted(ORDINARY.glob("*.tsv")):
        for row in read_tsv(place):
            text = (row["text"] or "").strip()
            if text and row["node_id"] not in blocked and not _has_sure_term(lexicon, text):
                found.setdefault(text, Example(text, "none", "interest", text))
    some = sorted(found.values(), key=lambda example: zlib.crc32(example.text.encode()))
    return some[:_ORDINARY]


def copies(written: list[Example], ordinary: list[Example], lexicon: Lexicon) -> list[Example]:
    """Mixed and misheard copies. Each depends on its own text and the ordinary ones only."""
    harmless = [example.text for example in ordinary]
    hearing = Mishearing(harmless)
    made = []
    for example in written:
        sensitive = example.topic != "none"
        rng = random.Random(zlib.crc32(example.text.encode()))
        mark = "" if sensitive else "harmless "
        if sensitive or rng.random() < 0.5:
            text = _joined(example.text, rng.choice(harmless), rng)
            made.append(Example(text, example.topic, f"{mark}mixed copy", example.source))
        tries = (1 + (example.style in ("entity", "asr", "direct"))) if sensitive else 1
        for _ in range(tries):
            if rng.random() < (0.75 if sensitive else 0.25):
                misheard = hearing.mishear(example.text, rng)
                if misheard:
                    style = f"{mark}misheard copy"
                    made.append(Example(misheard, example.topic, style, example.source))
    made.extend(_ordinary_copies(harmless, hearing))
    made.extend(_terms(lexicon, hearing))
    return made


def _ordinary_copies(harmless: list[str], hearing: Mishearing) -> Iterator[Example]:
    for number in range(_MIXED_ORDINARY):
        rng = random.Random(number)
        one, other = rng.choice(harmless), rng.choice(harmless)
        yield Example(_joined(one, other, rng), "none", "harmless mixed copy", one)
    for number in range(_MISHEARD_ORDINARY):
        rng = random.Random(number)
        text = rng.choice(harmless)
        if misheard := hearing.mishear(text, rng):
            yield Example(misheard, "none", "harmless misheard copy", text)


def _terms(lexicon: Lexicon, hearing: Mishearing) -> Iterator[Example]:
    terms = sorted({(t.words, t.topic) for t in lexicon.terms if t.grade is Grade.SURE})
    random.Random(0).shuffle(terms)
    for words, topic in terms[:_TERMS]:
        carrier = _CARRIERS[zlib.crc32(words.encode()) % len(_CARRIERS)]
        text = carrier.format(x=words)
        yield Example(text, topic, "term", words)
        if misheard := hearing.mishear(text, random.Random(zlib.crc32(text.encode()))):
            yield Example(misheard, topic, "misheard term", words)


def _joined(one: str, other: str, rng: random.Random) -> str:
    return rng.choice(_JOINS).format(a=one.rstrip(".?! "), b=other.rstrip(".?! "))


def _has_sure_term(lexicon: Lexicon, text: str) -> bool:
    return any(term.grade is Grade.SURE for term in lexicon.look(words_of(text)).terms)
