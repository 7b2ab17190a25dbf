-- Of a protected account's log (sealedlog.go): what has been merged, and what must be put right in the ledger behind it.
CREATE TABLE merged (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL                      -- the last record that is in here
) STRICT;
INSERT INTO merged VALUES (1, 0);
CREATE TABLE restate (
    seq  INTEGER PRIMARY KEY,                 -- of the ledger's row after which the file is as it is, not as that row says
    file TEXT NOT NULL,
    kind TEXT NOT NULL                        -- of the row that is to say so
) STRICT;

PRAGMA user_version = 4;
