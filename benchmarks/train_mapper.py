"""Train the linear heads of the text mapper on the example sentences, and say how good they are.

    python benchmarks/train_mapper.py [--folds 5] [--out glasses_signals/interests/data]

Reads `interests/data/examples/*.tsv` and, as sentences without an interest, the sensitive ones of
`policy/data/examples/*.tsv`; encodes them with the built sentence encoder; fits; calibrates on
sentences held out; writes `text_heads.npz`. Evaluation texts are never read here. The same inputs
give the same file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from glasses_signals.interests.taxonomy import DATA, load_taxonomy, read_table
from glasses_signals.interests.text_mapper import (
    HEADS_FILE,
    INTEREST_ROOT,
    NOTHING,
    PURCHASE_ROOT,
    Head,
    Tree,
    buying_signs,
)
from glasses_signals.policy.policy import DEFAULT_POLICY
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import InterestKind

SENSITIVE = f"{NOTHING}:sensitive"
TEMPLATED = "assistant.tsv"  # its sentences are too alike to hold some out for calibration
STRENGTH = 20.0  # inverse regularisation of the softmax over unit vectors (scikit-learn's C)
ITERATIONS = 150
SEED = 0
Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Examples:
    """Sentences and what each stands for. `purchases`: the node wanted, or "" for none."""

    texts: tuple[str, ...]
    interests: NDArray[np.str_]
    purchases: NDArray[np.str_]
    held_out: NDArray[np.bool_]  # may be held out for calibration


def load_examples() -> Examples:
    """Every shipped sentence once; the first line wins where two have the same text."""
    taxonomy, blocked = load_taxonomy(), blocked_nodes()
    lines: dict[str, tuple[str, str, bool]] = {}
    for place in sorted(Path(str(DATA / "examples")).glob("*.tsv")):
        for row in read_table(place):
            id_ = row["node_id"]
            wanted = id_ in taxonomy and taxonomy.node(id_).kind is InterestKind.PURCHASE_INTENT
            interest = NOTHING if id_ == NOTHING else taxonomy.nearest_interest(id_).id
            if interest in blocked or id_ in blocked or interest == INTEREST_ROOT:
                interest = SENSITIVE
            line = interest, id_ if wanted else "", place.name != TEMPLATED
            lines.setdefault(row["text"], line)
    for place in sorted((DEFAULT_POLICY.parent / "examples").glob("*.tsv")):
        for row in read_table(place):
            if row["topic"] != NOTHING:
                lines.setdefault(row["text"], (SENSITIVE, "", True))
    columns = list(zip(*lines.values(), strict=True))
    return Examples(tuple(lines), np.array(columns[0]), np.array(columns[1]), np.array(columns[2]))


def fit(inputs: Float, labels: NDArray[np.str_], strength: float = STRENGTH) -> Head:
    """A softmax head, [B, D] and [B] -> Head; weights kept in half precision as they are stored."""
    found = LogisticRegression(C=strength, max_iter=ITERATIONS, tol=1e-3).fit(inputs, labels)
    weight, bias = found.coef_.T, found.intercept_
    if len(found.classes_) == 2:  # scikit-learn keeps one column for two classes
        weight, bias = np.hstack([0 * weight, weight]), np.append(0 * bias, bias)
    return Head(
        tuple(str(class_) for class_ in found.classes_),
        weight.astype(np.float16).astype(np.float32),
        bias.astype(np.float32),
    )


def fit_all(examples: Examples, vectors: Float, chosen: NDArray[np.bool_]) -> dict[str, Head]:
    """The three heads, from the chosen sentences."""
    wanted = examples.purchases != ""
    signs = np.concatenate([vectors, buying_signs(examples.texts)], axis=1)
    return {
        "interest": fit(vectors[chosen], examples.interests[chosen]),
        "purchase": fit(vectors[chosen & wanted], examples.purchases[chosen & wanted]),
        "buys": fit(signs[chosen], np.where(wanted, "yes", "no")[chosen], strength=4.0),
    }


def judge(
    heads: dict[str, Head], examples: Examples, vectors: Float, rows: NDArray[np.int_]
) -> dict[str, list[tuple[float, bool]]]:
    """(probability said, was it right) of every decision the mapper could take on `rows`."""
    taxonomy = load_taxonomy()
    interests = Tree(taxonomy, heads["interest"].classes, INTEREST_ROOT)
    purchases = Tree(taxonomy, heads["purchase"].classes, PURCHASE_ROOT)
    signs = buying_signs([examples.texts[row] for row in rows])
    said = interests.mass(heads["interest"](vectors[rows]))
    what = purchases.mass(heads["purchase"](vectors[rows]))
    buys = heads["buys"](np.concatenate([vectors[rows], signs], axis=1))[:, 1]
    judged: dict[str, list[tuple[float, bool]]] = {"tier2": [], "deeper": [], "purchase": []}
    for place, row in enumerate(rows):
        true = _line(str(examples.interests[row]))
        for depth, (id_, probability) in enumerate(interests.way_down(said[place])):
            judged["deeper" if depth else "tier2"].append((probability, id_ in true))
            if id_ not in true:
                break
        true = _line(str(examples.purchases[row]))
        for id_, probability in purchases.way_down(what[place]):
            judged["purchase"].append((float(buys[place]) * probability, id_ in true))
            if id_ not in true:
                break
    return judged


def _line(id_: str) -> set[str]:
    taxonomy = load_taxonomy()
    if id_ not in taxonomy:
        return set()
    return {id_, *(node.id for node in taxonomy.ancestors(id_))}


def calibration(judged: Sequence[tuple[float, bool]]) -> Float:
    """float32 [2, K]: said probabilities and what they are worth, increasing (isotonic regression:
    Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002)."""
    said, right = np.array([p for p, _ in judged]), np.array([r for _, r in judged], float)
    found = IsotonicRegression(y_min=0.0, y_max=0.995, out_of_bounds="clip").fit(said, right)
    knots = np.linspace(0, 1, 101)
    return np.stack([knots, found.predict(knots)]).astype(np.float32)


def held_out(examples: Examples, vectors: Float, folds: int) -> dict[str, list[tuple[float, bool]]]:
    """The decisions on sentences that the heads judging them were not trained on."""
    together: dict[str, list[tuple[float, bool]]] = {}
    groups = [examples.interests[row].split(":")[0] for row in range(len(examples.texts))]
    split = StratifiedKFold(folds, shuffle=True, random_state=SEED).split(vectors, groups)
    for kept, left in split:
        chosen = np.zeros(len(examples.texts), bool)
        chosen[kept] = True
        heads = fit_all(examples, vectors, chosen)
        rows = left[examples.held_out[left]]
        for name, judged in judge(heads, examples, vectors, rows).items():
            together.setdefault(name, []).extend(judged)
    return together


def save(out: Path, heads: dict[str, Head], calibrations: dict[str, Float]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, head in heads.items():
        arrays[f"{name}_classes"] = np.array(head.classes)
        arrays[f"{name}_weight"] = head.weight.astype(np.float16)
        arrays[f"{name}_bias"] = head.bias
    for name, knots in calibrations.items():
        arrays[f"{name}_calibration"] = knots
    with (out / HEADS_FILE).open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(sorted(arrays.items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(str(DATA)))
    options = parser.parse_args()
    from glasses_signals.text.encoder import TextEncoder

    examples = load_examples()
    vectors = TextEncoder()(examples.texts)
    judged = held_out(examples, vectors, options.folds)
    for name, decisions in judged.items():
        right = sum(right for _, right in decisions) / len(decisions)
        print(f"{name}: {right:.1%} of {len(decisions)} held-out decisions right")
    heads = fit_all(examples, vectors, np.ones(len(examples.texts), bool))
    save(options.out, heads, {name: calibration(judged[name]) for name in sorted(judged)})


if __name__ == "__main__":
    main()
