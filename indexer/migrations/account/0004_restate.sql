-- What must be put right in the ledger behind what was merged from a protected account's log (unlock.go).
CREATE TABLE restate (
    seq  INTEGER PRIMARY KEY,                 -- of the ledger's row after which the file is as it is, not as that row says
    file TEXT NOT NULL,
    kind TEXT NOT NULL                        -- of the row that is to say so
) STRICT;

PRAGMA user_version = 4;
