"""What an account holder and a changed policy can undo, on the sample messages."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from glasses_signals.errors import RunStopped
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.policy import DEFAULT_POLICY
from glasses_signals.records import Source
from glasses_signals.runners.extract import ExtractSettings, RunReport, extract
from glasses_signals.runners.rights import forget

ADA, BEN = "acct-ada", "acct-ben"


def run(samples: Path, out: Path, policy: Path | None = None) -> RunReport:
    settings = ExtractSettings(
        source=Source.CHAT, as_of=datetime(2026, 2, 1, tzinfo=UTC), device="cpu", policy=policy
    )
    return extract(samples / "chats.jsonl", samples / "accounts.jsonl", out, settings)


def profiles(out: Path) -> dict[str, set[str]]:
    lines = (out / "profiles.jsonl").read_text().splitlines()
    documents = [json.loads(line) for line in lines]
    return {d["account_id"]: {entry["id"] for entry in d["interests"]} for d in documents}


def left(out: Path, word: str) -> list[str]:
    return [path.name for path in out.iterdir() if word.encode() in path.read_bytes()]


@pytest.fixture(scope="module")
def first(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first")
    run(samples, out)
    assert profiles(out).keys() == {ADA, BEN}
    return out


@pytest.fixture
def out(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "out"))


def changed(tmp_path: Path, before: str, after: str) -> Path:
    text = DEFAULT_POLICY.read_text("utf-8")
    assert text.count(before) == 1
    (tmp_path / "policy.toml").write_text(text.replace(before, after), "utf-8")
    return tmp_path / "policy.toml"


@pytest.mark.parametrize(
    ("before", "after", "stay"),
    [
        ('"KR",', '"KR", "CA",', {ADA}),
        ('"KR",', '"KR", "CA", "US",', set()),
        ("effective_date = 2025-12-16", "effective_date = 2026-01-31", set()),
        ('chat = ["chat"]', 'chat = ["chat", "ads", "feed"]', {ADA, BEN}),
    ],
)
def test_a_changed_policy_decides_anew_over_what_is_stored(
    samples: Path, out: Path, tmp_path: Path, before: str, after: str, stay: set[str]
) -> None:
    run(samples, out, changed(tmp_path, before, after))
    assert profiles(out).keys() == stay
    for account in {ADA, BEN} - stay:
        assert left(out, account) == []


def test_a_shorter_retention_erases_the_evidence(samples: Path, out: Path, tmp_path: Path) -> None:
    run(samples, out, changed(tmp_path, "retention_days = 180.0", "retention_days = 1.0"))
    assert profiles(out) == {}
    with Ledger(out / "ledger.sqlite") as ledger:
        assert list(ledger.evidence(ADA)) == []


def test_a_policy_that_asks_for_more_confidence_thins_profiles_out_and_back(
    samples: Path, out: Path, tmp_path: Path
) -> None:
    before = profiles(out)
    run(samples, out, changed(tmp_path, "min_occurrences = 1", "min_occurrences = 9"))
    assert not any(profiles(out).values())
    run(samples, out)
    assert profiles(out) == before


def test_a_policy_that_lets_an_account_in_again_uses_its_uploads_again(
    samples: Path, out: Path, tmp_path: Path
) -> None:
    before = profiles(out)
    run(samples, out, changed(tmp_path, '"KR",', '"KR", "CA",'))
    run(samples, out)
    assert profiles(out) == before


def test_what_is_forgotten_is_in_no_byte_of_any_file(samples: Path, out: Path) -> None:
    assert left(out, ADA)
    forget(out, ADA)
    assert left(out, ADA) == []
    run(samples, out)
    assert left(out, ADA) == []
    assert profiles(out).keys() == {BEN}


def test_forgetting_says_so_when_a_reader_keeps_the_log_and_is_finished_later(out: Path) -> None:
    reader = sqlite3.connect(out / "ledger.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM evidence").fetchone()
    with pytest.raises(RunStopped, match="another program"):
        forget(out, ADA)
    reader.close()
    forget(out, ADA)
    assert left(out, ADA) == []


def test_a_stranger_is_forgotten_without_a_trace(out: Path) -> None:
    before: Any = profiles(out)
    assert forget(out, "acct-nobody-knows").evidence == 0
    assert left(out, "acct-nobody-knows") == []
    assert profiles(out) == before
