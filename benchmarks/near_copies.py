"""Find example sentences that are near copies of texts that measure: those must go.

    python benchmarks/near_copies.py [FOLDER] [--cache FOLDER]

Compares every line of `interests/data/examples` and `policy/data/examples` with the texts of
FOLDER's `*.jsonl` (default: $GLASSES_SIGNALS_EVAL), of `benchmarks/held_out`, and of
`tests/interests/meaning_cases.tsv`. A line is a near copy when at least 0.6 of the words of both
are shared (Jaccard), or at least half and their embeddings' cosine is over 0.9. Texts of three
words and fewer only count when equal. Prints `file, line's text, what it is near to`; exits with 1
when there are any.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]
from sets import EVAL
from train_mapper import encoded

from glasses_signals.interests.taxonomy import DATA
from glasses_signals.policy.policy import DEFAULT_POLICY
from glasses_signals.tsv import read_tsv

WORDS_ALONE, WORDS, COSINE = 0.6, 0.5, 0.9
FEW = 3
FOLDERS = (Path(str(DATA)) / "examples", DEFAULT_POLICY.parent / "examples")
HELD_OUT = Path(__file__).with_name("held_out")
CASES = Path(__file__).parents[1] / "tests" / "interests" / "meaning_cases.tsv"
_WORD = re.compile(r"[a-z0-9']+")


def near_copies(
    written: Sequence[str], measured: Sequence[str], cache: Path | None = None
) -> Iterator[tuple[int, int]]:
    """(place in `written`, place in `measured`) of every pair that is too near."""
    vocabulary: dict[str, int] = {}
    rows, columns = _words(written, vocabulary), _words(measured, vocabulary)
    one, other = _matrix(rows, len(vocabulary)), _matrix(columns, len(vocabulary))
    shared = (one @ other.T).tocoo()
    sizes, other_sizes = np.array([len(r) for r in rows]), np.array([len(c) for c in columns])
    jaccard = shared.data / (sizes[shared.row] + other_sizes[shared.col] - shared.data)
    long = np.maximum(sizes[shared.row], other_sizes[shared.col]) > FEW
    maybe = (jaccard == 1) | (long & (jaccard >= WORDS))
    pairs = list(zip(shared.row[maybe], shared.col[maybe], jaccard[maybe], strict=True))
    texts = dict.fromkeys(t for i, j, _ in pairs for t in (written[i], measured[j]))
    vectors = dict(zip(texts, encoded(texts, cache)[0], strict=True)) if texts else {}
    for i, j, alike in pairs:
        if alike >= WORDS_ALONE or vectors[written[i]] @ vectors[measured[j]] > COSINE:
            yield int(i), int(j)


def _words(texts: Sequence[str], vocabulary: dict[str, int]) -> list[set[int]]:
    return [
        {vocabulary.setdefault(word, len(vocabulary)) for word in _WORD.findall(text.lower())}
        for text in texts
    ]


def _matrix(rows: Sequence[set[int]], width: int) -> sparse.csr_matrix:
    starts = np.cumsum([0, *map(len, rows)])
    columns = [column for row in rows for column in row]
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, columns, starts), shape=(len(rows), width))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=EVAL)
    parser.add_argument("--cache", type=Path, help="folder of embeddings, as in train_mapper.py")
    options = parser.parse_args()
    lines = [
        (place.name, row["text"])
        for folder in FOLDERS
        for place in sorted(folder.glob("*.tsv"))
        for row in read_tsv(place)
    ]
    measured = [row["text"] for row in read_tsv(CASES)]
    for place in [*sorted(options.folder.glob("*.jsonl")), *sorted(HELD_OUT.glob("*.jsonl"))]:
        rows = [json.loads(line) for line in place.read_text("utf-8").splitlines() if line.strip()]
        measured += [row["text"] for row in rows if row.get("text")]
    measured = list(dict.fromkeys(measured))
    found = list(near_copies([text for _, text in lines], measured, options.cache))
    for i, j in found:
        print(*lines[i], measured[j], sep="\t")
    print(f"{len(found)} near copies in {len(lines)} lines of {len(measured)} texts")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
