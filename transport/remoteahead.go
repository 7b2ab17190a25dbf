package transport

import (
	"context"
	"io"
	"time"

	"github.com/pkg/sftp"
)

// A download over SFTP asks ahead, or else each piece would cost a journey there and back.
const (
	pieceSize = 32 << 10
	mostAhead = 32 // pieces under way; a file of a piece or two never comes to that
	// aheadLimit bounds the bytes that may come while one of them is waited for.
	aheadLimit = replyLimit + 2*mostAhead*pieceSize
)

// part is a piece of a file that has been asked for.
type part struct {
	bytes []byte
	n     int
	err   error
	done  chan struct{} // closed when it has come
}

// ahead is a download: pieces that were asked for, in the order of the file.
type ahead struct {
	file *sftp.File
	next int64 // where the next piece begins
	way  []*part
}

// ask asks for the next piece. The library puts short answers together: only the end of the file, or an error, ends a piece
// early.
func (a *ahead) ask(p *part) {
	at := a.next
	a.next += int64(len(p.bytes))
	p.done = make(chan struct{})
	a.way = append(a.way, p)
	go func() {
		p.n, p.err = a.file.ReadAt(p.bytes, at)
		close(p.done)
	}()
}

// Read gives take one piece after the other, in order and without a gap whatever lengths the server answers with. Only the
// server's own end-of-file status ends it well; what lies behind a first such status is not looked at.
func (s *sftpRemote) Read(ctx context.Context, name string, offset int64, take func([]byte) error) error {
	return s.on(ctx, stepFetch, name, func(whole string) error {
		file, err := s.client.Open(whole)
		if err != nil {
			return gone(err)
		}
		a := &ahead{file: file, next: offset}
		defer func() {
			s.wire.begin(aheadLimit)
			file.Close() // it waits for the pieces that are under way
			for _, p := range a.way {
				<-p.done
			}
		}()
		a.ask(&part{bytes: make([]byte, pieceSize)})
		var p pace
		for {
			first := a.way[0]
			s.wire.begin(aheadLimit)
			began := time.Now()
			<-first.done
			if slow := p.step(first.n, began, s.leash.silence); slow != nil {
				return slow
			}
			a.way = a.way[1:]
			if first.n > 0 {
				s.wire.rest() // what take does is not the server's silence
				if err := take(first.bytes[:first.n]); err != nil {
					return callers{err}
				}
			}
			if first.err == io.EOF { // not errors.Is: a failed request can have it as its cause
				return nil
			} else if first.err != nil {
				return first.err
			} else if first.n < len(first.bytes) { // neither all of it nor a reason
				return errPacket
			}
			a.ask(first)
			if len(a.way) < mostAhead {
				a.ask(&part{bytes: make([]byte, pieceSize)})
			}
		}
	})
}
