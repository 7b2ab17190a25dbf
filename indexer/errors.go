package indexer

import (
	"errors"
	"fmt"
)

// Errors that a caller tells apart with errors.Is.
var (
	// ErrKey: the file is there, but the key does not open it.
	ErrKey = errors.New("the unlock key does not open")
	// ErrDamaged: the key fits, but a part of the database was changed, cut or lost.
	ErrDamaged = errors.New("the database is damaged")
	// ErrFull: the disk is full; nothing of what was asked was done.
	ErrFull = errors.New("the disk is full")
	// ErrBroken: the disk has failed under the database. What it holds by now is known only after a restart.
	ErrBroken = errors.New("the disk failed under the database; see to the disk, then restart sealgate")
	// ErrUnsure: the commit itself failed, so that only a restart tells whether it is on the disk.
	ErrUnsure = errors.New("it is open whether this was written")
	// ErrNotFound: no such file, user, value or copy.
	ErrNotFound = errors.New("not found")
	// ErrExists: the id (or the user's login) is taken already.
	ErrExists = errors.New("exists already")
	// ErrState: what was asked does not fit the file's verdict.
	ErrState = errors.New("the file is not held")
	// ErrShortEnding: fewer than four characters of an id were given, or some that no id has.
	ErrShortEnding = errors.New("give at least 4 characters of the id's ending")

	// ErrLocked: the account is protected, and nobody has brought its key. What comes for it waits in its log.
	ErrLocked = errors.New("the account's database is locked")
	// ErrApart: a protected account's log and index do not end, or do not meet, in the same row of the ledger. One of them was put
	// back to an older copy, or has lost something. Nothing was merged that does not continue the index, and nothing removed.
	ErrApart = errors.New("log.db and index.db are not of the same moment")

	// errBehind: it is in the log and not in the index, which was locked for that. A record waits there; a change of the index itself was
	// not done, and the next unlocking enters that.
	errBehind = fmt.Errorf("%w: the database could not be written behind its log, and was locked; unlock it to see", ErrUnsure)

	errKeyGone = errors.New("the database was closed")
)
