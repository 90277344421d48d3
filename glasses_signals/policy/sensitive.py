"""The sensitive gate: texts and taxonomy nodes that touch a topic which is never used."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.policy.classifier import CLASSES, load_networks, mean_probabilities
from glasses_signals.policy.features import LEXICON_WIDTH, gram_buckets, lexicon_features
from glasses_signals.policy.lexicon import Grade, Lexicon, words_of
from glasses_signals.policy.policy import DEFAULT_POLICY, TOPICS, Policy
from glasses_signals.tsv import read_tsv

NODES = DEFAULT_POLICY.parent / "sensitive_nodes.tsv"

Encode = Callable[[Sequence[str]], NDArray[np.float32]]

# What share of the texts is sensitive: of those that the classifier learned from, by weight, and
# cautiously of those in use. Probabilities are corrected for it after Saerens, Latinne and
# Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities", 2002.
_SHARE_LEARNED = 0.19
_SHARE_IN_USE = 0.08

_MIN_CLAUSE_WORDS = 3
# Out of its sentence a clause is less clear: it must come nearer to certainty by this than a whole
# text. "two children in Orlando for July 1st" is nobody's health.
_CLAUSE_DOUBT = 2 / 3
_CLAUSE_BORDER = re.compile(
    r"[,.;:?!]+\s*|\s+(?:and|so|because|but|since|then|also|plus|while|though)\s+"
)


def clauses_of(text: str) -> list[str]:
    """The parts of a text that can be judged alone; none when it has only one."""
    parts = [part.strip() for part in _CLAUSE_BORDER.split(text)]
    parts = [part for part in parts if len(part.split()) >= _MIN_CLAUSE_WORDS]
    return parts if len(parts) > 1 else []


def _in_use(harmless: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities that texts are harmless, as learned, for the share that is sensitive in use."""
    kept = harmless * ((1 - _SHARE_IN_USE) / (1 - _SHARE_LEARNED))
    return np.asarray(kept / (kept + (1 - harmless) * (_SHARE_IN_USE / _SHARE_LEARNED)), np.float64)


@functools.cache
def blocked_nodes() -> frozenset[str]:
    """Ids of the taxonomy nodes that are never emitted, from the reviewed list."""
    return frozenset(row["id"] for row in read_tsv(NODES) if row["decision"] == "block")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the gate says of a text: the `topic` that stops it, one of `policy.TOPICS`, or None.

    `harmless` is the probability, 0..1, that the text as a whole touches none: a text may pass and
    be doubtful.
    """

    topic: str | None
    harmless: float


class SensitiveGate:
    """Says of each text which sensitive topic it touches. Picklable; keeps no text.

    A text is stopped when the classifier's probability that it touches any topic reaches the
    policy's `text_threshold`, or, when the lexicon finds a term that names one, its lower
    `named_threshold`. Texts in a language that it can't read must be stopped before.
    """

    def __init__(self, policy: Policy) -> None:
        """Load lexicon and classifier from the package; BadPolicy when one is damaged."""
        self._text_threshold = policy.text_threshold
        self._named_threshold = policy.named_threshold
        self._lexicon = Lexicon()
        self._networks = load_networks()

    def read(
        self,
        texts: Sequence[str],
        embeddings: NDArray[np.float32],
        encode: Encode | None = None,
    ) -> list[Reading]:
        """Which texts are stopped, and how harmless each is.

        `embeddings` are the texts' sentence embeddings, float32 [B, 384], L2-normalised. With
        `encode`, which makes such embeddings, the clauses of the texts that passed are judged as
        well: half a sentence about something else dilutes what the other half says. What a text
        gets doesn't depend on the others.
        """
        if not texts:
            return []
        whole = self.probabilities(texts, embeddings)
        topics = [
            self._topic(probabilities, self._named_threshold if named else self._text_threshold)
            for probabilities, named in zip(*whole, strict=True)
        ]
        if encode is not None:
            parts = [
                (place, clause)
                for place, topic in enumerate(topics)
                if topic is None
                for clause in clauses_of(texts[place])
            ]
            clauses = [clause for _, clause in parts]
            # A name was judged in its context above: "Judas Priest" is none out of it.
            judged, _ = self.probabilities(clauses, encode(clauses)) if parts else ((), ())
            threshold = 1 - (1 - self._text_threshold) * _CLAUSE_DOUBT
            for (place, _), probabilities in zip(parts, judged, strict=True):
                topics[place] = topics[place] or self._topic(probabilities, threshold)
        harmless = _in_use(whole[0][:, -1])
        return [Reading(topic, float(p)) for topic, p in zip(topics, harmless, strict=True)]

    @staticmethod
    def _topic(probabilities: NDArray[np.float32], threshold: float) -> str | None:
        if 1 - probabilities[-1] < threshold:
            return None
        return CLASSES[int(probabilities[: len(TOPICS)].argmax())]

    def probabilities(
        self, texts: Sequence[str], embeddings: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Of whole texts [B]: float32 [B, 8] in the order of CLASSES, and bool [B]: names a topic.

        `embeddings` as for `read`.
        """
        worded = [words_of(text) for text in texts]
        found = [self._lexicon.look(words) for words in worded]
        features = [lexicon_features(f, len(w)) for f, w in zip(found, worded, strict=True)]
        probabilities = mean_probabilities(
            self._networks,
            embeddings,
            [gram_buckets(words) for words in worded],
            np.array(features, np.float32).reshape(len(texts), LEXICON_WIDTH),
        )
        named = [any(term.grade is Grade.SURE for term in f.terms) for f in found]
        return probabilities, np.array(named, bool)
