"""Which items need work: the account gate first, then the ledger, before any media is opened."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from glasses_signals.errors import BadInput
from glasses_signals.ledger.ledger import Known, Ledger, Outcome
from glasses_signals.policy.accounts import account_gate
from glasses_signals.policy.policy import Policy
from glasses_signals.records import Account, Item, ItemState, Source
from glasses_signals.times import format_time
from glasses_signals.uploads.bundles import Refusal
from glasses_signals.uploads.local import local_file_facts

# Turned-away items are stored so many at a time: a transaction each would wait for the disk each.
BATCH_ITEMS = 1000
# A file that could not be read may be there tomorrow; one that kills its decoder won't get better.
MAX_ATTEMPTS = 3
_UNREAD = "unread:"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An item that may be used and was not done yet, with the account it belongs to."""

    item: Item
    account: Account
    fingerprint: str


@dataclass(slots=True)
class Admission:
    """Turns what was uploaded into what is to be done, counting the rest by reason."""

    accounts: Mapping[str, Account]
    policy: Policy
    ledger: Ledger
    source: Source
    counts: Counter[str]
    as_of: datetime | None = None
    file_facts: Callable[[Item], list[object]] = local_file_facts
    rehearsal: bool = False  # only count, and write nothing down
    # Turned away and not yet stored.
    _excluded: list[tuple[str, Source]] = field(init=False, default_factory=list)
    _refused: list[tuple[str, Source, str, str]] = field(init=False, default_factory=list)
    _missing: list[Outcome] = field(init=False, default_factory=list)

    def __call__(self, uploads: Iterable[Item | Refusal]) -> Iterator[Admitted]:
        """The items among `uploads` that are to be done, in order."""
        if not self.rehearsal:
            self.ledger.clear_refusals(self.source)
        for upload in uploads:
            self.counts["uploaded"] += 1
            if isinstance(upload, Refusal):
                self.counts["quarantined:manifest"] += 1
                refusal = (upload.item_id, self.source, upload.where, upload.reason)
                self._refused.append(refusal)
            else:
                admitted = self._admit(upload)
                if admitted is not None:
                    yield admitted
            if len(self._excluded) + len(self._refused) + len(self._missing) >= BATCH_ITEMS:
                self._store()
        self._store()

    def _store(self) -> None:
        """Write down what was turned away; a run killed before turns it away again."""
        if not self.rehearsal:
            self.ledger.exclude(self._excluded)
            self.ledger.refuse(self._refused)
            self.ledger.record(self._missing, hush_window_s=0)
        for turned_away in (self._excluded, self._refused, self._missing):
            turned_away.clear()

    def _admit(self, item: Item) -> Admitted | None:
        account = self.accounts.get(item.account_id)
        reason = account_gate(account, item, self.policy, self.as_of)
        if reason is None and self.ledger.is_forgotten(item.account_id, item.captured_at):
            reason = "forgotten"
        known = self.ledger.known(item.item_id)
        if reason is not None or account is None:
            self.counts[f"excluded:{reason}"] += 1
            if known is None or known.state is not ItemState.EXCLUDED:
                self._excluded.append((item.item_id, item.source))
            return None
        self.counts["allowed"] += 1
        try:
            fingerprint = item_fingerprint(item, self.file_facts)
        except BadInput as error:
            self._note_missing(item, known, str(error))
            return None
        if known is not None and _is_settled(known, fingerprint):
            self.counts["already_done"] += 1
            return None
        return Admitted(item, account, fingerprint)

    def _note_missing(self, item: Item, known: Known | None, reason: str) -> None:
        if known is not None and known.state is ItemState.DONE:
            self.counts["already_done"] += 1  # media may be removed once they are done
            return
        self.counts["quarantined:file"] += 1
        missing = Outcome(item, ItemState.QUARANTINED, fingerprint=_UNREAD, reason=reason)
        self._missing.append(missing)


def unread(fingerprint: str) -> str:
    """What to store for a file that was not read to its end: it is tried again in later runs."""
    return _UNREAD + fingerprint


def _is_settled(known: Known, fingerprint: str) -> bool:
    if known.state not in (ItemState.DONE, ItemState.QUARANTINED):
        return False
    if known.fingerprint == unread(fingerprint):
        return known.attempts >= MAX_ATTEMPTS
    return known.fingerprint == fingerprint


def item_fingerprint(item: Item, file_facts: Callable[[Item], list[object]]) -> str:
    """A hash that changes with the upload record or the file behind it; reads no media.

    Raises BadInput when the file is not there or can't be used.
    """
    facts: list[object] = [
        item.kind,
        format_time(item.captured_at),
        item.text,
        item.declared_sha256,
        item.watched_share,
    ]
    if item.path is not None:
        facts += file_facts(item)
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
