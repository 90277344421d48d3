"""Train the heads of the text mapper on the example sentences, and say how good they are.

    python benchmarks/train_mapper.py [--folds 5] [--out glasses_signals/interests/data]

Reads `interests/data/examples/*.tsv` and, as sentences without an interest, the sensitive ones of
`policy/data/examples/*.tsv`; encodes them with the built sentence encoder; says how many held-out
sentences come out right; fits on all; writes `text_heads.npz`. Evaluation texts are never read
here. The same inputs give the same file on the same machine.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from torch.nn import functional

from glasses_signals.interests.taxonomy import DATA, load_taxonomy, read_table
from glasses_signals.interests.text_mapper import (
    BUYS,
    HEADS_FILE,
    INTEREST_ROOT,
    NOTHING,
    PURCHASE_ROOT,
    Head,
    Network,
    Tree,
    buying_signs,
)
from glasses_signals.policy.policy import DEFAULT_POLICY
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.records import InterestKind

SENSITIVE = f"{NOTHING}:sensitive"
TEMPLATED = "assistant.tsv"  # its sentences are too alike to hold some out for calibration
# Food said with a diet is still food: of a blocked diet only its parent is learnt.
DIETS = {"374": "368", "375": "368", "378": "368", "379": "368"}
NETWORKS = 2
HIDDEN = 512
EPOCHS = 15
BATCH = 128
LEARNING_RATE = 2e-3
DROPOUT = 0.3
SCALE = 8.0  # unit vectors have entries near 1/20, too small for the usual start of weights
PLATT_SLOPE, PLATT_OFFSET = 1.4, 0.9
MOST = 0.995
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
            interest = DIETS.get(interest, interest)
            if interest in blocked or (wanted and id_ in blocked) or interest == INTEREST_ROOT:
                interest = SENSITIVE
            line = interest, id_ if wanted else "", place.name != TEMPLATED
            lines.setdefault(row["text"], line)
    for place in sorted((DEFAULT_POLICY.parent / "examples").glob("*.tsv")):
        for row in read_table(place):
            if row["topic"] != NOTHING:
                lines.setdefault(row["text"], (SENSITIVE, "", True))
    columns = list(zip(*lines.values(), strict=True))
    return Examples(tuple(lines), np.array(columns[0]), np.array(columns[1]), np.array(columns[2]))


def fit(inputs: Float, labels: NDArray[np.str_], networks: int) -> Head:
    """[B, D] and [B] -> Head. The loss is the cross-entropy of the class plus that of its tier 2,
    so that a mistake between siblings costs less than one between topics."""
    classes = sorted(set(labels.tolist()))
    groups = sorted({_group(class_) for class_ in classes})
    together = torch.zeros(len(classes), len(groups))
    for row, class_ in enumerate(classes):
        together[row, groups.index(_group(class_))] = 1
    true = torch.tensor([classes.index(label) for label in labels.tolist()])
    trained = [_train(inputs, true, together, SEED + index) for index in range(networks)]
    return Head(tuple(classes), tuple(trained))


def _train(inputs: Float, true: torch.Tensor, together: torch.Tensor, seed: int) -> Network:
    torch.manual_seed(seed)
    width, classes = inputs.shape[1], len(together)
    hidden, out = torch.nn.Linear(width, HIDDEN), torch.nn.Linear(HIDDEN, classes)
    direct = torch.nn.Linear(width, classes)
    parameters = [*hidden.parameters(), *out.parameters(), *direct.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.02)
    scaled, of_group = torch.tensor(inputs) * SCALE, together.argmax(1)[true]
    steps, step = EPOCHS * -(-len(inputs) // BATCH), 0
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs)).split(BATCH):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
            x = functional.dropout(scaled[rows], DROPOUT)
            units = functional.gelu(hidden(x), approximate="tanh")
            said = (out(functional.dropout(units, DROPOUT)) + direct(x)).log_softmax(-1)
            grouped = (said.exp() @ together).clamp_min(1e-9).log()
            loss = 0.5 * functional.nll_loss(said, true[rows])
            loss = loss + functional.nll_loss(grouped, of_group[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return Network(
        _stored(hidden.weight.T * SCALE),
        _stored(hidden.bias),
        _stored(out.weight.T),
        _stored(direct.weight.T * SCALE),
        _stored(out.bias + direct.bias),
    )


def _stored(values: torch.Tensor) -> Float:
    """In the precision that weights are shipped in."""
    return np.asarray(values.detach().numpy().astype(np.float16), np.float32)


def _group(class_: str) -> str:
    taxonomy = load_taxonomy()
    return taxonomy.tier2(class_).id if class_ in taxonomy else class_.split(":")[0]


def fit_all(
    examples: Examples, vectors: Float, chosen: NDArray[np.bool_], networks: int
) -> dict[str, Head]:
    """The three heads, from the chosen sentences."""
    wanted = examples.purchases != ""
    signs = np.concatenate([vectors, buying_signs(examples.texts)], axis=1)
    buys = np.where(wanted, BUYS, "no")
    bought = chosen & wanted
    return {
        "interest": fit(vectors[chosen], examples.interests[chosen], networks),
        "purchase": fit(vectors[bought], examples.purchases[bought], networks),
        "buys": fit(signs[chosen], buys[chosen], 1),
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
    buys = heads["buys"](np.concatenate([vectors[rows], signs], axis=1))
    wants = buys[:, heads["buys"].classes.index(BUYS)]
    judged: dict[str, list[tuple[float, bool]]] = {"tier2": [], "deeper": [], "purchase": []}
    for place, row in enumerate(rows):
        true = _line(str(examples.interests[row]))
        for depth, (id_, probability) in enumerate(interests.way_down(said[place])):
            judged["deeper" if depth else "tier2"].append((probability, id_ in true))
            if id_ not in true:
                break
        true = _line(str(examples.purchases[row]))
        for id_, probability in purchases.way_down(what[place]):
            judged["purchase"].append((float(wants[place]) * probability, id_ in true))
            if id_ not in true:
                break
    return judged


def _line(id_: str) -> set[str]:
    taxonomy = load_taxonomy()
    if id_ not in taxonomy:
        return set()
    return {id_, *(node.id for node in taxonomy.ancestors(id_))}


def calibration() -> Float:
    """float32 [2, K]: said probabilities and what they are worth (Platt, "Probabilistic outputs
    for support vector machines", 1999), with the slope and offset chosen on the dev texts.

    Not from the held-out examples: each has one node, so they count a neighbouring topic that a
    reviewer would accept as wrong (measured there, confidences came out 0.09 too low on dev)."""
    knots = np.linspace(0, 1, 201)
    sure = np.clip(knots, 1e-4, 1 - 1e-4)
    odds = PLATT_SLOPE * np.log(sure / (1 - sure)) + PLATT_OFFSET
    worth = np.clip(1 / (1 + np.exp(-odds)), 0.0, MOST)
    return np.stack([knots, worth]).astype(np.float32)


def held_out(examples: Examples, vectors: Float, folds: int) -> dict[str, list[tuple[float, bool]]]:
    """The decisions on sentences that the heads judging them were not trained on."""
    together: dict[str, list[tuple[float, bool]]] = {}
    groups = [examples.interests[row].split(":")[0] for row in range(len(examples.texts))]
    split = StratifiedKFold(folds, shuffle=True, random_state=SEED).split(vectors, groups)
    for kept, left in split:
        chosen = np.zeros(len(examples.texts), bool)
        chosen[kept] = True
        heads = fit_all(examples, vectors, chosen, 1)
        rows = left[examples.held_out[left]]
        for name, judged in judge(heads, examples, vectors, rows).items():
            together.setdefault(name, []).extend(judged)
    return together


def save(out: Path, heads: dict[str, Head], calibrations: dict[str, Float]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, head in heads.items():
        arrays[f"{name}_classes"] = np.array(head.classes)
        for field in fields(Network):
            values = [getattr(network, field.name) for network in head.networks]
            arrays[f"{name}_{field.name}"] = np.stack(values).astype(np.float16)
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
    heads = fit_all(examples, vectors, np.ones(len(examples.texts), bool), NETWORKS)
    save(options.out, heads, dict.fromkeys(judged, calibration()))


if __name__ == "__main__":
    main()
