-- How a part of a name is found (names.go). Files without segments, such as older and small ones, are answered from their
-- blocks. All of this can be made again from the blocks (Index.RenewNames).

-- Every folded name of the account, once: in chunks, as text to be searched and as hashes. A name that an accepted file
-- has brought is not stored again with the next one.
CREATE TABLE names (
    n     INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again
    file  TEXT NOT NULL,                      -- that brought it, and takes it along when it goes; '' once it is to stay
    first INTEGER NOT NULL,                   -- of its segment
    kept  INTEGER,                            -- grows with each file that was accepted, and when chunks become one
    grade INTEGER NOT NULL,                   -- how often it was put together from small ones; 9: it is large enough
    count INTEGER NOT NULL,                   -- of its names
    sum   INTEGER NOT NULL                    -- CRC-32C of its text, as it is stored
) STRICT;
CREATE INDEX names_file ON names (file, first) WHERE file <> '';
CREATE INDEX names_kept ON names (kept, n) WHERE kept IS NOT NULL;
CREATE INDEX names_small ON names (grade, n) WHERE kept IS NOT NULL AND grade < 9;
CREATE TABLE name_texts (n INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE name_hashes (n INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- One row: the secret key of the names' hashes, so that nobody can hide a name behind another of the same hash; and all
-- chunks' sums together, so that one that is lost is missed.
CREATE TABLE name_list (key BLOB NOT NULL, total INTEGER NOT NULL) STRICT;
INSERT INTO name_list VALUES (randomblob(16), 0);

-- Up to 32 successive blocks of a file. A file has segments for all of its blocks, or none.
CREATE TABLE segments (
    s      INTEGER PRIMARY KEY AUTOINCREMENT,
    file   TEXT NOT NULL,
    first  INTEGER NOT NULL,                  -- number of its first block
    blocks INTEGER NOT NULL,
    shift  INTEGER NOT NULL CHECK (shift BETWEEN 0 AND 5) -- it has 32 >> shift pieces
) STRICT;
CREATE UNIQUE INDEX segments_file ON segments (file, first);

-- Which names are in which of a segment's blocks, in pieces by the names' hashes: p = 32 s + piece. Each ends with its
-- CRC-32C, little-endian.
CREATE TABLE segment_pieces (p INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

PRAGMA user_version = 3;
