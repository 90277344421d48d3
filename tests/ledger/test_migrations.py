"""Ledgers of earlier schema versions, brought up to date with nothing lost."""

import sqlite3
from pathlib import Path

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.ledger.migrations import SCHEMA_VERSION

HERE = Path(__file__).parent


def old_ledger(path: Path, version: int) -> Path:
    db = sqlite3.connect(path)
    script = (HERE / f"schema_{version}.sql").read_text()
    db.executescript(f"{script} PRAGMA user_version = {version};")
    db.close()
    return path


def shape(path: Path) -> set[tuple[str, str]]:
    """Tables, columns and indices, without comments and spacing."""
    db = sqlite3.connect(path)
    found = {("table", row[0]) for row in db.execute("SELECT name FROM sqlite_schema")}
    for _, table in list(found):
        found |= {(table, f"{c[1:]}") for c in db.execute(f"PRAGMA table_info({table})")}
        found |= {(table, f"{c[1:]}") for c in db.execute(f"PRAGMA index_info({table})")}
    db.close()
    return found


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_old_ledger_gets_the_shape_of_a_new_one(tmp_path: Path, version: int) -> None:
    Ledger(old_ledger(tmp_path / "old.sqlite", version)).close()
    Ledger(tmp_path / "new.sqlite").close()
    assert shape(tmp_path / "old.sqlite") == shape(tmp_path / "new.sqlite")


def test_evidence_and_models_of_version_1_are_kept(tmp_path: Path) -> None:
    with Ledger(old_ledger(tmp_path / "ledger.sqlite", 1)) as ledger:
        assert [e.item_id for e in ledger.evidence("acct-1")] == ["i1"]
        assert ledger.models() == {
            "judge": {"all-minilm-l6-v2": "c"},
            "tagger": {"efficientnet-lite0": "b"},
            "transcriber": {"whisper-base": "a"},
        }


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(CannotStart, match="use the glasses-signals version that wrote it"):
        Ledger(path)
