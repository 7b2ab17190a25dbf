-- How a part of a name is found (names.go). Files without segments, such as older and small ones, are answered from their
-- blocks.

-- Every folded name of the account, once: in chunks, as text to be searched and as hashes. A name that an accepted file
-- has brought is not stored again with the next one. A chunk goes with its file, unless that is accepted.
CREATE TABLE names (
    n     INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: it tells what is known already
    file  TEXT NOT NULL,                      -- that brought it; '' if it was made of several accepted files' chunks
    first INTEGER NOT NULL,                   -- of its segment
    grade INTEGER NOT NULL                    -- how often it was put together from small ones; 9: it is large enough
) STRICT;
CREATE INDEX names_file ON names (file, first) WHERE file <> '';
CREATE INDEX names_small ON names (grade, n) WHERE grade < 9;
CREATE TABLE name_texts (n INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE name_hashes (n INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- Up to 32 successive blocks of a file. A file has segments for all of its blocks, or none.
CREATE TABLE segments (
    s     INTEGER PRIMARY KEY,
    file  TEXT NOT NULL,
    first INTEGER NOT NULL,                   -- number of its first block
    shift INTEGER NOT NULL CHECK (shift BETWEEN 0 AND 5) -- it has 32 >> shift pieces
) STRICT;
CREATE UNIQUE INDEX segments_file ON segments (file, first);

-- Which names are in which of a segment's blocks, in pieces by the names' hashes: p = 32 s + piece.
CREATE TABLE segment_pieces (p INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;

-- The names' hashes begin with it, so that nobody can make two names of the same hash and hide one behind the other.
CREATE TABLE name_seed (seed INTEGER NOT NULL) STRICT;
INSERT INTO name_seed VALUES (random());

PRAGMA user_version = 3;
