-- What the customer may fetch from /outbox, and what is delivered to its own servers. The content lies here, in pieces.
CREATE TABLE outbox (
    n       INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    name    TEXT NOT NULL UNIQUE,             -- under which it is shown, from its first moment to its last
    size    INTEGER NOT NULL,
    sha256  BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    who     TEXT NOT NULL
) STRICT;
CREATE TABLE outbox_data (
    id   TEXT NOT NULL,                       -- written before the row of outbox, removed after it: without one it is swept
    no   INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (id, no)
) STRICT;

-- What is on its way to the customer's servers: receipts, and what lies in the outbox.
CREATE TABLE sends (
    n       INTEGER PRIMARY KEY,
    remote  TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('receipt', 'file')),
    file    TEXT NOT NULL,                    -- the delivery that a receipt is of, or the id in the outbox
    name    TEXT NOT NULL,                    -- under which it arrives there
    state   TEXT NOT NULL CHECK (state IN ('waiting', 'placing', 'sent')),
    tries   INTEGER NOT NULL DEFAULT 0,       -- that failed
    trouble TEXT NOT NULL DEFAULT '',         -- of the last one
    next_at INTEGER NOT NULL DEFAULT 0,
    made_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sends_waiting ON sends (remote, next_at, n) WHERE state <> 'sent';
CREATE INDEX sends_file ON sends (file);

PRAGMA user_version = 2;
