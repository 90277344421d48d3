"""How much of what is sensitive gets through, and how much harmless text is lost.

    python benchmarks/restraint.py [EVAL] [--precision fp32|int8] [--json FILE] [--markdown]
    python benchmarks/restraint.py --folds

EVAL has `sensitive_dev.jsonl`, `benign_dev.jsonl` and `requests_dev.jsonl`; default:
$GLASSES_SIGNALS_EVAL, else `../shared/eval` beside the checkout. A sensitive text leaks when it
isn't excluded and an interest comes out of it; harmless text is over-blocked when it is excluded.
`--markdown` prints the tables of docs/privacy.md. `--folds` prints the one of our own sentences,
each judged by a network that has not seen it; it trains five networks and takes minutes.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from results import table, wilson, write_json
from sets import EVAL

from glasses_signals.interests.text_mapper import TextMapper
from glasses_signals.policy.policy import TOPICS, load_policy
from glasses_signals.policy.sensitive import SensitiveGate, clauses_of
from glasses_signals.text.encoder import EncoderSettings, TextEncoder
from glasses_signals.text.language import is_english

Row = dict[str, Any]

CURVE = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)


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


def share(name: str, hits: Iterable[bool]) -> Row:
    listed = [bool(hit) for hit in hits]
    low, high = wilson(sum(listed), len(listed))
    return {
        "figure": name,
        "hits": sum(listed),
        "of": len(listed),
        "percent": round(100 * sum(listed) / max(1, len(listed)), 2),
        "interval": [round(100 * low, 2), round(100 * high, 2)],
    }


def read_sets(folder: Path) -> dict[str, list[Row]]:
    rows = {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").open(encoding="utf-8")]
        for name in ("sensitive_dev", "benign_dev", "requests_dev")
    }
    benign = rows.pop("benign_dev")
    rows["lookalikes"] = [row for row in benign if row["lookalike_of"]]
    rows["harmless"] = [row for row in benign if not row["lookalike_of"]]
    rows["requests_dev"] = [row for row in rows["requests_dev"] if not row["sensitive"]]
    return rows


def measure(folder: Path, precision: str | None = None) -> dict[str, list[Row]]:
    policy = load_policy()
    encoder, gate = TextEncoder(EncoderSettings(precision=precision)), SensitiveGate(policy)
    rows = read_sets(folder)
    judged = {
        name: Judged([row["text"] for row in listed], encoder, gate)
        for name, listed in rows.items()
    }
    figures = overall(judged, policy.text_threshold, policy.named_threshold)
    out = ~judged["sensitive_dev"].excluded(policy.text_threshold, policy.named_threshold)
    leaked = out & judged["sensitive_dev"].mapped
    for field in ("style", "topic"):
        groups: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(rows["sensitive_dev"]):
            groups[row[field]].append(number)
        for group, numbers in groups.items():
            figures.append(share(f"leak, {field} {group}", leaked[numbers]))
            figures.append(share(f"missed, {field} {group}", out[numbers]))
    curve = [
        {"text_threshold": threshold, **figure}
        for threshold in CURVE
        for figure in overall(judged, threshold, policy.named_threshold)
    ]
    return {"figures": figures, "curve": curve}


def overall(judged: dict[str, Judged], text_threshold: float, named_threshold: float) -> list[Row]:
    excluded = {
        name: each.excluded(text_threshold, named_threshold) for name, each in judged.items()
    }
    missed = ~excluded["sensitive_dev"]
    return [
        share("leak (an interest comes out)", missed & judged["sensitive_dev"].mapped),
        share("missed by the gate", missed),
        share("over-blocked look-alikes", excluded["lookalikes"]),
        share("over-blocked harmless texts", excluded["harmless"]),
        share("over-blocked ordinary requests", excluded["requests_dev"]),
    ]


def said(row: Row) -> str:
    low, high = row["interval"]
    return f"{row['percent']:.1f} [{low:.1f}, {high:.1f}]"


def print_markdown(result: dict[str, list[Row]]) -> None:
    rows = [[r["figure"], f"{r['hits']} of {r['of']}", said(r)] for r in result["figures"]]
    print(table(["figure", "texts", "% [95 % interval]"], rows), end="\n\n")
    heads = list(dict.fromkeys(row["figure"] for row in result["curve"]))
    curve = [
        [str(threshold), *(said(r) for r in result["curve"] if r["text_threshold"] == threshold)]
        for threshold in CURVE
    ]
    print(table(["threshold", *heads], curve))


def print_folds(kept: Path | None) -> None:
    from glasses_signals.policy.training.train import fold_errors

    errors = fold_errors(load_policy().text_threshold, kept)
    styles = ("direct", "indirect", "entity", "mixed", "asr")
    rows = []
    for topic in (*TOPICS, "all"):
        cells = [topic]
        for style in styles:
            own = [e for (t, s), e in errors.items() if s == style and topic in (t, "all")]
            wrong = np.concatenate(own)
            cells.append(f"{100 * wrong.mean():.0f} % of {len(wrong)}")
        rows.append(cells)
    print(table(["topic", *styles], rows))
    for style in ("lookalike", "ordinary", "interest"):
        wrong = errors["none", style]
        print(f"over-blocked {style}: {100 * wrong.mean():.1f} % of {len(wrong)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eval", nargs="?", type=Path, default=EVAL)
    parser.add_argument("--precision", choices=["fp32", "int8"], help="default: this machine's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--folds", action="store_true")
    parser.add_argument("--embeddings", type=Path, help="where --folds keeps those of examples")
    arguments = parser.parse_args()
    if arguments.folds:
        print_folds(arguments.embeddings)
        return
    result = measure(arguments.eval, arguments.precision)
    if arguments.json:
        write_json(arguments.json, result)
    if arguments.markdown:
        print_markdown(result)
        return
    for row in result["figures"]:
        counts = f"{row['hits']:4}/{row['of']:<4} {row['percent']:6} %"
        print(f"{row['figure']:45} {counts} {row['interval']}")
    for row in result["curve"]:
        print(
            f"{row['text_threshold']:5} {row['figure']:38} {row['percent']:6} % {row['interval']}"
        )


if __name__ == "__main__":
    main()
