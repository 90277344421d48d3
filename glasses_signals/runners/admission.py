"""Which items need work: the account gate first, then the ledger, before any media is opened."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from glasses_signals.errors import BadInput
from glasses_signals.ledger.ledger import Ledger, Outcome
from glasses_signals.policy.accounts import account_gate
from glasses_signals.policy.policy import Policy
from glasses_signals.records import Account, Item, ItemState, Source
from glasses_signals.uploads.bundles import Refusal, check_inside
from glasses_signals.uploads.fields import format_time


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

    def __call__(self, uploads: Iterable[Item | Refusal]) -> Iterator[Admitted]:
        self.ledger.clear_refusals(self.source)
        for upload in uploads:
            self.counts["uploaded"] += 1
            if isinstance(upload, Refusal):
                self.counts["quarantined:manifest"] += 1
                self.ledger.refuse(upload.item_id, self.source, upload.where, upload.reason)
            else:
                admitted = self._admit(upload)
                if admitted is not None:
                    yield admitted

    def _admit(self, item: Item) -> Admitted | None:
        account = self.accounts.get(item.account_id)
        reason = account_gate(account, item, self.policy)
        if reason is None and self.ledger.is_forgotten(item.account_id, item.captured_at):
            reason = "forgotten"
        known = self.ledger.state(item.item_id)
        if reason is not None or account is None:
            self.counts[f"excluded:{reason}"] += 1
            if known is None or known[0] is not ItemState.EXCLUDED:
                self.ledger.exclude(item.item_id, item.source)
            return None
        self.counts["allowed"] += 1
        try:
            fingerprint = item_fingerprint(item)
        except BadInput as error:
            self.counts["quarantined:file"] += 1
            outcome = Outcome(item, ItemState.QUARANTINED, fingerprint="-", reason=str(error))
            self.ledger.record([outcome], hush_window_s=0)
            return None
        finished = (ItemState.DONE, ItemState.QUARANTINED)
        if known is not None and known[0] in finished and known[1] == fingerprint:
            self.counts["already_done"] += 1
            return None
        return Admitted(item, account, fingerprint)


def item_fingerprint(item: Item) -> str:
    """A hash that changes with the upload record or the file's size or time; reads no media.

    Raises BadInput when the file is not there, lies outside its bundle, or is no regular file.
    """
    facts: list[object] = [
        item.kind,
        format_time(item.captured_at),
        item.text,
        item.declared_sha256,
        item.watched_share,
    ]
    if item.path is not None:
        path = Path(item.path)
        try:
            check_inside(path, Path(item.root or path.parent))
            status = path.stat()
        except OSError as error:
            raise BadInput(f"can't be looked up: {error.strerror or error}") from None
        facts += [status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
