import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.uploads.accounts import AccountsFile, read_accounts

GOOD = {
    "account_id": "acct-001",
    "region": "US",
    "linked_products": ["glasses", "chat"],
    "languages": ["en", "es"],
    "notice_sent_at": "2025-12-01T00:00:00Z",
    "ads_opt_out": False,
    "minor": False,
}


def read(tmp_path: Path, *lines: str) -> AccountsFile:
    file = tmp_path / "accounts.jsonl"
    file.write_text("\n".join(lines))
    return read_accounts(file)


def test_a_full_line_is_read_whole(tmp_path: Path) -> None:
    account = read(tmp_path, json.dumps(GOOD)).accounts["acct-001"]
    assert account.region == "US"
    assert account.linked_products == {"glasses", "chat"}
    assert account.languages == ("en", "es")
    assert account.notice_sent_at == datetime(2025, 12, 1, tzinfo=UTC)
    assert (account.ads_opt_out, account.minor) == (False, False)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("region", [None, 7, ["US"]]),
        ("linked_products", [None, "glasses", [1], {"glasses": True}]),
        ("notice_sent_at", [None, "yesterday", "2025-12-01", 0, True]),
        ("ads_opt_out", [None, "false", 0]),
        ("minor", [None, "no", 0]),
    ],
)
def test_a_malformed_field_is_none(tmp_path: Path, field: str, values: list[object]) -> None:
    for value in values:
        account = read(tmp_path, json.dumps({**GOOD, field: value})).accounts["acct-001"]
        assert getattr(account, field) is None


def test_a_malformed_opt_out_time_is_doubt(tmp_path: Path) -> None:
    line = json.dumps({**GOOD, "ads_opt_out_at": "soon"})
    assert read(tmp_path, line).accounts["acct-001"].ads_opt_out is None


def test_an_account_on_two_lines_is_dropped(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(GOOD), json.dumps({**GOOD, "region": "CA"}))
    assert not found.accounts
    assert "line 2" in found.problems[0]


def test_a_bad_line_is_told_and_the_rest_read(tmp_path: Path) -> None:
    found = read(tmp_path, "{", "[]", '{"region": "US"}', "", json.dumps(GOOD))
    assert set(found.accounts) == {"acct-001"}
    assert [problem.split(":")[0] for problem in found.problems] == [
        f"accounts.jsonl, line {n}" for n in (1, 2, 3)
    ]


def test_a_missing_file_can_not_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="--accounts"):
        read_accounts(tmp_path / "nowhere.jsonl")
