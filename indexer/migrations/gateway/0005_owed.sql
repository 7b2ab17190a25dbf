-- Rows of accounts' ledgers that changes of logins owe: each is written with its change, and leaves once it is entered.
CREATE TABLE owed (
    n       INTEGER PRIMARY KEY AUTOINCREMENT, -- in this order
    account TEXT NOT NULL,
    kind    TEXT NOT NULL,
    who     TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;

PRAGMA user_version = 5;
