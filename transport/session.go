package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
)

// session answers the requests of one sftp channel. It is the four handlers of the protocol library.
type session struct {
	ctx        context.Context // of the connection: the library's requests carry none on CLOSE and WRITE
	door       *SFTP
	connection *connection
	guest      Guest
	view       *view
	screen     *stderr
	log        *slog.Logger
	handles    atomic.Int32
}

// say shows a refusal on the channel's stderr, for the clients that show only the name of a status code.
func (s *session) say(err error) {
	if !isQuiet(err) {
		s.screen.say(err.Error())
	}
}

// saying shows an error, if it is one, and gives it back.
func (s *session) saying(err error) error {
	if err != nil {
		s.say(err)
	}
	return err
}

// readable turns an error of the house into one that the sender may read; what is not a refusal goes to the log as well.
func (s *session) readable(e *entry, err error) error {
	return s.readableName(s.view.baseOf(e), err)
}

func (s *session) readableName(name string, err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		s.log.Error("upload failed", "err", err)
	}
	return sentenceOf(name, err)
}

// enter counts a handle in, or refuses one too many.
func (s *session) enter() error {
	most := s.door.config().SFTP.Limits.Handles
	if n := s.handles.Add(1); most > 0 && int(n) > most {
		s.handles.Add(-1)
		return failure("refused: too many files are open in this session. Close some first.")
	}
	return nil
}

// Filewrite refuses: it is asked only for an OPEN so long that stretch.readable did not look into it.
func (s *session) Filewrite(*sftp.Request) (io.WriterAt, error) {
	return nil, s.saying(failure("refused: the request to open it is too long. Use a shorter name, or fewer attributes."))
}

// OpenFile opens a file for writing and reading; only the writing is meant by those who ask for it.
func (s *session) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) {
	u, err := s.openUpload(r)
	if err != nil {
		return nil, s.saying(err)
	}
	return u, nil
}

func (s *session) openUpload(r *sftp.Request) (*upload, error) {
	at, err := locate(r.Filepath)
	if err != nil {
		return nil, err
	}
	if at.area != inbox {
		return nil, failure("refused " + printable(path.Base(at.path)) + ": files go into /inbox. Send it there.")
	}
	if s.door.closing() {
		return nil, failure("refused " + printable(path.Base(at.path)) + ": the server is stopping. Try again in some minutes.")
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	u, err := s.begin(at.rest, r.Pflags())
	if err != nil {
		s.handles.Add(-1)
		return nil, err
	}
	s.connection.uploads.Add(1)
	return u, nil
}

// begin opens a handle. If it is clear already that a new file begins, the house is asked now, where a refusal is seen by
// every client.
func (s *session) begin(name string, flags sftp.FileOpenFlags) (*upload, error) {
	if err := s.door.house.Room(s.guest, path.Base(name)); err != nil {
		return nil, s.readableName(path.Base(name), err)
	}
	u := &upload{session: s, appends: flags.Append, declared: -1}
	e, prior, err := s.view.begin(name, flags, u)
	if err != nil {
		return nil, err
	}
	if prior != nil && !flags.Trunc && prior.state != refused {
		u.prior = prior
	} else {
		incoming, err := s.receive(e)
		if err != nil {
			s.view.restore(e, prior)
			return nil, err
		}
		prior.discard("a new upload took its name")
		u.start(incoming)
	}
	return u, nil
}

// receive begins a delivery under an entry's name.
func (s *session) receive(e *entry) (Incoming, error) {
	incoming, err := s.door.house.Receive(s.ctx, s.guest, "sftp", s.view.baseOf(e))
	if err != nil {
		return nil, s.readable(e, err)
	}
	return incoming, nil
}

// left counts a handle for writing out.
func (s *session) left(*upload) {
	s.handles.Add(-1)
	s.connection.uploads.Add(-1)
}

// commit is the verdict of a CLOSE.
func (s *session) commit(u *upload) error {
	v, e := s.view, u.entry
	if u.incoming == nil { // opened over an accepted file and closed without a write: nothing happens
		v.restore(e, u.prior)
		return nil
	}
	name := v.claim(e)
	if v.isPartial(name) {
		// It was answered OK: it waits for its rename at least as long as a taken file is shown.
		v.wait(e, u.incoming, time.Now().Add(max(s.door.config().SFTP.Park, v.linger())))
		return nil
	}
	// If we die inside Commit, the client has no OK and sends again; what was committed is met as a duplicate.
	receipt, err := u.incoming.Commit(s.ctx, path.Base(name))
	if err == nil {
		v.taken(e, name, receipt, v.linger())
		s.screen.say(receipt.Sentence)
		return nil
	}
	told := s.readable(e, err)
	park := s.door.config().SFTP.Park
	if resumable(err) && park > 0 {
		u.incoming.Gap()
		if size := u.incoming.Prefix(); size > 0 {
			v.park(e, u.incoming, size-1, time.Now().Add(park), told)
			return told
		}
	}
	v.forget(e)
	u.incoming.Discard("refused")
	return told
}

// Fileread opens a receipt, or a file of the outbox. Nothing else can be read.
func (s *session) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	at, err := locate(r.Filepath)
	if err != nil {
		return nil, s.saying(err)
	}
	switch at.area {
	case inbox:
		if info, err := s.view.stat(at.rest); err != nil || info.IsDir() {
			return nil, missing(at.path)
		}
		return nil, s.saying(denied("refused " + printable(path.Base(at.path)) + ": files in /inbox cannot be read back."))
	case receipts:
		text, _, err := s.receipt(at)
		if err != nil {
			return nil, err
		}
		if err := s.enter(); err != nil {
			return nil, s.saying(err)
		}
		return &openReading{ReaderAt: bytes.NewReader(text), session: s}, nil
	case outbox:
		e, err := s.outboxFile(at)
		if err != nil {
			return nil, err
		}
		if err := s.enter(); err != nil {
			return nil, s.saying(err)
		}
		return &openReading{ReaderAt: outboxReader{s, e.ID, e.Name}, session: s}, nil
	}
	return nil, missing(at.path)
}

// openReading is a file that is being read.
type openReading struct {
	io.ReaderAt
	session *session
}

// Close is called once, by the protocol library.
func (f *openReading) Close() error {
	f.session.handles.Add(-1)
	return nil
}

// Filecmd changes names and times. Links are not served.
func (s *session) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Link", "Symlink":
		return unsupported("links are not served")
	}
	at, err := locate(r.Filepath)
	if err != nil {
		return s.saying(err)
	}
	switch r.Method {
	case "Setstat":
		return s.saying(s.setstat(r, at))
	case "Rename", "PosixRename":
		return s.saying(s.rename(r, at))
	case "Remove":
		if at.area == inbox && at.rest != "" {
			return s.saying(s.view.remove(s.ctx, s.guest, at.rest))
		}
		if at.area == outbox && at.rest != "" {
			return s.saying(s.fetched(at))
		}
		return s.readOnly(at)
	case "Mkdir":
		if at.area == inbox {
			return s.saying(s.view.mkdir(at.rest))
		}
		return s.readOnly(at)
	case "Rmdir":
		if at.area == inbox {
			return s.saying(s.view.rmdir(at.rest))
		}
		return s.readOnly(at)
	}
	return unsupported("not served")
}

// readOnly refuses a change outside the inbox.
func (s *session) readOnly(at place) error {
	return s.saying(failure("refused " + printable(path.Base(at.path)) + ": only names in /inbox can be changed."))
}

// setstat keeps the time and takes a size as an announcement; mode and owner are accepted and dropped.
func (s *session) setstat(r *sftp.Request, at place) error {
	var mtime time.Time
	declare := int64(-1)
	if attributes := r.Attributes(); attributes != nil {
		flags := r.AttrFlags()
		if flags.Acmodtime {
			mtime = time.Unix(int64(attributes.Mtime), 0)
		}
		if flags.Size && attributes.Size < 1<<62 {
			declare = int64(attributes.Size)
		}
	}
	if at.area == inbox {
		return s.view.setstat(at.rest, mtime, declare)
	}
	_, err := s.stat(at)
	return err
}

func (s *session) rename(r *sftp.Request, from place) error {
	to, err := locate(r.Target)
	if err != nil {
		return err
	}
	if from.area != inbox || to.area != inbox || from.rest == "" {
		return failure("not renamed " + printable(path.Base(from.path)) + ": only names in /inbox can be changed.")
	}
	return s.view.rename(s.ctx, s, from.rest, to.rest)
}

// Filelist lists a folder, or looks at one name.
func (s *session) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	at, err := locate(r.Filepath)
	if err != nil {
		return nil, s.saying(err)
	}
	if r.Method != "List" {
		info, err := s.stat(at)
		if err != nil {
			return nil, err
		}
		return &listing{infos: []os.FileInfo{info}}, nil
	}
	infos, err := s.list(at)
	if err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, s.saying(err)
	}
	return &listing{infos: infos, done: func() { s.handles.Add(-1) }}, nil
}

// Lstat is the same as a STAT: there are no links.
func (s *session) Lstat(r *sftp.Request) (sftp.ListerAt, error) { return s.Filelist(r) }

// RealPath cleans a path.
func (s *session) RealPath(p string) (string, error) {
	clean, err := edge(p)
	return clean, s.saying(err)
}

// Readlink refuses: there are no links.
func (s *session) Readlink(string) (string, error) { return "", unsupported("links are not served") }

// receiptsListed is how many receipts a listing shows, the newest.
const receiptsListed = 1000

func (s *session) list(at place) ([]os.FileInfo, error) {
	switch {
	case at.area == root:
		began := s.view.began
		return []os.FileInfo{folderInfo("inbox", began), folderInfo("outbox", began), folderInfo("receipts", began)}, nil
	case at.area == inbox:
		return s.view.list(at.rest)
	case at.area == outbox && at.rest == "":
		return s.outboxList()
	case at.area == receipts && at.rest == "":
		entries, err := s.door.house.Receipts(s.ctx, s.guest.Account, receiptsListed)
		if err != nil {
			s.log.Error("receipts", "err", err)
			return nil, failure("refused: the receipts cannot be listed now. Try again later.")
		}
		infos := make([]os.FileInfo, 0, len(entries))
		for _, e := range entries {
			infos = append(infos, &fileInfo{name: e.Name, size: e.Size, mode: 0o444, mtime: e.TakenAt})
		}
		return infos, nil
	}
	return nil, missing(at.path)
}

func (s *session) stat(at place) (os.FileInfo, error) {
	switch {
	case at.area == root:
		return folderInfo("/", s.view.began), nil
	case at.area == inbox:
		return s.view.stat(at.rest)
	case at.area == outbox && at.rest == "", at.area == receipts && at.rest == "":
		return folderInfo(path.Base(at.path), s.view.began), nil
	case at.area == outbox:
		e, err := s.outboxFile(at)
		if err != nil {
			return nil, err
		}
		return &fileInfo{name: at.rest, size: e.Size, mode: 0o444, mtime: e.MadeAt}, nil
	case at.area == receipts:
		text, when, err := s.receipt(at)
		if err != nil {
			return nil, err
		}
		return &fileInfo{name: at.rest, size: int64(len(text)), mode: 0o444, mtime: when}, nil
	}
	return nil, missing(at.path)
}

// receipt reads a receipt by its file name.
func (s *session) receipt(at place) ([]byte, time.Time, error) {
	text, when, err := s.door.house.Receipt(s.ctx, s.guest.Account, at.rest)
	if err != nil {
		return nil, time.Time{}, missing(at.path)
	}
	return text, when, nil
}
