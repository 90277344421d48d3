"""The written sentences that the mapper learns from."""

import json
import re
from pathlib import Path

import pytest

from glasses_signals.interests.taxonomy import DATA, load_taxonomy
from glasses_signals.tsv import read_tsv

FOLDER = Path(str(DATA)) / "examples"
CASES = Path(__file__).parent / "meaning_cases.tsv"
REGISTERS = {"command", "question", "statement", "chat", "caption", "purchase"}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return [row for place in sorted(FOLDER.glob("*.tsv")) for row in read_tsv(place)]


def test_every_sentence_has_a_known_node_and_register(rows: Rows) -> None:
    taxonomy = load_taxonomy()
    assert [r for r in rows if r["node_id"] != "none" and r["node_id"] not in taxonomy] == []
    assert {r["register"] for r in rows} <= REGISTERS
    assert all(r["text"].strip() for r in rows)


def test_no_sentence_is_a_near_copy_of_one_that_measures(rows: Rows, repository: Path) -> None:
    """As benchmarks/near_copies.py: at least 0.6 of the words shared, when more than three."""
    held_out = sorted((repository / "benchmarks" / "held_out").glob("*.jsonl"))
    lines = [line for place in held_out for line in place.read_text("utf-8").splitlines()]
    cases = [row["text"] for row in [*read_tsv(CASES), *map(json.loads, lines)]]
    by_word: dict[str, set[int]] = {}
    known = [words(case) for case in cases]
    for place, case in enumerate(known):
        for word in case:
            by_word.setdefault(word, set()).add(place)
    near = [
        (row["text"], cases[place])
        for row in rows
        for own in [words(row["text"])]
        for place in set().union(*(by_word.get(word, set()) for word in own))
        if own == known[place]
        or (
            max(len(own), len(known[place])) > 3
            and len(own & known[place]) >= 0.6 * len(own | known[place])
        )
    ]
    assert near == []


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9']+", text.lower()))
