"""Steps that bring a ledger of an earlier version up to date, kept for as long as one may exist."""

from __future__ import annotations

import sqlite3

# The script at place n brings schema n + 1 to n + 2. `schema.sql` is what they all lead to.
MIGRATIONS = (
    """
    CREATE TABLE staged_models (
        stage TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (stage, name)
    ) WITHOUT ROWID;
    INSERT INTO staged_models
    SELECT CASE
        WHEN name LIKE 'whisper%' OR name LIKE 'silero%' THEN 'transcriber'
        WHEN name LIKE 'efficientnet%' THEN 'tagger'
        ELSE 'judge' END, name, sha256
    FROM models;
    DROP TABLE models;
    ALTER TABLE staged_models RENAME TO models;
    CREATE INDEX items_quarantined ON items (place, item_id) WHERE state = 'quarantined';
    CREATE INDEX items_by_capture ON items (sha256)
    WHERE source = 'glasses' AND account_id IS NOT NULL;
    """,
)
SCHEMA_VERSION = len(MIGRATIONS) + 1


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring an open ledger from schema `version` to SCHEMA_VERSION, each step all or nothing."""
    for reached, script in enumerate(MIGRATIONS[version - 1 :], start=version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {reached}; COMMIT;")
