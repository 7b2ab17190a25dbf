package transport

import (
	"errors"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a customer sees of /outbox: files to fetch. Removing one says that it was fetched. Each has a name of its own there,
// as long as it is there.

// outbox lists it.
func (s *session) outbox() ([]OutboxEntry, error) {
	list, err := s.door.house.Outbox(s.ctx, s.guest.Account)
	if errors.Is(err, ErrLocked) {
		return nil, s.saying(lockedOutbox())
	}
	if err != nil {
		s.log.Error("outbox", "err", err)
		return nil, failure("refused: the outbox cannot be listed now. Try again later.")
	}
	return list, nil
}

// lockedOutbox is the answer for an account that nobody has unlocked. An empty list would say that there is nothing.
func lockedOutbox() error {
	return failure("refused: the outbox is locked until your contact unlocks it. Nothing in it is lost; try again later.")
}

func (s *session) outboxList() ([]os.FileInfo, error) {
	list, err := s.outbox()
	if err != nil {
		return nil, err
	}
	infos := make([]os.FileInfo, len(list))
	for i, e := range list {
		infos[i] = &fileInfo{name: e.Name, size: e.Size, mode: 0o444, mtime: e.MadeAt}
	}
	return infos, nil
}

func (s *session) outboxFile(at place) (OutboxEntry, error) {
	list, err := s.outbox()
	if err != nil {
		return OutboxEntry{}, err
	}
	for _, e := range list {
		if e.Name == at.rest {
			return e, nil
		}
	}
	return OutboxEntry{}, missing(at.path)
}

// fetched takes a file out of the outbox.
func (s *session) fetched(at place) error {
	e, err := s.outboxFile(at)
	if err != nil {
		return err
	}
	err = s.door.house.Fetched(s.ctx, s.guest, e.ID)
	if errors.Is(err, ErrLocked) {
		return lockedOutbox()
	}
	if err != nil {
		s.log.Error("outbox", "file", e.ID, "err", err)
		return failure("refused " + printable(at.rest) + ": it cannot be removed now. Try again later.")
	}
	return nil
}

// outboxReader reads a file of the outbox.
type outboxReader struct {
	session *session
	id      string
	name    string
}

// ReadAt ends in a clear no, not in an end of the file, when the file leaves the outbox meanwhile.
func (r outboxReader) ReadAt(p []byte, off int64) (int, error) {
	s := r.session
	n, err := s.door.house.ReadOutbox(s.ctx, s.guest.Account, r.id, p, off)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(err, ErrLocked):
		return n, s.saying(lockedOutbox())
	case errors.Is(err, ErrWithdrawn):
		return n, s.saying(failure("refused " + printable(r.name) + ": it is no longer in the outbox. What came of it is not all."))
	}
	s.log.Error("outbox", "file", r.id, "err", err)
	return n, s.saying(failure("refused " + printable(r.name) + ": it cannot be read now. Try again later."))
}

// PlainName tells whether a name can stand in any folder, and be shown in any client.
func PlainName(name string) bool {
	clean, err := edge("/" + name)
	return err == nil && clean == "/"+name && name != "" && utf8.ValidString(name) && !strings.ContainsRune(name, '/') &&
		!strings.HasPrefix(name, ".") && strings.IndexFunc(name, unicode.IsControl) < 0
}
