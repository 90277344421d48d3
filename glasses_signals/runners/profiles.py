"""From the ledger to everybody's profiles, as policy and accounts stand now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import glasses_signals
from glasses_signals.interests.aggregate import aggregate
from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.accounts import account_gate
from glasses_signals.policy.combinations import bar_combinations
from glasses_signals.policy.policy import Policy
from glasses_signals.policy.sensitive import blocked_nodes
from glasses_signals.profiles.document import Document, Producer, build_profile
from glasses_signals.records import Account, Evidence, Item, ItemKind, Modality


def account_profiles(
    ledger: Ledger,
    accounts: Mapping[str, Account],
    policy: Policy,
    as_of: datetime,
) -> Iterator[Document]:
    """Profile documents of the accounts that have any interest, by account id.

    Stored evidence is judged again by the account gate: what a changed policy or account no longer
    allows is erased from the ledger, not only left out.
    """
    ledger.erase_before(as_of - timedelta(days=policy.retention_days))
    models = ledger.models()
    for account_id in ledger.accounts():
        _erase_disallowed(ledger, accounts.get(account_id), account_id, policy)
        document = account_profile(ledger, account_id, policy, as_of, models)
        if document is not None:
            yield document


def account_profile(
    ledger: Ledger,
    account_id: str,
    policy: Policy,
    as_of: datetime,
    models: Mapping[str, Mapping[str, str]],
) -> Document | None:
    """What the account's evidence adds up to, without nodes and combinations that policy bars.

    None when that is nothing. `models` are the ledger's.
    """
    blocked = blocked_nodes()
    evidence = [e for e in ledger.evidence(account_id) if e.interest_id not in blocked]
    interests = aggregate(evidence, policy, as_of)
    barred = bar_combinations(frozenset(i.interest_id for i in interests), policy)
    told = [i for i in interests if i.interest_id not in barred]
    if not told:
        return None
    producer = Producer(
        name="glasses-signals",
        version=glasses_signals.__version__,
        models=_models_behind(evidence, models),
        policy_sha256=policy.sha256,
    )
    return build_profile(account_id, told, as_of, producer)


def _models_behind(
    evidence: Iterable[Evidence], models: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """The models that this evidence went through, and no others: shards know fewer of them."""
    stages = set()
    for line in evidence:
        if line.rule == "label":
            stages.add("tagger")
        else:
            stages.add("judge")
            if line.modality in (Modality.VOICE, Modality.VIDEO):
                stages.add("transcriber")
            elif line.modality is Modality.OCR:
                stages.add("reader")
    return {name: sha for stage in stages for name, sha in models.get(stage, {}).items()}


def _erase_disallowed(
    ledger: Ledger, account: Account | None, account_id: str, policy: Policy
) -> None:
    disallowed = []
    for item_id, captured_at, source in ledger.done_items(account_id):
        stored = Item(item_id, account_id, source, ItemKind.TEXT, captured_at, ai_interaction=True)
        if account_gate(account, stored, policy) is not None:
            disallowed.append((item_id, source))
    if disallowed:
        ledger.exclude(disallowed)
