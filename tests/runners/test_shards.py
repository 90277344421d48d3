"""The work split by account: every shard its accounts, and together what one run gives."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from glasses_signals.errors import CannotStart
from glasses_signals.runners.extract import ExtractSettings, extract
from glasses_signals.runners.shards import Shard, parse_shard

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


def test_every_account_lies_in_one_shard() -> None:
    for count in (1, 2, 3, 16):
        shards = [Shard(number, count) for number in range(1, count + 1)]
        for account in (f"acct-{n}" for n in range(200)):
            assert sum(shard.holds(account) for shard in shards) == 1


def test_the_split_never_changes() -> None:
    """Golden: a ledger of a shard must find its accounts again after an upgrade."""
    assert [a for a in map(str, range(20)) if Shard(1, 3).holds(a)] == [
        "0",
        "10",
        "12",
        "13",
        "16",
        "17",
    ]


def test_accounts_spread_evenly() -> None:
    held = sum(Shard(2, 4).holds(f"acct-{n}") for n in range(4000))
    assert 900 < held < 1100


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1/²"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(CannotStart, match="K/N"):
        parse_shard(text)


def test_merged_shards_equal_one_run(photo_uploads: Path, samples: Path, tmp_path: Path) -> None:
    uploads = Path(shutil.copytree(photo_uploads, tmp_path / "uploads"))
    (uploads / "broken").mkdir()
    (uploads / "broken" / "upload.json").write_text("{")
    accounts = samples / "accounts.jsonl"
    whole = extract(uploads, accounts, tmp_path / "whole", settings(None))
    parts = [tmp_path / f"part-{number}" for number in (1, 2, 3)]
    reports = [
        extract(uploads, accounts, part, settings(Shard(number, 3)))
        for number, part in enumerate(parts, start=1)
    ]
    assert sum(report.counts["uploaded"] for report in reports) == whole.counts["uploaded"]
    assert sum(len(report.quarantined) for report in reports) == len(whole.quarantined)
    files = [str(part / "profiles.jsonl") for part in parts]
    merged = subprocess.run(
        [sys.executable, "-m", "glasses_signals", "merge", *files], capture_output=True, check=True
    )
    assert merged.stdout == (tmp_path / "whole" / "profiles.jsonl").read_bytes()
    assert merged.stdout


def settings(shard: Shard | None) -> ExtractSettings:
    return ExtractSettings(as_of=AS_OF, device="cpu", shard=shard)
