from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.ledger.explain import explain
from glasses_signals.ledger.ledger import Ledger, Outcome
from glasses_signals.records import (
    Evidence,
    InterestKind,
    Item,
    ItemKind,
    ItemState,
    Modality,
    Source,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CYCLING, PETS = "625", "536"


def item(name: str, at: datetime = NOON, account: str = "acct-001") -> Item:
    return Item(name, account, Source.GLASSES, ItemKind.VOICE, at, ai_interaction=True)


def evidence(of: Item, interest_id: str = CYCLING) -> Evidence:
    return Evidence(
        account_id=of.account_id,
        item_id=of.item_id,
        interest_id=interest_id,
        kind=InterestKind.INTEREST,
        source=of.source,
        modality=Modality.VOICE,
        captured_at=of.captured_at,
        confidence=0.8,
        rule="text",
    )


def done(of: Item, *interest_ids: str, sha256: str | None = None) -> Outcome:
    return Outcome(
        of,
        ItemState.DONE,
        evidence=tuple(evidence(of, id_) for id_ in interest_ids),
        fingerprint="f",
        sha256=sha256 or of.item_id,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def held(ledger: Ledger, account: str = "acct-001") -> list[tuple[str, str]]:
    return [(e.item_id, e.interest_id) for e in ledger.evidence(account)]


def test_evidence_comes_back_as_it_went_in(ledger: Ledger) -> None:
    ledger.record([done(item("i1"), CYCLING)], hush_window_s=60)
    assert ledger.evidence("acct-001") == [evidence(item("i1"))]
    assert ledger.known("i1") == (ItemState.DONE, "f", 1)


def test_recording_an_item_again_replaces_its_evidence(ledger: Ledger) -> None:
    ledger.record([done(item("i1"), CYCLING)], hush_window_s=60)
    ledger.record([done(item("i1"), PETS)], hush_window_s=60)
    assert held(ledger) == [("i1", PETS)]


def test_a_failed_unit_leaves_nothing(ledger: Ledger) -> None:
    class Broken(Exception):
        pass

    def outcomes():  # type: ignore[no-untyped-def]
        yield done(item("i1"), CYCLING)
        raise Broken

    with pytest.raises(Broken):
        ledger.record(outcomes(), hush_window_s=60)
    assert ledger.known("i1") is None
    assert held(ledger) == []


def test_the_same_bytes_count_once(ledger: Ledger) -> None:
    later = item("i2", NOON + timedelta(days=1))
    ledger.record(
        [done(later, CYCLING, sha256="same"), done(item("i1"), CYCLING, PETS, sha256="same")],
        hush_window_s=60,
    )
    assert held(ledger) == [("i1", PETS), ("i1", CYCLING)]


@pytest.mark.parametrize("sensitive_first", [True, False])
@pytest.mark.parametrize(("seconds", "kept"), [(30, False), (-30, False), (300, True)])
def test_captures_around_a_sensitive_one_are_emptied(
    ledger: Ledger, sensitive_first: bool, seconds: int, kept: bool
) -> None:
    neighbour = done(item("i1", NOON + timedelta(seconds=seconds)), CYCLING)
    sensitive = replace(done(item("i2")), hushed=True)
    for outcome in (sensitive, neighbour) if sensitive_first else (neighbour, sensitive):
        ledger.record([outcome], hush_window_s=60)
    assert held(ledger) == ([("i1", CYCLING)] if kept else [])


def test_another_account_is_not_hushed(ledger: Ledger) -> None:
    ledger.record(
        [replace(done(item("i2")), hushed=True), done(item("i1", account="acct-002"), CYCLING)],
        hush_window_s=60,
    )
    assert held(ledger, "acct-002") == [("i1", CYCLING)]


def test_an_excluded_item_keeps_no_account(ledger: Ledger) -> None:
    ledger.record([done(item("i1"), CYCLING)], hush_window_s=60)
    ledger.exclude([("i1", Source.GLASSES)])
    assert held(ledger) == []
    assert list(ledger.accounts()) == []
    assert ledger.counts() == {"excluded": 1}


def test_a_quarantined_item_is_listed_with_its_reason(ledger: Ledger) -> None:
    bad = replace(item("i1"), path="u/a.jpg")
    ledger.record([Outcome(bad, ItemState.QUARANTINED, fingerprint="f", reason="cut off")], 60)
    (found,) = ledger.quarantined()
    assert (found.place, found.reason) == ("u/a.jpg", "cut off")
    assert list(ledger.accounts()) == []


def test_accounts_are_listed_in_order(ledger: Ledger) -> None:
    for account in ("b", "a", "c"):
        ledger.record([done(item(f"i-{account}", account=account))], hush_window_s=60)
    assert list(ledger.accounts()) == ["a", "b", "c"]


def test_what_was_forgotten_stays_away(ledger: Ledger) -> None:
    ledger.record([done(item("i1"), CYCLING)], hush_window_s=60)
    assert ledger.forget("acct-001", before=NOON + timedelta(days=1)) == 1
    assert held(ledger) == []
    assert ledger.is_forgotten("acct-001", NOON)
    assert not ledger.is_forgotten("acct-001", NOON + timedelta(days=2))
    assert not ledger.is_forgotten("acct-002", NOON)


def test_a_forgotten_interest_does_not_come_back(ledger: Ledger) -> None:
    ledger.record([done(item("i1"), CYCLING, PETS)], hush_window_s=60)
    ledger.forget("acct-001", interest_id=CYCLING)
    ledger.record([done(item("i2"), CYCLING, PETS)], hush_window_s=60)
    assert held(ledger) == [("i1", PETS), ("i2", PETS)]


def test_forgetting_leaves_no_byte_of_the_account(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record(
            [done(item(f"item-{i}", account="acct-canary"), CYCLING) for i in range(500)], 60
        )
        ledger.forget("acct-canary", before=NOON + timedelta(days=1))
        for file in tmp_path.iterdir():
            assert b"acct-canary" not in file.read_bytes(), file
    for file in tmp_path.iterdir():
        assert b"acct-canary" not in file.read_bytes(), file


def test_a_file_that_is_no_ledger_can_not_start(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(CannotStart, match="new --out"):
        Ledger(tmp_path / "ledger.sqlite")


def test_explain_names_captures_and_says_it_in_plain_words(ledger: Ledger) -> None:
    ledger.record([done(item("i1"), CYCLING), done(item("i2"), PETS)], hush_window_s=60)
    (entry,) = explain(ledger, "acct-001", CYCLING)
    assert entry["path"] == ["Interest", "Sports", "Cycling"]
    assert [capture["item_id"] for capture in entry["captures"]] == ["i1"]
    assert "interested in Cycling because of something you said" in entry["in_plain_words"]


@pytest.mark.parametrize(
    ("seconds", "kept"), [(-61, True), (-60, False), (60, False), (69, False), (70, True)]
)
def test_the_stretch_around_a_sensitive_capture_ends_with_its_last_step(
    ledger: Ledger, seconds: int, kept: bool
) -> None:
    """Steps of ten seconds: a minute around noon ends at 12:01:10, and begins at 11:59:00."""
    neighbour = done(item("i1", NOON + timedelta(seconds=seconds)), CYCLING)
    ledger.record([neighbour], hush_window_s=60)
    ledger.record([replace(done(item("i2")), hushed=True)], hush_window_s=60)
    assert held(ledger) == ([("i1", CYCLING)] if kept else [])


def test_only_what_was_captured_before_the_moment_is_forgotten(ledger: Ledger) -> None:
    days = [NOON + timedelta(days=n) for n in range(3)]
    ledger.record([done(item(f"i{n}", day), CYCLING) for n, day in enumerate(days)], 60)
    assert ledger.forget("acct-001", before=days[1]) == 1
    assert held(ledger) == [("i1", CYCLING), ("i2", CYCLING)]
    assert [ledger.is_forgotten("acct-001", day) for day in days] == [True, False, False]


def test_forgetting_gives_the_room_back(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record([done(item(f"item-{i}"), CYCLING, PETS) for i in range(2000)], 60)
    before = (tmp_path / "ledger.sqlite").stat().st_size
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.forget("acct-001")
    assert (tmp_path / "ledger.sqlite").stat().st_size < 0.8 * before


def test_models_are_kept_by_stage_and_the_last_sum_counts(ledger: Ledger) -> None:
    ledger.record([done(item("i1"))], 60, {"judge": {"minilm": "a"}, "tagger": {"lite": "b"}})
    ledger.record([done(item("i2"))], 60, {"judge": {"minilm": "c"}})
    assert ledger.models() == {"judge": {"minilm": "c"}, "tagger": {"lite": "b"}}


def test_the_latest_run_is_remembered(ledger: Ledger) -> None:
    assert ledger.latest_run() is None
    ledger.note_run(NOON)
    assert ledger.latest_run() == NOON
