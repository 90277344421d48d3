"""Count how requests are worded, for the recogniser, from the written example sentences.

    python benchmarks/train_wording.py [--out FILE] [--least 2e-5]

Reads the example sentences of `interests/data/examples` and `policy/data/examples`, the sensitive
ones too: what is sensitive must be heard as well as what is not. Evaluation texts are never read
here, nor what recognisers got wrong (`heard.tsv`, `gate_asr*.tsv`).

Word trigrams with interpolated Kneser-Ney smoothing (Chen and Goodman, "An empirical study of
smoothing techniques for language modeling", 1999), written down as a back-off model without the
n-grams whose loss changes the model's likelihood by less than `--least` (Stolcke, "Entropy-based
pruning of backoff language models", 1998).
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glasses_signals.interests.taxonomy import DATA
from glasses_signals.policy.policy import DEFAULT_POLICY
from glasses_signals.speech.wording import END, FIRST, START, STEPS, UNKNOWN, WORDING_FILE, words_of
from glasses_signals.tsv import read_tsv

ORDER = 3
DISCOUNT = 0.75
LEAST_COUNT = 2  # of a word that is known
LEAST = 2e-5
Gram = tuple[str, ...]


def sentences() -> list[str]:
    """Every written English sentence once."""
    folders = (Path(str(DATA / "examples")), DEFAULT_POLICY.parent / "examples")
    texts: dict[str, None] = {}
    for place in (file for folder in folders for file in sorted(folder.glob("*.tsv"))):
        if place.name == "heard.tsv" or "_asr" in place.name:
            continue
        for row in read_tsv(place):
            if row.get("style") != "foreign" and row.get("register") != "caption":
                texts.setdefault(row["text"])
    return list(texts)


class Counts:
    """Interpolated Kneser-Ney probabilities of all n-grams seen, up to ORDER words."""

    def __init__(self, texts: Iterable[str]) -> None:
        spoken = [words_of(text) for text in texts]
        seen = Counter(word for words in spoken for word in words)
        self.known = {word for word, count in seen.items() if count >= LEAST_COUNT}
        self.grams: list[Counter[Gram]] = [Counter() for _ in range(ORDER)]
        for words in spoken:
            line = [START] * (ORDER - 1)
            line += [word if word in self.known else UNKNOWN for word in words] + [END]
            for end in range(ORDER, len(line) + 1):
                self.grams[-1][tuple(line[end - ORDER : end])] += 1
        for shorter, longer in zip(self.grams[-2::-1], self.grams[:0:-1], strict=True):
            shorter.update(gram[1:] for gram in longer)  # of how many longer ones it is the end
        self._after = [Counter[Gram]() for _ in self.grams]
        self._kinds = [Counter[Gram]() for _ in self.grams]
        for order, grams in enumerate(self.grams):
            for gram, count in grams.items():
                self._after[order][gram[:-1]] += count
                self._kinds[order][gram[:-1]] += 1
        self._cache: dict[Gram, float] = {}

    def probability(self, gram: Gram) -> float:
        """Of the last word after the ones before it."""
        if gram not in self._cache:
            self._cache[gram] = self._probability(gram)
        return self._cache[gram]

    def _probability(self, gram: Gram) -> float:
        order, before = len(gram) - 1, gram[:-1]
        shorter = self.probability(gram[1:]) if order else 1 / len(self.grams[0])
        total = self._after[order][before]
        if not total:
            return shorter
        left = DISCOUNT * self._kinds[order][before]
        return (max(self.grams[order][gram] - DISCOUNT, 0) + left * shorter) / total


def pruned(counts: Counts, least: float) -> list[dict[Gram, float]]:
    """The n-grams worth keeping with their probabilities, by order, shortest first."""
    kept = [{gram: counts.probability(gram) for gram in grams} for grams in counts.grams]
    lines = sum(counts.grams[-1].values())
    for order in range(ORDER - 1, 0, -1):
        of_use = {gram[:-1] for gram in kept[order + 1]} if order + 1 < ORDER else set()
        kept[order] = {
            gram: probability
            for gram, probability in kept[order].items()
            if gram in of_use
            or counts.grams[order][gram]
            / lines
            * abs(math.log(probability / counts.probability(gram[1:])))
            >= least
        }
    return kept


def backed_off(longer: Mapping[Gram, float], shorter: Callable[[Gram], float]) -> dict[Gram, float]:
    """For each beginning of `longer`: what a word not listed after it has its probability without
    the first word multiplied with, so that all words together have a probability of one."""
    after: defaultdict[Gram, list[Gram]] = defaultdict(list)
    for gram in longer:
        after[gram[:-1]].append(gram)
    weights = {}
    for before, grams in after.items():
        left = 1 - sum(longer[gram] for gram in grams)
        free = 1 - sum(shorter(gram[1:]) for gram in grams)
        weights[before] = max(left, 1e-3) / max(free, 1e-3)
    return weights


def save(out: Path, counts: Counts, least: float) -> None:
    one, two, three = pruned(counts, least)
    after_one = backed_off(two, lambda gram: one[gram])

    def of_two(gram: Gram) -> float:
        return two[gram] if gram in two else after_one.get(gram[:1], 1.0) * one[gram[1:]]

    after_two = backed_off(three, of_two)
    words = sorted(word for (word,) in one if word not in FIRST)
    ids = {word: id_ for id_, word in enumerate((*FIRST, *words))}
    arrays: dict[str, NDArray[np.generic]] = {
        "words": np.frombuffer("\n".join(words).encode(), np.uint8),
        "p1": _probabilities([one.get((word,), 1e-7) for word in ids]),
        "b1": _weights([after_one.get((word,), 1.0) for word in ids]),
    }
    for name, grams, stored in (
        ("p2", two, _probabilities),
        ("p3", three, _probabilities),
        ("b2", after_two, _weights),
    ):
        keyed = sorted((_key(gram, ids), value) for gram, value in grams.items())
        arrays[f"{name}_keys"] = np.diff([key for key, _ in keyed], prepend=0)
        arrays[name] = stored([value for _, value in keyed])
    out.parent.mkdir(exist_ok=True)
    np.savez_compressed(out, allow_pickle=False, **arrays)
    print(f"{len(words)} words, {len(two)} pairs, {len(three)} triples, {out.stat().st_size} bytes")


def _key(gram: Gram, ids: Mapping[str, int]) -> int:
    key = 0
    for word in gram:
        key = key * len(ids) + ids[word]
    return key


def _probabilities(values: Sequence[float]) -> NDArray[np.uint8]:
    return np.clip(np.rint(-np.log(values) * STEPS), 0, 255).astype(np.uint8)


def _weights(values: Sequence[float]) -> NDArray[np.int8]:
    return np.clip(np.rint(-np.log(values) * STEPS), -128, 127).astype(np.int8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=WORDING_FILE)
    parser.add_argument("--least", type=float, default=LEAST)
    options = parser.parse_args()
    save(options.out, Counts(sentences()), options.least)


if __name__ == "__main__":
    main()
