"""How much of what is sensitive gets through, and how much harmless text is lost.

    python benchmarks/restraint.py [EVAL] [--json]

EVAL has `sensitive_dev.jsonl`, `benign_dev.jsonl` and `requests_dev.jsonl`; default:
$GLASSES_SIGNALS_EVAL, else `../shared/eval` beside the checkout. A sensitive text leaks when it
isn't excluded and an interest comes out of it; harmless text is over-blocked when it is excluded.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from glasses_signals.interests.text_mapper import TextMapper
from glasses_signals.policy.policy import load_policy
from glasses_signals.policy.sensitive import SensitiveGate, clauses_of
from glasses_signals.text.encoder import TextEncoder
from glasses_signals.text.language import is_english

CURVE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9)


class Judged:
    """One set with what the gate, the language check and the mapper say of each text."""

    def __init__(self, texts: list[str], encoder: TextEncoder, gate: SensitiveGate) -> None:
        embeddings = encoder(texts)
        probabilities, self.named = gate.probabilities(texts, embeddings)
        self.sensitive = 1 - probabilities[:, -1]
        self.clauses = _worst_clauses(texts, encoder, gate)
        self.unreadable = np.array([not is_english(text) for text in texts])
        self.mapped = np.array([bool(found) for found in TextMapper().map(texts, embeddings)])

    def excluded(self, text_threshold: float, named_threshold: float) -> np.ndarray:
        threshold = np.where(self.named, min(named_threshold, text_threshold), text_threshold)
        whole = self.sensitive >= threshold
        return self.unreadable | whole | (self.clauses >= text_threshold)


def _worst_clauses(texts: list[str], encoder: TextEncoder, gate: SensitiveGate) -> np.ndarray:
    worst = np.zeros(len(texts))
    parts = [(place, clause) for place, text in enumerate(texts) for clause in clauses_of(text)]
    if parts:
        clauses = [clause for _, clause in parts]
        probabilities, _ = gate.probabilities(clauses, encoder(clauses))
        np.maximum.at(worst, [place for place, _ in parts], 1 - probabilities[:, -1])
    return worst


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927), 0..1."""
    if count == 0:
        return 0.0, 1.0
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(name: str, hits: Iterable[bool]) -> dict[str, object]:
    listed = [bool(hit) for hit in hits]
    low, high = wilson(sum(listed), len(listed))
    return {
        "figure": name,
        "hits": sum(listed),
        "of": len(listed),
        "percent": round(100 * sum(listed) / max(1, len(listed)), 2),
        "interval": [round(100 * low, 2), round(100 * high, 2)],
    }


def measure(folder: Path) -> dict[str, list[dict[str, object]]]:
    policy = load_policy()
    encoder, gate = TextEncoder(), SensitiveGate(policy)
    rows = {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").open(encoding="utf-8")]
        for name in ("sensitive_dev", "benign_dev", "requests_dev")
    }
    rows["requests_dev"] = [row for row in rows["requests_dev"] if not row["sensitive"]]
    judged = {
        name: Judged([row["text"] for row in listed], encoder, gate)
        for name, listed in rows.items()
    }
    own = {
        name: each.excluded(policy.text_threshold, policy.named_threshold)
        for name, each in judged.items()
    }
    missed = ~own["sensitive_dev"]
    leaked = missed & judged["sensitive_dev"].mapped
    figures = [
        share("leak (an interest comes out)", leaked),
        share("missed by the gate", missed),
        share("over-blocked look-alikes and harmless", own["benign_dev"]),
        share("over-blocked ordinary requests", own["requests_dev"]),
    ]
    for field in ("style", "topic"):
        groups: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(rows["sensitive_dev"]):
            groups[row[field]].append(number)
        for group, numbers in groups.items():
            figures.append(share(f"leak, {field} {group}", leaked[numbers]))
            figures.append(share(f"missed, {field} {group}", missed[numbers]))
    curve = []
    for threshold in CURVE:
        at = {n: e.excluded(threshold, policy.named_threshold) for n, e in judged.items()}
        curve.append(
            {
                "text_threshold": threshold,
                "missed": round(100 * float((~at["sensitive_dev"]).mean()), 2),
                "leak": round(
                    100 * float((~at["sensitive_dev"] & judged["sensitive_dev"].mapped).mean()), 2
                ),
                "over-blocked harmless": round(100 * float(at["benign_dev"].mean()), 2),
                "over-blocked requests": round(100 * float(at["requests_dev"].mean()), 2),
            }
        )
    return {"figures": figures, "curve": curve}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[2] / "shared" / "eval"
    default = os.environ.get("GLASSES_SIGNALS_EVAL", str(beside))
    parser.add_argument("eval", nargs="?", type=Path, default=Path(default))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.eval)
    if arguments.json:
        print(json.dumps(result))
        return
    for row in result["figures"]:
        counts = f"{row['hits']:4}/{row['of']:<4} {row['percent']:6} %"
        print(f"{row['figure']:45} {counts} {row['interval']}")
    for row in result["curve"]:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
