package transport

import (
	"fmt"
	"os"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a customer sees of /outbox: files to fetch. Removing one says that it was fetched. Two of the same name are told
// apart by a number, the older one keeps it.

// outboxNames gives the outbox with the names under which it is shown.
func (s *session) outboxNames() ([]OutboxEntry, error) {
	list, err := s.door.house.Outbox(s.ctx, s.guest.Account)
	if err != nil {
		s.log.Error("outbox", "err", err)
		return nil, failure("refused: the outbox cannot be listed now. Try again later.")
	}
	seen := map[string]int{}
	for i := range list {
		name := list[i].Name
		if seen[name]++; seen[name] > 1 {
			ext := path.Ext(name)
			list[i].Name = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), seen[name], ext)
		}
	}
	return list, nil
}

func (s *session) outboxList() ([]os.FileInfo, error) {
	list, err := s.outboxNames()
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
	list, err := s.outboxNames()
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
	if err := s.door.house.Fetched(s.ctx, s.guest, e.ID); err != nil {
		s.log.Error("outbox", "file", e.ID, "err", err)
		return failure("refused " + printable(at.rest) + ": it cannot be removed now. Try again later.")
	}
	return nil
}

// outboxReader reads a file of the outbox.
type outboxReader struct {
	session *session
	id      string
}

func (r outboxReader) ReadAt(p []byte, off int64) (int, error) {
	return r.session.door.house.ReadOutbox(r.session.ctx, r.session.guest.Account, r.id, p, off)
}

// PlainName tells whether a name can stand in any folder, and be shown in any client.
func PlainName(name string) bool {
	clean, err := edge("/" + name)
	return err == nil && clean == "/"+name && name != "" && utf8.ValidString(name) && !strings.ContainsRune(name, '/') &&
		!strings.HasPrefix(name, ".") && strings.IndexFunc(name, unicode.IsControl) < 0
}
