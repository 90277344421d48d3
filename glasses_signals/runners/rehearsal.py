"""`extract --dry-run`: what the gates would let through, with no media opened, no word written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from glasses_signals.ledger.ledger import Ledger
from glasses_signals.policy.policy import load_policy
from glasses_signals.records import Item
from glasses_signals.runners.admission import Admission
from glasses_signals.runners.extract import ExtractSettings, read_uploads, today
from glasses_signals.runners.output import LEDGER_NAME, hold_output
from glasses_signals.uploads.accounts import read_accounts
from glasses_signals.uploads.bundles import Refusal
from glasses_signals.uploads.place import open_uploads

# What a manifest that can't be used belongs to: which account it is of nobody knows.
NO_ACCOUNT = "(unusable manifests)"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a run would do. `counts` by reason are as in a run report; `would_open` is by kind.

    `refused` are manifests and lines that can't be used.
    """

    counts: Mapping[str, int]
    would_open: Mapping[str, int]
    by_account: Mapping[str, Mapping[str, int]]
    refused: tuple[Refusal, ...]
    account_problems: tuple[str, ...]


def rehearse(
    uploads: Path | str, accounts: Path, out: Path, settings: ExtractSettings
) -> Rehearsal:
    """Ask the account gates and the ledger about every item; media are neither opened nor fetched.

    The sensitive gate reads words, so what it would drop only a run can tell. Raises CannotStart
    and BadPolicy as `extract` does; needs no models.
    """
    policy = load_policy(settings.policy)
    accounts_file = read_accounts(accounts)
    counts: Counter[str] = Counter()
    by_account: defaultdict[str, Counter[str]] = defaultdict(Counter)
    refused: list[Refusal] = []
    with ExitStack() as held, open_uploads(uploads, settings.source) as place:
        ledger = _ledger(out, held)
        admission = Admission(
            accounts_file.accounts,
            policy,
            ledger,
            settings.source,
            counts,
            settings.as_of or today(ledger),
            place.file_facts,
            rehearsal=True,
        )
        read = read_uploads(place, settings.shard)
        admitted = admission(_noting(read, counts, by_account, refused))
        would_open = Counter(str(entry.item.kind) for entry in admitted)
    return Rehearsal(counts, would_open, by_account, tuple(refused), accounts_file.problems)


def _ledger(out: Path, held: ExitStack) -> Ledger:
    """The ledger in `out`, held so that no run changes it meanwhile; without one, an empty one."""
    if (out / LEDGER_NAME).is_file():
        held.enter_context(hold_output(out))
        return held.enter_context(Ledger(out / LEDGER_NAME))
    return held.enter_context(Ledger(Path(held.enter_context(TemporaryDirectory())) / LEDGER_NAME))


def _noting(
    uploads: Iterable[Item | Refusal],
    counts: Counter[str],
    by_account: defaultdict[str, Counter[str]],
    refused: list[Refusal],
) -> Iterator[Item | Refusal]:
    """Pass uploads on, and note what was counted for each by the time the next is asked for."""
    for upload in uploads:
        before = counts.copy()
        yield upload
        if isinstance(upload, Refusal):
            refused.append(upload)
        account_id = upload.account_id if isinstance(upload, Item) else NO_ACCOUNT
        by_account[account_id].update(counts - before)
