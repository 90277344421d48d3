-- Never holds words that were said, written or read, pictures, places, or why something was
-- excluded: a stored reason such as "health" would itself be a health inference.
CREATE TABLE items (
    item_id      TEXT PRIMARY KEY,   -- hash of source, account, upload and path
    account_id   TEXT,               -- NULL unless the item is done
    captured_at  TEXT,
    source       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'done', 'excluded', 'quarantined')),
    fingerprint  TEXT,               -- of the upload record and the file's size and time
    sha256       TEXT,               -- of the media bytes or the text
    attempts     INTEGER NOT NULL DEFAULT 0,
    place        TEXT,               -- quarantined only: where the file stands
    reason       TEXT                -- quarantined only: why it can't be used
) WITHOUT ROWID;
CREATE INDEX items_by_account ON items (account_id, captured_at) WHERE account_id IS NOT NULL;

CREATE TABLE evidence (
    account_id   TEXT NOT NULL,
    interest_id  TEXT NOT NULL,
    item_id      TEXT NOT NULL,
    modality     TEXT NOT NULL,
    kind         TEXT NOT NULL,
    source       TEXT NOT NULL,
    captured_at  TEXT NOT NULL,
    confidence   REAL NOT NULL,
    rule         TEXT NOT NULL,
    labels       TEXT NOT NULL,      -- JSON list of label names, pictures only
    PRIMARY KEY (account_id, interest_id, item_id, modality)
) WITHOUT ROWID;
CREATE INDEX evidence_by_item ON evidence (item_id);

-- Salted hashes: stretches of an account's time that must stay empty, and what was forgotten.
CREATE TABLE hushed (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE tombstones (key TEXT PRIMARY KEY, before TEXT) WITHOUT ROWID;

-- Models that the evidence comes from.
CREATE TABLE models (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

INSERT INTO settings VALUES ('salt', '00');
INSERT INTO models VALUES ('whisper-base', 'a'), ('efficientnet-lite0', 'b'), ('all-minilm-l6-v2', 'c');
INSERT INTO items VALUES
    ('i1', 'acct-1', '2026-01-05T12:00:00Z', 'glasses', 'done', 'f', 's', 1, NULL, NULL);
INSERT INTO evidence VALUES
    ('acct-1', '625', 'i1', 'voice', 'interest', 'glasses', '2026-01-05T12:00:00Z', 0.8, 'text', '[]');
