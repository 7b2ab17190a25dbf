-- One account's index and ledger. Times are microseconds since 1970, UTC.

-- A delivery, whatever became of it. Columns for what is filtered, listed or looked up; the rest of the facts is JSON.
CREATE TABLE files (
    n               INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    reversed        TEXT NOT NULL UNIQUE,     -- the id backwards: people type its ending
    account         TEXT NOT NULL,
    name            TEXT NOT NULL,
    door            TEXT NOT NULL,
    user            TEXT NOT NULL,
    received_at     INTEGER NOT NULL,
    size            INTEGER NOT NULL,
    sha256          BLOB,
    business        BLOB,                     -- SHA-256 of the business key; the key itself is not kept
    format          TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    payments        INTEGER NOT NULL,
    first_execution TEXT NOT NULL,
    last_execution  TEXT NOT NULL,
    verdict         TEXT NOT NULL CHECK (verdict IN ('accepted', 'held', 'rejected')),
    codes           TEXT NOT NULL,            -- the reasons' codes, a blank before and after each
    reasons         TEXT NOT NULL,            -- JSON
    sentence        TEXT NOT NULL,
    fate            TEXT NOT NULL CHECK (fate IN ('sealed', 'deleted', '')),
    certificate     TEXT NOT NULL,
    duplicate_of    TEXT NOT NULL,
    copy_size       INTEGER NOT NULL,
    copy_path       TEXT NOT NULL,
    witness         BLOB,
    blocks          INTEGER NOT NULL,         -- how many blocks of payments there are
    blocks_sha256   BLOB,                     -- SHA-256 of all of their bytes, in order
    facts           TEXT NOT NULL,            -- JSON
    taken           INTEGER NOT NULL GENERATED ALWAYS AS (verdict <> 'rejected') VIRTUAL,
    answers         TEXT GENERATED ALWAYS AS (facts ->> 'answers') VIRTUAL, -- message id of the file that this one answers
    found           TEXT GENERATED ALWAYS AS (facts ->> 'found') VIRTUAL    -- the findings' codes, a blank before and after each
) STRICT;

CREATE INDEX files_received ON files (received_at, n);
CREATE INDEX files_sha256 ON files (sha256, taken, received_at);
CREATE INDEX files_business ON files (business, taken, received_at) WHERE business IS NOT NULL;
CREATE INDEX files_message ON files (message_id, received_at) WHERE message_id <> '';
CREATE INDEX files_answers ON files (answers, received_at) WHERE answers IS NOT NULL;
CREATE INDEX files_found ON files (received_at, n) WHERE found IS NOT NULL;
CREATE INDEX files_troubled ON files (received_at, n) WHERE codes <> '';
CREATE INDEX files_held ON files (received_at, n) WHERE verdict = 'held';

-- Sealed copies small enough to be kept here.
CREATE TABLE copies (
    n    INTEGER PRIMARY KEY REFERENCES files (n),
    data BLOB NOT NULL
) STRICT;

CREATE TABLE findings (
    n    INTEGER PRIMARY KEY REFERENCES files (n),
    data TEXT NOT NULL                        -- JSON
) STRICT;

-- Payments, up to 1,024 a block. Shown only if their file is there and not rejected.
CREATE TABLE blocks (
    b       INTEGER PRIMARY KEY,
    file    TEXT NOT NULL,
    no      INTEGER NOT NULL,                 -- from 0
    summary BLOB NOT NULL,                    -- what lies in it, at most: amounts, dates
    filter  BLOB,                             -- of all its ids, accounts, references, amounts, folded, if it is small
    data    BLOB                              -- the block, if it is small
) STRICT;
CREATE UNIQUE INDEX blocks_file ON blocks (file, no);

-- Larger blocks lie apart from the summaries, so that these lie close together.
CREATE TABLE block_data (
    b    INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- The filters of larger blocks, a table for each kind of key: a question reads those of its kind only, two a page.
CREATE TABLE filter_ids (b INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE filter_accounts (b INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE filter_references (b INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE filter_amounts (b INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- Files with blocks that must go if nobody finishes the job: uploads under way, discarded or rejected files.
CREATE TABLE uploads (
    file TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The hash chain of all state changes. hash = SHA-256 over all other columns and the row before (ledger.go).
CREATE TABLE ledger (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    file   TEXT NOT NULL,
    who    TEXT NOT NULL,
    detail TEXT NOT NULL,
    record BLOB,                              -- digest of the file's row as it is after this change
    prev   BLOB NOT NULL,
    hash   BLOB NOT NULL
) STRICT;
CREATE INDEX ledger_file ON ledger (file, seq) WHERE file <> '';

CREATE TRIGGER ledger_stays BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_keeps BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_grows BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT 1 + coalesce((SELECT max(seq) FROM ledger), 0)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

PRAGMA user_version = 1;
