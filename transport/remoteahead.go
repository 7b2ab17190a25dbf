package transport

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/pkg/sftp"
)

// A download over SFTP asks ahead, or else each piece would cost a journey there and back. It asks by itself, on the library's
// channel: the library's ReadAt takes a goroutine, new memory and two copies for every piece. What it does not understand it asks the library.
const (
	pieceSize = 32 << 10 // what every server can send at once
	// longPiece is what OpenSSH can, and whoever else tells its limits; who sends less is asked for the rest.
	longPiece = 255 << 10
	// farAhead is how many bytes may be under way, and firstAhead how many at first. A line that breaks may lose them, and they
	// come again: so what is under way grows with what has come, by a quarter of it.
	farAhead   = 2 << 20
	firstAhead = 128 << 10
	mostAhead  = farAhead / pieceSize
	// aheadLimit bounds the bytes that may come while one of the pieces is waited for.
	aheadLimit = replyLimit + 2*farAhead
	// firstRead is the first id of a read of ours. The library counts from one.
	firstRead = 1 << 31
	// statusEOF says that there is nothing at or behind an offset.
	statusEOF = 1
)

var errShort = fmt.Errorf("%w: one is too short", errPacket)

// part is a piece of a file that has been asked for.
type part struct {
	bytes  []byte
	at     int64  // where in the file
	n      int    // bytes that have come
	status uint32 // that has come in the place of more; 0 if none has
	whole  bool   // nothing more of it is to be asked for
}

// ahead is a download: pieces that were asked for, in the order of the file.
type ahead struct {
	screen *nameScreen
	file   *sftp.File
	handle string
	next   int64 // where the next piece begins
	size   int64 // of the file, as it was said to be
	far    int64 // bytes that may be under way
	long   bool  // the server sends long pieces
	way    []*part
	under  int    // requests without an answer
	id     uint32 // of the last
	out    []byte // requests to be sent
}

// ask asks for what is missing of a piece, once it is sent. Our requests never come between the library's, since the session
// is used by one goroutine and the library asks nothing by itself.
func (a *ahead) ask(p *part) {
	a.id++
	id := firstRead + a.id%firstRead
	a.out = binary.BigEndian.AppendUint32(a.out, uint32(1+4+4+len(a.handle)+8+4))
	a.out = append(a.out, requestRead)
	a.out = binary.BigEndian.AppendUint32(a.out, id)
	a.out = append(binary.BigEndian.AppendUint32(a.out, uint32(len(a.handle))), a.handle...)
	a.out = binary.BigEndian.AppendUint64(a.out, uint64(p.at)+uint64(p.n))
	a.out = binary.BigEndian.AppendUint32(a.out, uint32(len(p.bytes)-p.n))
	a.under++
	a.screen.mu.Lock()
	a.screen.reads[id] = p // from here on it is the screen's, until it has come: a server may answer what it only expects to be asked
	a.screen.mu.Unlock()
}

// send sends what is asked for.
func (a *ahead) send() error {
	if len(a.out) == 0 {
		return nil
	}
	_, err := a.screen.to.Write(a.out)
	a.out = a.out[:0]
	return err
}

// more asks for the next pieces: as many as may be under way, and one behind the end of the file, which the server shall tell
// itself. buffer, if not nil, is that of a piece that has been taken.
func (a *ahead) more(buffer []byte) {
	for len(a.way) == 0 || a.next <= a.size && a.next-a.way[0].at < a.far {
		n := int64(pieceSize)
		if a.long && a.far >= 4*longPiece {
			n = longPiece
		}
		if left := a.size - a.next; left > 0 {
			n = min(n, left)
		} else {
			n = pieceSize
		}
		if int64(cap(buffer)) < n {
			buffer = make([]byte, n)
		}
		p := &part{bytes: buffer[:n], at: a.next}
		buffer = nil
		a.next += n
		a.way = append(a.way, p)
		a.ask(p)
	}
}

// first waits until the first piece is whole. What another one lacks is asked for meanwhile.
func (a *ahead) first() (*part, error) {
	for !a.way[0].whole {
		a.send() // where it fails, nothing more comes
		p := a.answer()
		if p == nil {
			return nil, sftp.ErrSSHFxConnectionLost
		}
		if p.whole = p.n == len(p.bytes) || p.status != 0; !p.whole {
			a.ask(p)
		}
	}
	p := a.way[0]
	a.way = a.way[1:]
	return p, nil
}

// answer gives the next piece that came. nil if none comes any more: what came before the connection went is given first, or
// as much would have to come again when the download goes on.
func (a *ahead) answer() *part {
	select {
	case p := <-a.screen.came:
		a.under--
		return p
	case <-a.screen.lost:
	}
	select {
	case p := <-a.screen.came:
		a.under--
		return p
	default:
		return nil
	}
}

// ending says how a piece has ended: io.EOF, or nil if it is whole. What is neither the library asks for once more, in pieces
// that no server refuses: it may be that we asked for too much, and it knows the words for what is wrong.
func (a *ahead) ending(p *part) error {
	switch p.status {
	case 0:
		return nil
	case statusEOF:
		return io.EOF
	}
	n, err := a.file.ReadAt(p.bytes[p.n:], p.at+int64(p.n))
	p.n += n
	a.long = false
	return err
}

// end ends the download. What is still under way comes first, or it would count as part of a later answer.
func (a *ahead) end() {
	for a.send() == nil && a.under > 0 && a.answer() != nil {
	}
	a.file.Close()
}

// Read gives take one piece after the other, in order and without a gap whatever lengths the server answers with. Only the
// server's own end-of-file status ends it well; what lies behind a first such status is not looked at.
func (s *sftpRemote) Read(ctx context.Context, name string, offset int64, take func([]byte) error) error {
	return s.on(ctx, stepFetch, name, func(whole string) error {
		file, err := s.client.Open(whole)
		if err != nil {
			return gone(err)
		}
		a := &ahead{screen: s.screen, file: file, handle: s.screen.opened(), next: offset, size: math.MaxInt64, far: firstAhead}
		if s.known != nil {
			a.size = s.known.Size
		}
		_, a.long = s.client.HasExtension("limits@openssh.com")
		defer func() {
			s.wire.begin(aheadLimit)
			a.end()
		}()
		a.more(nil)
		var p pace
		for {
			s.wire.begin(aheadLimit)
			began := time.Now()
			first, err := a.first()
			if err != nil {
				return err
			}
			err = a.ending(first)
			if slow := p.step(first.n, began, s.leash.silence); slow != nil {
				return slow
			}
			if first.n > 0 {
				s.wire.rest() // what take does is not the server's silence
				if err := take(first.bytes[:first.n]); err != nil {
					return callers{err}
				}
			}
			if err == io.EOF { // not errors.Is: a failed request can have it as its cause
				return nil
			} else if err != nil {
				return err
			}
			a.far = min(farAhead, a.far+int64(first.n)/4)
			a.more(first.bytes)
		}
	})
}
