import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from glasses_signals.ledger.ledger import Ledger, Outcome
from glasses_signals.policy.policy import load_policy
from glasses_signals.records import Account, Item, ItemKind, ItemState, Source
from glasses_signals.runners.admission import (
    BATCH_ITEMS,
    MAX_ATTEMPTS,
    Admission,
    Admitted,
    unread,
)
from glasses_signals.uploads.bundles import Refusal

ACCOUNT = Account(
    account_id="acct-001",
    region="US",
    linked_products=frozenset({"glasses", "ads"}),
    notice_sent_at=datetime(2025, 12, 20, tzinfo=UTC),
    ads_opt_out=False,
    minor=False,
)
OPENED: list[str] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"open", "os.listdir", "os.scandir"}:
        OPENED.append(str(arguments[0]))


sys.addaudithook(_watch)  # a hook can't be removed, so it only takes notes


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def item(path: Path, name: str = "i1") -> Item:
    return Item(
        item_id=name,
        account_id="acct-001",
        source=Source.GLASSES,
        kind=ItemKind.PHOTO,
        captured_at=datetime(2026, 1, 5, tzinfo=UTC),
        ai_interaction=True,
        path=str(path),
        root=str(path.parent),
    )


def admit(
    ledger: Ledger, *uploads: Item | Refusal, account: Account | None = ACCOUNT
) -> tuple[list[Admitted], Counter[str]]:
    accounts = {"acct-001": account} if account else {}
    admission = Admission(accounts, load_policy(), ledger, Source.GLASSES, Counter())
    return list(admission(uploads)), admission.counts


def photo(tmp_path: Path, content: bytes = b"x") -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    return path


def test_a_willing_account_is_admitted(tmp_path: Path, ledger: Ledger) -> None:
    found, counts = admit(ledger, item(photo(tmp_path)))
    assert [a.item.item_id for a in found] == ["i1"]
    assert counts == {"uploaded": 1, "allowed": 1}


@pytest.mark.parametrize(
    "account",
    [
        None,
        replace(ACCOUNT, region="KR"),
        replace(ACCOUNT, region="de"),
        replace(ACCOUNT, region=None),
        replace(ACCOUNT, ads_opt_out=True),
        replace(ACCOUNT, ads_opt_out=None),
        replace(ACCOUNT, linked_products=frozenset({"chat"})),
        replace(ACCOUNT, notice_sent_at=None),
        replace(ACCOUNT, notice_sent_at=datetime(2026, 2, 1, tzinfo=UTC)),
        replace(ACCOUNT, minor=True),
    ],
)
def test_media_of_an_excluded_account_are_not_touched(
    tmp_path: Path, ledger: Ledger, account: Account | None
) -> None:
    path = photo(tmp_path)
    path.chmod(0)
    OPENED.clear()
    found, counts = admit(ledger, item(path), account=account)
    assert found == []
    assert not [name for name in OPENED if name.endswith("a.jpg")]
    assert sum(n for reason, n in counts.items() if reason.startswith("excluded:")) == 1
    assert ledger.counts() == {"excluded": 1}


def test_what_is_done_is_not_done_again(tmp_path: Path, ledger: Ledger) -> None:
    upload = item(photo(tmp_path))
    ((admitted,), _) = admit(ledger, upload)
    done = Outcome(admitted.item, ItemState.DONE, fingerprint=admitted.fingerprint)
    ledger.record([done], hush_window_s=60)
    found, counts = admit(ledger, upload)
    assert found == []
    assert counts["already_done"] == 1


def test_a_changed_file_is_done_again(tmp_path: Path, ledger: Ledger) -> None:
    ((admitted,), _) = admit(ledger, item(photo(tmp_path)))
    done = Outcome(admitted.item, ItemState.DONE, fingerprint=admitted.fingerprint)
    ledger.record([done], hush_window_s=60)
    found, _ = admit(ledger, item(photo(tmp_path, b"longer")))
    assert len(found) == 1


def test_an_account_that_comes_back_is_processed_then(tmp_path: Path, ledger: Ledger) -> None:
    admit(ledger, item(photo(tmp_path)), account=replace(ACCOUNT, ads_opt_out=True))
    found, _ = admit(ledger, item(photo(tmp_path)))
    assert len(found) == 1


def test_a_missing_file_is_quarantined_with_its_place(tmp_path: Path, ledger: Ledger) -> None:
    found, _ = admit(ledger, item(tmp_path / "gone.jpg"))
    assert found == []
    (bad,) = ledger.quarantined()
    assert bad.place == str(tmp_path / "gone.jpg")
    assert "not there" in bad.reason


def test_a_mended_upload_leaves_quarantine(tmp_path: Path, ledger: Ledger) -> None:
    admit(ledger, Refusal("u1/upload.json", "not valid JSON"))
    assert len(ledger.quarantined()) == 1
    admit(ledger, item(photo(tmp_path)))
    assert ledger.quarantined() == []


def test_a_forgotten_capture_is_not_admitted(tmp_path: Path, ledger: Ledger) -> None:
    ledger.forget("acct-001", before=datetime(2026, 1, 6, tzinfo=UTC))
    found, counts = admit(ledger, item(photo(tmp_path)))
    assert found == []
    assert counts["excluded:forgotten"] == 1


def test_counts_can_be_written_as_json(tmp_path: Path, ledger: Ledger) -> None:
    _, counts = admit(ledger, item(photo(tmp_path)), account=None)
    assert json.loads(json.dumps(counts)) == {"uploaded": 1, "excluded:account_unknown": 1}


def test_what_was_turned_away_is_stored_on_the_way(tmp_path: Path, ledger: Ledger) -> None:
    """A run that dies among a million refusals need not hold them all, nor lose them."""

    class Died(Exception):
        pass

    def uploads() -> Iterator[Refusal]:
        for number in range(BATCH_ITEMS + 1):
            yield Refusal(f"u{number}/upload.json", "not valid JSON")
        raise Died

    admission = Admission({}, load_policy(), ledger, Source.GLASSES, Counter())
    with pytest.raises(Died):
        list(admission(uploads()))
    assert len(ledger.quarantined()) == BATCH_ITEMS


def test_a_file_that_could_not_be_read_is_tried_three_times_and_again_when_it_changes(
    tmp_path: Path, ledger: Ledger
) -> None:
    upload = item(photo(tmp_path))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        ((admitted,), _) = admit(ledger, upload)
        fingerprint = unread(admitted.fingerprint)
        bad = Outcome(admitted.item, ItemState.QUARANTINED, fingerprint=fingerprint, reason="died")
        ledger.record([bad], hush_window_s=60)
        assert ledger.known("i1") == (ItemState.QUARANTINED, fingerprint, attempt)
    found, counts = admit(ledger, upload)
    assert found == []
    assert counts["already_done"] == 1
    found, _ = admit(ledger, item(photo(tmp_path, b"mended")))
    assert len(found) == 1


def test_a_quarantined_file_that_was_read_is_not_tried_again(
    tmp_path: Path, ledger: Ledger
) -> None:
    upload = item(photo(tmp_path))
    ((admitted,), _) = admit(ledger, upload)
    bad = Outcome(
        admitted.item, ItemState.QUARANTINED, fingerprint=admitted.fingerprint, reason="cut off"
    )
    ledger.record([bad], hush_window_s=60)
    assert admit(ledger, upload)[0] == []
