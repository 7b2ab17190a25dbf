-- What a protected account keeps outside of its index (sealedlog.go). Times are microseconds since 1970, UTC.

-- The ledger's newest row, whether it is in the index already or not, to whom segments are sealed, and the key of the hashes below,
-- which a change of the unlock key must not change.
CREATE TABLE head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    seq      INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    public   BLOB NOT NULL,                   -- whose private half follows from the index's own key
    hash_key BLOB NOT NULL                    -- random, 32 bytes
) STRICT;
INSERT INTO head VALUES (1, 0, zeroblob(32), x'', x''); -- no log yet: indexer.Protect fills it

-- Each delivery, as far as it may be known while the index is locked: no names, no parties, no amounts.
CREATE TABLE files (
    n            INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    reversed     TEXT NOT NULL UNIQUE,        -- the id backwards: people type its ending
    received_at  INTEGER NOT NULL,
    door         TEXT NOT NULL,
    size         INTEGER NOT NULL,
    verdict      TEXT NOT NULL,
    codes        TEXT NOT NULL,               -- the reasons' codes, a blank before and after each
    fate         TEXT NOT NULL,
    duplicate_of TEXT NOT NULL,
    content      BLOB,                        -- keyed hash of the content's SHA-256
    business     BLOB,                        -- keyed hash of the business key's
    sha256       BLOB,                        -- of the content of a fetched file, which the poll ledger has in plain too
    seq          INTEGER NOT NULL,            -- its newest row of the ledger
    hash         BLOB NOT NULL
) STRICT;
CREATE INDEX files_received ON files (received_at, n);
CREATE INDEX files_content ON files (content, received_at) WHERE verdict <> 'rejected';
CREATE INDEX files_business ON files (business, received_at) WHERE business IS NOT NULL AND verdict <> 'rejected';
CREATE INDEX files_held ON files (received_at) WHERE verdict = 'held';

-- The first secrets of the ratchets, each sealed to that public half.
CREATE TABLE segments (
    s   INTEGER PRIMARY KEY AUTOINCREMENT,
    box BLOB NOT NULL
) STRICT;

-- What is to be merged into the index, in this order.
CREATE TABLE records (
    n    INTEGER PRIMARY KEY,                 -- of its row of the ledger: the index has it if its own ledger goes as far
    s    INTEGER NOT NULL,
    step INTEGER NOT NULL,                    -- of the segment's ratchet
    at   INTEGER NOT NULL,
    file TEXT NOT NULL,                       -- the delivery that it is; '' if it is none
    data BLOB NOT NULL
) STRICT;
CREATE INDEX records_file ON records (file) WHERE file <> '';

-- Payments of large files, sealed under a key that the file's record holds. Written while the file arrives.
CREATE TABLE pieces (
    file TEXT NOT NULL,
    no   INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (file, no)
) STRICT;

PRAGMA user_version = 1;
