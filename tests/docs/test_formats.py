"""The lines that the docs show are accepted as they stand."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from reading import REPOSITORY

from glasses_signals.policy.accounts import account_gate
from glasses_signals.policy.policy import load_policy
from glasses_signals.records import Item, ItemKind, Source
from glasses_signals.uploads.accounts import read_accounts


@pytest.mark.parametrize("page", ["README.md", "docs/formats.md"])
def test_the_account_shown_is_allowed(page: str, tmp_path: Path) -> None:
    text = (REPOSITORY / page).read_text("utf-8")
    blocks = map(json.loads, re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    (shown,) = (block for block in blocks if "region" in block)
    file = tmp_path / "accounts.jsonl"
    file.write_text(json.dumps(shown) + "\n")
    read = read_accounts(file)
    assert read.problems == ()
    (account,) = read.accounts.values()
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    item = Item("i", account.account_id, Source.GLASSES, ItemKind.VOICE, moment, True)
    assert account_gate(account, item, load_policy()) is None
