"""Trains the sensitive classifier and writes its weights: the same examples give the same file.

python -m glasses_signals.policy.training.train writes data/classifier.npz; benchmarks/restraint.py
--folds says how well such networks judge examples that they have not seen.
"""

from __future__ import annotations

import argparse
import hashlib
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]

from glasses_signals.models.softmax import softmax
from glasses_signals.policy.classifier import CLASSES, EMBEDDING_SCALE, GRAM_SCALE, WEIGHTS
from glasses_signals.policy.features import GRAM_BUCKETS, gram_buckets, lexicon_features
from glasses_signals.policy.lexicon import Lexicon, words_of
from glasses_signals.policy.training.examples import (
    Example,
    copies,
    ordinary_examples,
    written_examples,
)
from glasses_signals.text.encoder import EncoderSettings, TextEncoder

KEPT_TOGETHER = 4000  # embeddings
NETWORKS = 3
EPOCHS = 9
BATCH = 256
LEARNING_RATE = 1.5e-3
GRAM_WIDTH = 32
HIDDEN_WIDTH = 192
WEIGHT_DECAY = 2e-4
LABEL_SMOOTHING = 0.02
# Whole inputs are left out at random, so that the network learns to judge by meaning alone where
# the lexicon is silent, and by terms where the meaning is diluted.
DROP_GRAMS, DROP_LEXICON = 0.3, 0.4
DROP_EMBEDDING_UNITS, DROP_HIDDEN_UNITS = 0.1, 0.3

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Of N texts: `embeddings` float32 [N, 384], `grams` sparse [N, GRAM_BUCKETS], `lexicon`."""

    embeddings: Array
    grams: sparse.csr_matrix
    lexicon: Array

    def rows(self, chosen: NDArray[np.intp]) -> Inputs:
        return Inputs(self.embeddings[chosen], self.grams[chosen], self.lexicon[chosen])


def read_inputs(texts: Sequence[str], embeddings: Array) -> Inputs:
    """What the network sees of each text, as the gate makes it at run time."""
    lexicon, found, buckets, values = Lexicon(), [], [], []
    for text in texts:
        words = words_of(text)
        found.append(lexicon_features(lexicon.look(words), len(words)))
        buckets.append(gram_buckets(words))
        values.append(np.full(len(buckets[-1]), 1 / np.sqrt(len(buckets[-1]) + 1), np.float32))
    starts = np.cumsum([0, *(len(own) for own in buckets)])
    data = (np.concatenate(values), np.concatenate(buckets), starts)
    grams = sparse.csr_matrix(data, shape=(len(texts), GRAM_BUCKETS))
    return Inputs(embeddings, grams, np.stack(found))


def embed(texts: Sequence[str], kept: Path | None = None) -> Array:
    """Float32 [N, 384]: by chance that follows from the text, half in each precision in use.

    Machines differ in the precision of their encoder; the network must judge alike on all. Rows are
    read from and written to the .npz file `kept` on the way, so that a stopped run goes on.
    """
    rows: dict[bytes, Array] = {}
    if kept is not None and kept.exists():
        with np.load(kept) as stored:
            rows = dict(zip((bytes(key) for key in stored["keys"]), stored["rows"], strict=True))
    precisions = [("fp32", "int8")[zlib.crc32(f"precision {text}".encode()) % 2] for text in texts]
    keys = [_key(*both) for both in zip(texts, precisions, strict=True)]
    for precision in ("fp32", "int8"):
        encoder = TextEncoder(EncoderSettings(device="cpu", precision=precision))
        own = {k: t for k, t, p in zip(keys, texts, precisions, strict=True) if p == precision}
        todo = [(key, text) for key, text in own.items() if key not in rows]
        for start in range(0, len(todo), KEPT_TOGETHER):
            part = todo[start : start + KEPT_TOGETHER]
            vectors = encoder([text for _, text in part])
            rows.update((key, vector) for (key, _), vector in zip(part, vectors, strict=True))
            if kept is not None:
                stored_keys = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
                np.savez(kept, keys=stored_keys, rows=np.stack(list(rows.values())))
    return np.stack([rows[key] for key in keys])


def _key(text: str, precision: str) -> bytes:
    return hashlib.blake2b(f"{precision} {text}".encode(), digest_size=16).digest()


def train(inputs: Inputs, classes: NDArray[np.intp], weights: Array, seed: int) -> dict[str, Array]:
    """One network by Adam (Kingma and Ba 2015) on weighted cross-entropy; its arrays by name.

    `classes` intp [N], `weights` float32 [N].
    """
    rng = np.random.default_rng(seed)
    network = _fresh(inputs, rng)
    first = {name: np.zeros_like(array) for name, array in network.items()}
    second = {name: np.zeros_like(array) for name, array in network.items()}
    steps, step = EPOCHS * -(-len(classes) // BATCH), 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(classes))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            step += 1
            rate = LEARNING_RATE * (1 - 0.95 * step / steps)
            rows = inputs.rows(chosen)
            for name, slope in _slopes(
                network, rows, classes[chosen], weights[chosen], rng
            ).items():
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.001 * (slope * slope - second[name])
                mean = first[name] / (1 - 0.9**step)
                spread = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
                network[name] -= np.asarray(rate * mean / spread, np.float32)
    return network


def probabilities(networks: Sequence[dict[str, Array]], inputs: Inputs) -> Array:
    """Float32 [N, 8]: the mean over the networks."""
    each = []
    for network in networks:
        joined = _joined(network, inputs)
        hidden = np.maximum(joined @ network["hidden"] + network["hidden_bias"], 0)
        each.append(softmax(hidden @ network["output"] + network["output_bias"]))
    return np.asarray(np.mean(each, axis=0), np.float32)


def _fresh(inputs: Inputs, rng: np.random.Generator) -> dict[str, Array]:
    def spread(rows: int, columns: int, scale: float) -> Array:
        return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)

    width = inputs.embeddings.shape[1] + GRAM_WIDTH + inputs.lexicon.shape[1]
    return {
        "grams": spread(GRAM_BUCKETS, GRAM_WIDTH, 0.05),
        "hidden": spread(width, HIDDEN_WIDTH, float(np.sqrt(1.5 / width))),
        "hidden_bias": np.zeros(HIDDEN_WIDTH, np.float32),
        "output": spread(HIDDEN_WIDTH, len(CLASSES), float(np.sqrt(1.5 / HIDDEN_WIDTH))),
        "output_bias": np.zeros(len(CLASSES), np.float32),
    }


def _joined(network: dict[str, Array], inputs: Inputs) -> Array:
    summed = inputs.grams @ network["grams"]
    parts = [inputs.embeddings * EMBEDDING_SCALE, summed * GRAM_SCALE, inputs.lexicon]
    return np.concatenate(parts, axis=1)


def _kept(inputs: Inputs, rng: np.random.Generator) -> Array:
    """Float32 [N, width] of what this step sees of each input."""
    count, width = inputs.embeddings.shape
    units = (rng.random((count, width)) > DROP_EMBEDDING_UNITS) / (1 - DROP_EMBEDDING_UNITS)
    grams = np.repeat(rng.random((count, 1)) > DROP_GRAMS, GRAM_WIDTH, axis=1)
    terms = np.repeat(rng.random((count, 1)) > DROP_LEXICON, inputs.lexicon.shape[1], axis=1)
    return np.concatenate([units, grams, terms], axis=1).astype(np.float32)


def _slopes(
    network: dict[str, Array],
    inputs: Inputs,
    classes: NDArray[np.intp],
    weights: Array,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """The loss's slope by each array of the network, over one batch."""
    count = len(classes)
    kept = _kept(inputs, rng)
    joined = _joined(network, inputs) * kept
    before = joined @ network["hidden"] + network["hidden_bias"]
    alive = (rng.random(before.shape) > DROP_HIDDEN_UNITS) / np.float32(1 - DROP_HIDDEN_UNITS)
    hidden = np.maximum(before, 0) * alive
    guess = softmax(hidden @ network["output"] + network["output_bias"])
    target = np.full_like(guess, LABEL_SMOOTHING / len(CLASSES))
    target[np.arange(count), classes] += 1 - LABEL_SMOOTHING
    error = (guess - target) * (weights[:, None] / count)
    inner = (error @ network["output"].T) * alive * (before > 0)
    start = inputs.embeddings.shape[1]
    back = (inner @ network["hidden"].T) * kept
    return {
        "grams": inputs.grams.T @ (back[:, start : start + GRAM_WIDTH] * GRAM_SCALE),
        "hidden": joined.T @ inner + WEIGHT_DECAY * network["hidden"],
        "hidden_bias": inner.sum(0),
        "output": hidden.T @ error + WEIGHT_DECAY * network["output"],
        "output_bias": error.sum(0),
    }


def write_weights(networks: Sequence[dict[str, Array]]) -> None:
    """Write the networks as half floats: a tenth of a percent on a probability at most."""
    stored = {"networks": np.array(len(networks))}
    for number, network in enumerate(networks):
        for name, array in network.items():
            stored[f"{name}_{number}"] = array.astype(np.float16)
    np.savez_compressed(WEIGHTS, **stored)  # type: ignore[arg-type]


def fold_errors(
    threshold: float, kept: Path | None = None
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """By topic and style, bool [examples]: is it judged wrongly by the other four fifths' network?

    A text and all copies made from it are in one fifth. Whole texts only, one network.
    """
    examples, inputs, classes, weights = read_examples(kept)
    fold = np.array([zlib.crc32(example.source.encode()) % 5 for example in examples])
    stopped = np.zeros(len(examples), bool)
    for number in range(5):
        learn, judge = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        network = train(inputs.rows(learn), classes[learn], weights[learn], seed=number)
        stopped[judge] = 1 - probabilities([network], inputs.rows(judge))[:, -1] >= threshold
    groups: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for example, stop in zip(examples, stopped, strict=True):
        groups[example.topic, example.style].append(bool(stop) == (example.topic == "none"))
    return {group: np.array(wrong) for group, wrong in sorted(groups.items())}


def read_examples(
    kept: Path | None,
) -> tuple[list[Example], Inputs, NDArray[np.intp], Array]:
    """All N examples and copies; their inputs, classes (intp [N]) and weights (float32 [N])."""
    lexicon = Lexicon()
    written, ordinary = written_examples(), ordinary_examples(lexicon)
    examples = [*written, *ordinary, *copies(written, ordinary, lexicon)]
    texts = [example.text for example in examples]
    classes = np.array([CLASSES.index(example.topic) for example in examples])
    weights = np.array([example.weight for example in examples], np.float32)
    return examples, read_inputs(texts, embed(texts, kept)), classes, weights


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embeddings", type=Path, help="an .npz file to keep and reuse them in")
    _, inputs, classes, weights = read_examples(parser.parse_args().embeddings)
    write_weights([train(inputs, classes, weights, seed) for seed in range(NETWORKS)])


if __name__ == "__main__":
    main()
