"""`accounts.jsonl`: who the uploads belong to and what they agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasses_signals.errors import BadInput, CannotStart
from glasses_signals.records import Account
from glasses_signals.times import parse_time
from glasses_signals.uploads.fields import name_field, read_json_lines


@dataclass(frozen=True, slots=True)
class AccountsFile:
    """`problems` are lines that could not be used; their accounts count as unknown, so excluded."""

    accounts: Mapping[str, Account]
    problems: tuple[str, ...]


def read_accounts(path: Path) -> AccountsFile:
    """Read one JSON object a line.

    A field that is missing or malformed becomes None, which the account gate treats as a no. An
    account id on two lines is dropped whole: nobody can say which line holds.

    Raises CannotStart when the file can't be opened.
    """
    accounts: dict[str, Account] = {}
    doubled: set[str] = set()
    problems: list[str] = []
    try:
        for number, record in read_json_lines(path):
            try:
                if isinstance(record, BadInput):
                    raise record
                account = parse_account(record)
            except BadInput as error:
                problems.append(f"{path.name}, line {number}: {error}")
                continue
            if account.account_id in accounts:
                doubled.add(account.account_id)
                problems.append(
                    f"{path.name}, line {number}: this account_id stands on an earlier line too; "
                    "keep one line per account"
                )
            accounts[account.account_id] = account
    except OSError as error:
        raise CannotStart(
            f"can't read the accounts file {path}: {error.strerror or error}. "
            "Pass it with --accounts; docs/formats.md shows its fields"
        ) from None
    for account_id in doubled:
        del accounts[account_id]
    return AccountsFile(accounts, tuple(problems))


def parse_account(record: Mapping[str, Any]) -> Account:
    """One line of `accounts.jsonl`. Raises BadInput when there is no usable `account_id`."""
    opted_out_at = parse_time(record.get("ads_opt_out_at"))
    opt_out = _flag(record.get("ads_opt_out"))
    if record.get("ads_opt_out_at") is not None and opted_out_at is None:
        opt_out = None  # a malformed opt-out time is doubt
    return Account(
        account_id=name_field(record, "account_id"),
        region=_region(record.get("region")),
        linked_products=_products(record.get("linked_products")),
        notice_sent_at=parse_time(record.get("notice_sent_at")),
        ads_opt_out=opt_out,
        minor=_flag(record.get("minor")),
        languages=_languages(record.get("languages")),
        ads_opt_out_at=opted_out_at,
    )


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _region(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _products(value: object) -> frozenset[str] | None:
    if isinstance(value, list) and all(isinstance(product, str) for product in value):
        return frozenset(value)
    return None


def _languages(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(language for language in value if isinstance(language, str))
    return ()
