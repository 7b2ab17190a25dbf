-- What belongs to no single account. Times are microseconds since 1970, UTC; 0 is never.

-- Logins. Their names are nowhere: a login is found by its keyed hash.
CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    account       TEXT NOT NULL,
    blind         BLOB NOT NULL UNIQUE CHECK (length(blind) = 32),
    password_hash TEXT NOT NULL,
    public_keys   BLOB NOT NULL,              -- each as 4 bytes length, big-endian, and its wire form
    created_at    INTEGER NOT NULL,
    last_login    INTEGER NOT NULL,
    last_refusal  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_account ON users (account);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
