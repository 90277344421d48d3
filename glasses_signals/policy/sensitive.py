"""The sensitive gate: texts and taxonomy nodes that touch a topic which is never used."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from glasses_signals.policy.lexicon import Grade, Lexicon, words_of
from glasses_signals.policy.policy import DEFAULT_POLICY, Policy

NODES = DEFAULT_POLICY.parent / "sensitive_nodes.tsv"


@cache
def blocked_nodes() -> frozenset[str]:
    """Ids of the taxonomy nodes that are never emitted, from the reviewed list."""
    with NODES.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return frozenset(row["id"] for row in rows if row["decision"] == "block")


class SensitiveGate:
    """Says of each text which sensitive topic it touches. Picklable; keeps no text."""

    def __init__(self, policy: Policy) -> None:
        self._threshold = policy.text_threshold
        self._lexicon = Lexicon()

    def check(self, texts: Sequence[str], embeddings: NDArray[np.float32]) -> list[str | None]:
        """The topic that each text touches, one of `policy.TOPICS`, or None.

        `embeddings` are the texts' sentence embeddings, float32 [B, 384], L2-normalised.
        """
        return [self._topic(text) for text in texts]

    def _topic(self, text: str) -> str | None:
        found = self._lexicon.find(words_of(text))
        return next((term.topic for term in found if term.grade is Grade.SURE), None)
