package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
)

// quietAfter is how long a session without open handles may say nothing before its protocol server is given up until the
// next packet. That server costs eleven goroutines and, with its allocator, half a mebibyte (measured: 560 KiB of resident
// memory a session after one upload); SFTP has no state outside of open handles, so a new one goes on where it stopped.
const quietAfter = time.Second

// errQuiet ends a protocol server that has nothing to do.
var errQuiet = errors.New("quiet")

// packetOpen opens a file. After the other two the next packet is waited for in the plain way: many of them follow each
// other, with a handle open, and that must be fast.
const (
	packetOpen  = 3
	packetRead  = 5
	packetWrite = 6
)

// gathered is how many bytes of answers may wait for the next one: about five of them.
const gathered = 128

// readAhead is how many bytes are taken from the channel at once: after every Read of a busy channel the ssh library sends
// a message that makes room for more, which at two Reads a packet was a twentieth of the time of a large upload. What is
// longer, as OpenSSH's writes of 255 KiB are, goes past this buffer.
const readAhead = 64 << 10

// mostUnanswered is how many packets a client may have under way in the protocol library, which takes 256 KiB for each: one
// for each of its eight workers. It would read 50 of them ahead; what it does not read waits in the channel's own window.
const mostUnanswered = 8

// serveStretches runs protocol servers on a channel, one after the other, each for as long as the client is not quiet.
// rested is called when one is given up. It returns when the channel ends; io.EOF is a clean end.
// handles is how many of them a session may have open, for clients that ask.
func serveStretches(channel io.ReadWriteCloser, handles int, idle func() bool, rested func(), newServer func(io.ReadWriteCloser) *sftp.RequestServer) error {
	head, err := readHead(channel)
	var in *bufio.Reader
	for err == nil {
		s := newStretch(channel, in, head, handles, idle, rested)
		server := newServer(s)
		done := make(chan error, 1)
		go func() { done <- server.Serve() }() // pump waits for it
		head, err = s.pump(done)
		in = s.in
	}
	return err
}

// head is the first four bytes of a packet: its length.
type head [4]byte

func readHead(r io.Reader) (h head, err error) {
	_, err = io.ReadFull(r, h[:])
	return h, err
}

// stretch is what a protocol server takes for the channel. Between packets it waits in a way that can be given up, which a
// channel's Read cannot: another goroutine, the pump, reads the next packet's head for it, and keeps it if the server is
// gone by then.
type stretch struct {
	channel io.ReadWriteCloser
	handles int            // that may be open
	idle    func() bool    // no handles are open
	rested  func()         // the server is given up
	want    chan io.Reader // where the pump shall read a head
	got     chan headOrEnd

	// Of the goroutine that reads:
	in       *bufio.Reader // nil once it rests with nothing gathered
	head     head
	headLeft int  // bytes of head not yet handed over
	body     int  // bytes of the packet still to come
	fresh    bool // the next byte is the packet's kind
	kind     byte
	timer    *time.Timer

	// Of the goroutine that writes:
	outLeft int    // bytes of the answer still to come
	out     []byte // answers gathered

	sending sync.Mutex // answers go out whole

	room   chan struct{} // one for each packet that is read and not answered, see answered
	closed chan struct{}
	close  sync.Once

	begun atomic.Int64 // packets read whole
	other atomic.Int64 // begun when the last packet that is not a write was read
	ended atomic.Int64 // packets answered
	given atomic.Int64 // ... whose answers have gone out
}

type headOrEnd struct {
	head head
	err  error
}

func newStretch(channel io.ReadWriteCloser, in *bufio.Reader, first head, handles int, idle func() bool, rested func()) *stretch {
	if in == nil {
		in = bufio.NewReaderSize(channel, readAhead)
	}
	s := &stretch{
		channel: channel, handles: handles, idle: idle, rested: rested, want: make(chan io.Reader), got: make(chan headOrEnd),
		in: in, head: first, headLeft: len(first), timer: time.NewTimer(quietAfter),
		room: make(chan struct{}, mostUnanswered), closed: make(chan struct{}),
	}
	s.room <- struct{}{}
	s.timer.Stop()
	return s
}

// pump reads heads when it is asked to, until the server has ended. If that was quiet, it returns the head that came next.
func (s *stretch) pump(done <-chan error) (head, error) {
	for {
		var from io.Reader
		select {
		case err := <-done:
			return head{}, err
		case from = <-s.want:
		}
		next, err := readHead(from)
		select {
		case s.got <- headOrEnd{next, err}:
		case ended := <-done:
			if errors.Is(ended, errQuiet) {
				return next, err
			}
			return head{}, ended
		}
	}
}

// Read hands the packets over, and keeps count of them.
func (s *stretch) Read(p []byte) (int, error) {
	for s.body == 0 && (s.headLeft == 0 || s.headLeft == len(s.head)) { // between two packets
		if s.headLeft == 0 {
			if err := s.next(); err != nil {
				return 0, err
			}
		}
		if err := s.readable(); err != nil {
			return 0, err
		}
		if ours, err := s.limits(); err != nil {
			return 0, err
		} else if !ours {
			break
		}
	}
	if s.headLeft > 0 {
		n := copy(p, s.head[len(s.head)-s.headLeft:])
		if s.headLeft -= n; s.headLeft == 0 {
			s.body, s.fresh = int(binary.BigEndian.Uint32(s.head[:])), true
		}
		return n, nil
	}
	n, err := s.in.Read(p[:min(len(p), s.body)])
	if n > 0 && s.fresh {
		s.kind, s.fresh = p[0], false
	}
	if s.body -= n; s.body == 0 {
		if begun := s.begun.Add(1); s.kind != packetWrite {
			s.other.Store(begun)
		}
	}
	return n, err
}

// limits takes the packet that begins for itself, and answers it, if it asks for the limits, which the protocol library does
// not know.
func (s *stretch) limits() (ours bool, err error) {
	if int(binary.BigEndian.Uint32(s.head[:])) != len(limitsAsked) {
		return false, nil
	}
	packet, err := s.in.Peek(len(limitsAsked))
	if err != nil || !isLimitsRequest(packet) {
		return false, err
	}
	answer := limitsAnswer(packet, s.handles)
	s.in.Discard(len(packet)) // it is there
	s.headLeft = 0
	defer s.answered()
	return true, s.send(answer)
}

// readable has a file that is opened to be written opened to be read too, which its handle then refuses. Of a handle that is
// for writing alone, the protocol library takes a READ for a WRITE: of whatever its buffer holds.
func (s *stretch) readable() error {
	const flagRead, flagsOfWriters = 0x01, 0x02 | 0x04 | 0x08 | 0x10 // WRITE, APPEND, CREAT, TRUNC
	const nameAt, flagsTake = 1 + 4 + 4, 4                           // behind the kind, the id and the name's length
	size := int(binary.BigEndian.Uint32(s.head[:]))
	if size < nameAt+flagsTake || size > readAhead {
		return nil
	}
	if kind, err := s.in.Peek(1); err != nil || kind[0] != packetOpen {
		return err
	}
	packet, err := s.in.Peek(size)
	if err != nil {
		return err
	}
	if flagsEnd := nameAt + int(binary.BigEndian.Uint32(packet[nameAt-4:])) + flagsTake; flagsEnd <= size && packet[flagsEnd-1]&flagsOfWriters != 0 {
		packet[flagsEnd-1] |= flagRead // in the buffer itself
	}
	return nil
}

// send writes whole answers.
func (s *stretch) send(answers []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	_, err := s.channel.Write(answers)
	return err
}

// next waits for room, and then for the head of the next packet.
func (s *stretch) next() (err error) {
	select {
	case s.room <- struct{}{}:
	case <-s.closed:
		return io.ErrClosedPipe
	}
	if s.kind == packetRead || s.kind == packetWrite {
		s.head, err = readHead(s.in)
		s.headLeft = len(s.head)
		return s.last(err)
	}
	// With nothing gathered the head is read from the channel itself, so that a session which rests there holds no buffer.
	from := io.Reader(s.channel)
	if s.in.Buffered() > 0 {
		from = s.in
	}
	s.want <- from
	s.timer.Reset(quietAfter)
	defer s.timer.Stop()
	for {
		select {
		case h := <-s.got:
			s.head, s.headLeft = h.head, len(h.head)
			return s.last(h.err)
		case <-s.timer.C:
			// Every packet has one answer: when all are out, and no handle is open, nothing is lost with the server.
			if s.idle() && s.begun.Load() == s.given.Load() {
				if from == s.channel {
					s.in = nil
				}
				s.rested()
				return errQuiet
			}
			s.timer.Reset(quietAfter)
		}
	}
}

// last lets all answers out before the server hears that no packet comes any more: the library forgets those that it still
// has, and a client that has only closed its own side waits for them.
func (s *stretch) last(err error) error {
	for n := 1; err != nil && n < mostUnanswered; n++ { // one place is that of the packet that did not come
		select {
		case s.room <- struct{}{}:
		case <-s.closed:
			return err
		}
	}
	return err
}

// Write passes the answers on, and keeps count of them. The library writes an answer's head and its data apart.
//
// While writes are unanswered, which takes microseconds each, answers are gathered: a packet, an encryption and a system
// call for every 32 KiB was a tenth of the time of a large upload, here and at the client.
func (s *stretch) Write(p []byte) (int, error) {
	if s.outLeft == 0 && len(p) >= len(head{}) {
		s.outLeft = len(head{}) + int(binary.BigEndian.Uint32(p))
	}
	s.out = append(s.out, p...)
	if s.outLeft -= len(p); s.outLeft > 0 {
		return len(p), nil
	}
	ended := s.ended.Add(1)
	if ended == 1 {
		s.out = offerLimits(s.out)
	}
	defer s.answered()
	if begun, other := s.begun.Load(), s.other.Load(); ended < begun && other < ended && len(s.out) < gathered {
		return len(p), nil
	}
	err := s.send(s.out)
	if s.out = s.out[:0]; cap(s.out) > 4*gathered {
		s.out = nil
	}
	s.given.Store(ended)
	return len(p), err
}

// answered makes room for another packet. That of an answer that is gathered is free at once, or there would be half as
// many under way; the last one's is free when it is out, and with it all.
func (s *stretch) answered() {
	select {
	case <-s.room:
	default: // an answer that nobody asked for
	}
}

// Close closes the channel. The library calls it when a worker gives up, whose packets will never be answered.
func (s *stretch) Close() error {
	s.close.Do(func() { close(s.closed) })
	return s.channel.Close()
}
