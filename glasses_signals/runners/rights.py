"""What an account holder may ask for: forgetting, and staying out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from glasses_signals.errors import CannotStart, RunStopped
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.policy import Policy, load_policy
from glasses_signals.profiles.document import Document
from glasses_signals.profiles.files import read_profiles, write_profiles
from glasses_signals.runners.output import PROFILES_NAME, REPORT_NAME, hold_output, open_ledger
from glasses_signals.runners.profiles import account_profile
from glasses_signals.times import parse_time


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows of evidence went, and whether a report that may have told of them went too."""

    evidence: int
    report: bool


def forget(
    out: Path,
    account_id: str,
    interest_id: str | None = None,
    before: datetime | None = None,
    policy: Path | None = None,
) -> Erased:
    """Erase an account's evidence captured before `before` (now), or one interest's for good.

    Profiles are rewritten; the next `extract` finishes a rewriting that was interrupted. Raises
    CannotStart when there is no ledger in `out`, BadPolicy, and RunStopped when the same command
    must be given again.
    """
    if interest_id is None and before is None:
        before = datetime.now(UTC)
    return _erase(out, account_id, interest_id, before, load_policy(policy))


def opt_out(out: Path, account_id: str, policy: Path | None = None) -> Erased:
    """Erase an account and keep its uploads out of all later runs. Raises as `forget` does."""
    return _erase(out, account_id, None, None, load_policy(policy))


def _erase(
    out: Path,
    account_id: str,
    interest_id: str | None,
    before: datetime | None,
    policy: Policy,
) -> Erased:
    if not out.is_dir():
        raise CannotStart(f"{out} is not a folder; give the --out folder of an extract run")
    with hold_output(out), open_ledger(out) as ledger:
        try:
            evidence = ledger.forget(account_id, interest_id, before)
            path = out / PROFILES_NAME
            if path.exists():
                write_profiles(path, _rewritten(path, ledger, account_id, policy))
            report = out / REPORT_NAME
            had_report = report.exists()
            report.unlink(missing_ok=True)
        except (sqlite3.OperationalError, OSError) as error:
            raise RunStopped(
                f"forgetting is not finished: {error}. Make room or mend {out}, "
                "then run the same command again"
            ) from error
    return Erased(evidence, had_report)


def _rewritten(path: Path, ledger: Ledger, account_id: str, policy: Policy) -> Iterator[Document]:
    for _, document in read_profiles(path):
        if document["account_id"] != account_id:
            yield document
            continue
        as_of = parse_time(document["as_of"])
        assert as_of is not None  # written by format_time
        left = account_profile(ledger, account_id, policy, as_of, ledger.models())
        if left is not None:
            yield left
