"""`ledger.sqlite`: states of items and the evidence they gave. One transaction a unit."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from glasses_signals.errors import CannotStart
from glasses_signals.ledger.migrations import SCHEMA_VERSION, migrate
from glasses_signals.ledger.rows import evidence_of, evidence_row, stored_time
from glasses_signals.records import Evidence, Item, ItemState, Source
from glasses_signals.times import format_time

HUSH_STEP_S = 10  # hushed stretches are kept as hashes of steps this long
_CONTESTED = (
    "(i.source = 'glasses' AND i.account_id IS NOT NULL AND EXISTS (SELECT 1 FROM items o"
    " WHERE o.source = 'glasses' AND o.sha256 = i.sha256 AND o.account_id <> i.account_id))"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item. `hushed` asks to empty the account's captures around it."""

    item: Item
    state: ItemState
    evidence: tuple[Evidence, ...] = ()
    fingerprint: str | None = None
    sha256: str | None = None
    reason: str | None = None
    hushed: bool = False


class Known(NamedTuple):
    """What is remembered of an item: how far it came, by which record and file, at which try."""

    state: ItemState
    fingerprint: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What can't be used: a file's path, or a place in a manifest; and why."""

    place: str
    reason: str


class Ledger:
    """Opened by one run at a time (`runners.hold_output` sees to that)."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises CannotStart when it can't be read."""
        self.path = path
        try:
            # SQLite gives its log the rights of this file: only the owner may read them.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create()
            elif version > SCHEMA_VERSION:
                raise CannotStart(
                    f"{path} has ledger schema {version}, this version reads {SCHEMA_VERSION}; "
                    "use the glasses-signals version that wrote it, or a new --out folder"
                )
            else:
                migrate(self._db, version)
        except (sqlite3.DatabaseError, OSError) as error:
            raise CannotStart(
                f"{path} can't be used as a ledger ({error}); restore it or use a new --out folder"
            ) from None
        self._salt = self._setting("salt")

    def _create(self) -> None:
        script = files("glasses_signals.ledger").joinpath("schema.sql").read_text()
        salt = secrets.token_hex(16)
        self._db.executescript(
            f"BEGIN; {script} INSERT INTO settings VALUES ('salt', '{salt}');"
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )

    def _setting(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def audience_key(self) -> bytes:
        """Secret that hides where audience sizes are rounded; the same for this ledger's life."""
        return hashlib.sha256(f"{self._salt}\x1faudience".encode()).digest()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Items

    def known(self, item_id: str) -> Known | None:
        """What is remembered of an item, or None when it was never seen."""
        row = self._db.execute(
            "SELECT state, fingerprint, attempts FROM items WHERE item_id = ?", (item_id,)
        ).fetchone()
        return None if row is None else Known(ItemState(row[0]), row[1], row[2])

    def record(
        self,
        outcomes: Iterable[Outcome],
        hush_window_s: float,
        models: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Store a unit's outcomes in one transaction: all of them or, after a crash, none.

        `models` are those in use, name to sha256, by stage (see `models`).
        """
        with self._transaction():
            self._note_models(models or {})
            for outcome in outcomes:
                self._record(outcome, hush_window_s)

    def _record(self, outcome: Outcome, hush_window_s: float) -> None:
        item = outcome.item
        done = outcome.state is ItemState.DONE
        quarantined = outcome.state is ItemState.QUARANTINED
        self._db.execute("DELETE FROM evidence WHERE item_id = ?", (item.item_id,))
        self._db.execute(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, "
            "1 + COALESCE((SELECT attempts FROM items WHERE item_id = ?), 0), ?, ?)",
            (
                item.item_id,
                item.account_id if done else None,
                format_time(item.captured_at) if done else None,
                item.source,
                outcome.state,
                outcome.fingerprint,
                outcome.sha256,
                item.item_id,
                item.path if quarantined else None,
                outcome.reason if quarantined else None,
            ),
        )
        if outcome.hushed:
            self._hush(item.account_id, item.captured_at, hush_window_s)
        elif not self._is_hushed(item.account_id, item.captured_at):
            self._db.executemany(
                "INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    evidence_row(e)
                    for e in outcome.evidence
                    if not self.is_forgotten(e.account_id, e.captured_at, e.interest_id)
                ],
            )

    def refuse(self, refusals: Iterable[tuple[str, Source, str, str]]) -> None:
        """Quarantine what never became an item: (id, source, place, reason) of bad manifests."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO items (item_id, source, place, reason, state) "
                "VALUES (?, ?, ?, ?, 'quarantined')",
                refusals,
            )

    def clear_refusals(self, source: Source) -> None:
        """Forget earlier refusals, before the uploads are read again."""
        self._db.execute(
            "DELETE FROM items WHERE state = 'quarantined' AND fingerprint IS NULL AND source = ?",
            (source,),
        )

    def exclude(self, items: Iterable[tuple[str, Source]]) -> None:
        """Items (id, source) that the account gate turned away: only their hash is kept."""
        with self._transaction():
            for item_id, source in items:
                self._db.execute("DELETE FROM evidence WHERE item_id = ?", (item_id,))
                self._db.execute(
                    "INSERT OR REPLACE INTO items (item_id, source, state) VALUES (?, ?, ?)",
                    (item_id, source, ItemState.EXCLUDED),
                )

    def counts(self) -> dict[str, int]:
        """How many items are in each state."""
        rows = self._db.execute("SELECT state, COUNT(*) FROM items GROUP BY state ORDER BY state")
        return dict(rows.fetchall())

    def quarantined(self) -> list[Quarantined]:
        """All that can't be used, by place."""
        rows = self._db.execute(
            "SELECT place, reason FROM items WHERE state = 'quarantined' ORDER BY place, item_id"
        )
        return [Quarantined(*row) for row in rows]

    # Conversation turns

    def _hush_key(self, account_id: str, step: int) -> str:
        return hashlib.sha256(
            f"{self._salt}\x1fhush\x1f{account_id}\x1f{step}".encode()
        ).hexdigest()

    def _hush(self, account_id: str, moment: datetime, window_s: float) -> None:
        first = int((moment.timestamp() - window_s) // HUSH_STEP_S)
        last = int((moment.timestamp() + window_s) // HUSH_STEP_S)
        self._db.executemany(
            "INSERT OR IGNORE INTO hushed VALUES (?)",
            [(self._hush_key(account_id, step),) for step in range(first, last + 1)],
        )
        epoch = moment - timedelta(seconds=moment.timestamp())
        start = epoch + timedelta(seconds=first * HUSH_STEP_S)
        end = epoch + timedelta(seconds=(last + 1) * HUSH_STEP_S)
        self._db.execute(
            "DELETE FROM evidence WHERE account_id = ? AND captured_at >= ? AND captured_at < ?",
            (account_id, format_time(start), format_time(end)),
        )

    def _is_hushed(self, account_id: str, moment: datetime) -> bool:
        key = self._hush_key(account_id, int(moment.timestamp() // HUSH_STEP_S))
        return self._db.execute("SELECT 1 FROM hushed WHERE key = ?", (key,)).fetchone() is not None

    # Evidence

    def accounts(self) -> Iterator[str]:
        """Ids of accounts with done items, in order, without loading them all."""
        last = ""
        while True:
            row = self._db.execute(
                "SELECT MIN(account_id) FROM items WHERE account_id > ?", (last,)
            ).fetchone()
            if row[0] is None:
                return
            last = row[0]
            yield last

    def done_items(self, account_id: str) -> list[tuple[str, datetime, Source]]:
        """(item id, capture time, source) of an account's done items."""
        rows = self._db.execute(
            "SELECT item_id, captured_at, source FROM items WHERE account_id = ? "
            "ORDER BY captured_at, item_id",
            (account_id,),
        )
        return [(i, stored_time(t), Source(s)) for i, t, s in rows]

    def evidence(self, account_id: str) -> list[Evidence]:
        """An account's evidence. The same bytes uploaded twice count once.

        A capture that another account uploaded too counts for neither: nobody knows whose it is.
        """
        rows = self._db.execute(
            "SELECT e.account_id, e.item_id, e.interest_id, e.kind, e.source, e.modality,"
            " e.captured_at, e.confidence, e.rule, e.labels, i.sha256"
            " FROM evidence e JOIN items i USING (item_id) WHERE e.account_id = ?"
            f" AND NOT {_CONTESTED} ORDER BY e.captured_at, e.item_id, e.interest_id, e.modality",
            (account_id,),
        )
        first_item: dict[str, str] = {}
        found = []
        for *values, sha256 in rows:
            evidence = evidence_of(values)
            if first_item.setdefault(sha256 or evidence.item_id, evidence.item_id) == (
                evidence.item_id
            ):
                found.append(evidence)
        return found

    def contested(self) -> int:
        """How many captures count for nobody because two accounts uploaded the same bytes."""
        query = f"SELECT COUNT(*) FROM items i WHERE {_CONTESTED}"
        return int(self._db.execute(query).fetchone()[0])

    def erase_before(self, moment: datetime) -> None:
        """Retention: evidence captured before `moment` goes for good."""
        self._db.execute("DELETE FROM evidence WHERE captured_at < ?", (format_time(moment),))

    # Rights of the account holder

    def _tombstone_key(self, account_id: str, interest_id: str | None) -> str:
        parts = f"{self._salt}\x1fforget\x1f{account_id}\x1f{interest_id or '*'}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def forget(
        self, account_id: str, interest_id: str | None = None, before: datetime | None = None
    ) -> int:
        """Erase an account's evidence (or one interest's, or all up to `before`) and keep it away.

        A salted hash stays behind so that a rerun over the same uploads does not bring it back.
        Returns the number of evidence rows erased. Raises sqlite3.OperationalError while another
        program reads, or when the disk is full.
        """
        where, values = "account_id = ?", [account_id]
        if interest_id is not None:
            where, values = where + " AND interest_id = ?", [*values, interest_id]
        if before is not None:
            where, values = where + " AND captured_at < ?", [*values, format_time(before)]
        with self._transaction():
            erased = self._db.execute(f"DELETE FROM evidence WHERE {where}", values).rowcount
            if interest_id is None:
                self._unname_items(account_id, before)
            self._db.execute(
                "INSERT INTO tombstones VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET before ="
                " CASE WHEN before IS NULL OR excluded.before IS NULL THEN NULL"
                " ELSE MAX(before, excluded.before) END",
                (
                    self._tombstone_key(account_id, interest_id),
                    format_time(before) if before else None,
                ),
            )
        self._compact()
        return erased

    def _unname_items(self, account_id: str, before: datetime | None) -> None:
        limit = format_time(before) if before else "9999"
        self._db.execute(
            "UPDATE items SET state = 'excluded', account_id = NULL, captured_at = NULL,"
            " sha256 = NULL, fingerprint = NULL WHERE account_id = ? AND captured_at < ?",
            (account_id, limit),
        )

    def is_forgotten(
        self, account_id: str, captured_at: datetime, interest_id: str | None = None
    ) -> bool:
        """Whether the account holder had this erased: everything, or this one interest."""
        row = self._db.execute(
            "SELECT before FROM tombstones WHERE key = ?",
            (self._tombstone_key(account_id, interest_id),),
        ).fetchone()
        return row is not None and (row[0] is None or format_time(captured_at) < row[0])

    def _compact(self) -> None:
        """Leave no deleted byte behind, in the file or in its write-ahead log."""
        self._db.execute("VACUUM")
        busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            # Its view keeps the log as it was.
            raise sqlite3.OperationalError(f"another program has {self.path.name} open")

    # Models

    def _note_models(self, models: Mapping[str, Mapping[str, str]]) -> None:
        """Remember which models the stored evidence comes from; as `models` gives them."""
        rows = [(stage, *used) for stage in models for used in models[stage].items()]
        self._db.executemany("INSERT OR REPLACE INTO models VALUES (?, ?, ?)", sorted(rows))

    def models(self) -> dict[str, dict[str, str]]:
        """Model names and their sha256, by the stage that used them."""
        found: dict[str, dict[str, str]] = {}
        for stage, name, sha256 in self._db.execute("SELECT * FROM models ORDER BY stage, name"):
            found.setdefault(stage, {})[name] = sha256
        return found

    # Clock

    def latest_run(self) -> datetime | None:
        """The latest moment that a run went by, None before the first."""
        row = self._db.execute("SELECT value FROM settings WHERE name = 'latest_run'").fetchone()
        return None if row is None else stored_time(row[0])

    def note_run(self, moment: datetime) -> None:
        """Remember the moment that a run goes by, for `latest_run`."""
        self._db.execute(
            "INSERT OR REPLACE INTO settings VALUES ('latest_run', ?)", (format_time(moment),)
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # on a full disk SQLite has rolled back by itself
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
