"""The trained part of the sensitive gate: a small network over meaning, letters and terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glasses_signals.errors import BadPolicy
from glasses_signals.models.softmax import softmax
from glasses_signals.policy.features import GRAM_BUCKETS, LEXICON_WIDTH
from glasses_signals.policy.policy import DEFAULT_POLICY, TOPICS
from glasses_signals.text.rows import by_row

WEIGHTS = DEFAULT_POLICY.parent / "classifier.npz"

CLASSES = (*TOPICS, "none")
# The three inputs are brought to about the same spread before the first layer.
EMBEDDING_SCALE = 6.0
GRAM_SCALE = 4.0


@dataclass(frozen=True, slots=True)
class Network:
    """One hidden layer over [embedding 384, n-gram sum, lexicon features].

    `grams` float32 [GRAM_BUCKETS, G], `hidden` [384 + G + LEXICON_WIDTH, H], `hidden_bias` [H],
    `output` [H, 8], `output_bias` [8], in the order of CLASSES.
    """

    grams: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    output: NDArray[np.float32]
    output_bias: NDArray[np.float32]

    def probabilities(
        self,
        embeddings: NDArray[np.float32],
        buckets: Sequence[NDArray[np.intp]],
        lexicon: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Of B texts: float32 [B, 8], rows sum to 1."""
        summed = np.zeros((len(embeddings), self.grams.shape[1]), np.float32)
        for row, own in enumerate(buckets):
            summed[row] = self.grams[own].sum(0) * (GRAM_SCALE / np.sqrt(len(own) + 1))
        inputs = np.concatenate([embeddings * EMBEDDING_SCALE, summed, lexicon], axis=1)
        hidden = np.maximum(by_row(inputs, self.hidden) + self.hidden_bias, 0)
        return softmax(by_row(hidden, self.output) + self.output_bias)


def load_networks() -> tuple[Network, ...]:
    """The trained networks, to be averaged. BadPolicy when the file is unusable."""
    fields = ("grams", "hidden", "hidden_bias", "output", "output_bias")
    try:
        with np.load(WEIGHTS) as stored:
            count = int(stored["networks"])
            networks = tuple(
                Network(**{name: stored[f"{name}_{k}"].astype(np.float32) for name in fields})
                for k in range(count)
            )
    except (OSError, KeyError, ValueError) as error:
        raise BadPolicy(
            f"{WEIGHTS}: the sensitive classifier can't be read ({error}); reinstall the package"
        ) from error
    for network in networks:
        width = 384 + network.grams.shape[1] + LEXICON_WIDTH
        if len(network.grams) != GRAM_BUCKETS or len(network.hidden) != width:
            raise BadPolicy(f"{WEIGHTS}: is of another version; reinstall the package")
    return networks


def mean_probabilities(
    networks: Sequence[Network],
    embeddings: NDArray[np.float32],
    buckets: Sequence[NDArray[np.intp]],
    lexicon: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Of B texts: float32 [B, 8] in the order of CLASSES. A text's row depends on no other."""
    each = [network.probabilities(embeddings, buckets, lexicon) for network in networks]
    return np.asarray(np.mean(each, axis=0), np.float32)
