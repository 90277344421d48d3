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
CREATE INDEX items_quarantined ON items (place, item_id) WHERE state = 'quarantined';
-- Finds captures that two accounts claim.
CREATE INDEX items_by_capture ON items (sha256)
WHERE source = 'glasses' AND account_id IS NOT NULL;

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

-- Models that the evidence comes from, by the stage that used them.
CREATE TABLE models (
    stage        TEXT NOT NULL,
    name         TEXT NOT NULL,
    sha256       TEXT NOT NULL,
    PRIMARY KEY (stage, name)
) WITHOUT ROWID;

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
