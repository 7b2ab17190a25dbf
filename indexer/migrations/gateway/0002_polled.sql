-- Customers' servers. Times are microseconds since 1970, UTC; 0 is never, or not told.

-- What is known of the files there, so that each is taken exactly once.
DROP TABLE IF EXISTS polled; -- of a build before the first release
CREATE TABLE polled (
    account TEXT NOT NULL,
    remote  TEXT NOT NULL,
    path    BLOB NOT NULL,                    -- below the remote's folder, the server's bytes
    size    INTEGER NOT NULL,
    listed  INTEGER NOT NULL,                 -- its time in a listing, for some servers to the minute
    time    INTEGER NOT NULL,                 -- its time when it was read, as exactly as the server tells it
    sure    INTEGER NOT NULL CHECK (sure IN (0, 1)), -- no other file can have that time in a listing any more
    sha256  BLOB CHECK (length(sha256) = 32), -- NULL unless it was read whole
    state   TEXT NOT NULL CHECK (state IN ('seen', 'again', 'taking', 'taken', 'refused', 'left', 'gone')),
    file    TEXT NOT NULL,                    -- the delivery's id, from taking on
    at      INTEGER NOT NULL,                 -- of this row's last change
    PRIMARY KEY (account, remote, path)
) STRICT, WITHOUT ROWID;
-- A look needs the rows of what lies there; those of what is gone are many, and asked for one by one.
CREATE INDEX polled_there ON polled (account, remote) WHERE state <> 'gone';
CREATE INDEX polled_gone ON polled (account, remote, at) WHERE state = 'gone';

-- How each has been doing, for "down since" after a restart.
CREATE TABLE remotes (
    account   TEXT NOT NULL,
    remote    TEXT NOT NULL,
    last_good INTEGER NOT NULL,
    last_file INTEGER NOT NULL,
    down      INTEGER NOT NULL,               -- since when; 0 if it is up
    PRIMARY KEY (account, remote)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 2;
