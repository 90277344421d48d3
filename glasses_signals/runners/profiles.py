"""From the ledger to everybody's profiles, as policy and accounts stand now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from glasses_signals.interests.aggregate import aggregate
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.accounts import account_gate
from glasses_signals.policy.combinations import bar_combinations
from glasses_signals.policy.policy import Policy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.profiles.document import Document, Producer, build_profile
from glasses_signals.records import Account, Interest, Item, ItemKind


def account_profiles(
    ledger: Ledger,
    accounts: Mapping[str, Account],
    policy: Policy,
    as_of: datetime,
    producer: Producer,
) -> Iterator[Document]:
    """Profile documents of the accounts that have any interest, by account id.

    Stored evidence is judged again by the account gate: what a changed policy or account no longer
    allows is erased from the ledger, not only left out.
    """
    ledger.erase_before(as_of - timedelta(days=policy.retention_days))
    for account_id in ledger.accounts():
        _erase_disallowed(ledger, accounts.get(account_id), account_id, policy)
        interests = account_interests(ledger, account_id, policy, as_of)
        if interests:
            yield build_profile(account_id, interests, as_of, producer)


def account_interests(
    ledger: Ledger, account_id: str, policy: Policy, as_of: datetime
) -> list[Interest]:
    """What the account's evidence adds up to, without nodes and combinations that policy bars."""
    evidence = [e for e in ledger.evidence(account_id) if e.interest_id not in blocked_nodes()]
    interests = aggregate(evidence, policy, as_of)
    barred = bar_combinations(frozenset(i.interest_id for i in interests), policy)
    return [i for i in interests if i.interest_id not in barred]


def _erase_disallowed(
    ledger: Ledger, account: Account | None, account_id: str, policy: Policy
) -> None:
    for item_id, captured_at, source in ledger.done_items(account_id):
        stored = Item(item_id, account_id, source, ItemKind.TEXT, captured_at, ai_interaction=True)
        if account_gate(account, stored, policy) is not None:
            ledger.exclude(item_id, source)
