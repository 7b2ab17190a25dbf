package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// nameScreen stands between a server's SFTP channel and the library, which believes too much of what comes.
//
// It shows "../../etc/passwd" in a listing as "passwd": while a listing is under way, the screen puts a zero byte in the place of
// each slash in a name, which no server can send in a name that is one, so that List sees what the server said. It has no
// bound for a listing's names. And a status OK in the place of what was asked for is to it a success without a result: a
// piece of no bytes, a listing that has ended, a nil that it then uses.
//
// It also carries the reads of a download, of which the library knows nothing: see ahead.
type nameScreen struct {
	from    *bufio.Reader
	to      io.WriteCloser
	cut     func(why error) // ends the session
	listing atomic.Bool
	named   atomic.Int64 // names in this listing
	header  [13]byte
	packet  []byte // what of a screened packet is still to be read
	pass    int    // what of another packet is still to come
	send    int    // what of a request is still to be written

	came chan *part    // reads that were answered
	lost chan struct{} // closed when nothing comes any more
	lose sync.Once

	mu     sync.Mutex
	wants  map[uint32]bool  // requests under way that no OK can answer, by their ids
	reads  map[uint32]*part // reads of our own under way, by theirs
	handle string           // the last that the server gave: the library keeps a file's to itself
}

func newNameScreen(channel io.ReadWriteCloser, cut func(error)) *nameScreen {
	return &nameScreen{
		from: bufio.NewReaderSize(channel, screenAhead), to: channel, cut: cut, wants: make(map[uint32]bool),
		reads: make(map[uint32]*part), came: make(chan *part, mostAhead), lost: make(chan struct{}),
	}
}

// screenAhead is how many bytes are taken from the channel at once: see readAhead. Longer pieces go straight to their place.
const screenAhead = 32 << 10

// Types of packets. OK answers only those requests that want nothing back.
const (
	requestOpen, requestRead, requestLstat, requestFstat = 3, 5, 7, 8
	requestOpendir, requestReaddir, requestRealpath      = 11, 12, 16
	requestStat, requestReadlink                         = 17, 19
	packetStatus, packetHandle, packetData, packetName   = 101, 102, 103, 104
	longestPacket                                        = 256 << 10 // as in the library
)

var errPacket = errors.New("the server sends packets that are not sftp")

// Write notes which requests want something back. The library writes a request's type and id at once, and one request after
// the other.
func (s *nameScreen) Write(p []byte) (int, error) {
	if s.send == 0 && len(p) >= 9 {
		s.send = 4 + int(binary.BigEndian.Uint32(p))
		switch p[4] {
		case requestOpen, requestRead, requestLstat, requestFstat, requestOpendir, requestReaddir, requestRealpath, requestStat, requestReadlink:
			s.mu.Lock()
			s.wants[binary.BigEndian.Uint32(p[5:])] = true
			s.mu.Unlock()
		}
	}
	n, err := s.to.Write(p)
	s.send = max(s.send-n, 0)
	return n, err
}

// Close closes the way to the server. The library calls it when it takes nothing any more.
func (s *nameScreen) Close() error {
	s.lose.Do(func() { close(s.lost) })
	return s.to.Close()
}

func (s *nameScreen) Read(p []byte) (int, error) {
	if len(s.packet) == 0 && s.pass == 0 {
		if err := s.next(); err != nil {
			if errors.Is(err, errPacket) || err == errTooMany {
				s.cut(err)
			}
			s.lose.Do(func() { close(s.lost) })
			return 0, err
		}
	}
	if len(s.packet) > 0 {
		n := copy(p, s.packet)
		s.packet = s.packet[n:]
		return n, nil
	}
	n, err := s.from.Read(p[:min(len(p), s.pass)])
	s.pass -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // within a packet
	}
	return n, err
}

// next reads the beginning of the library's next packet, and all of it if it is to be screened.
func (s *nameScreen) next() error {
	for len(s.packet) == 0 {
		if err := s.begin(); err != nil {
			return err
		}
	}
	return nil
}

// begin reads the beginning of a packet; what answers a read of ours it reads to its end.
func (s *nameScreen) begin() error {
	header := s.header[:]
	if _, err := io.ReadFull(s.from, header[:5]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(header)
	if length == 0 || length > longestPacket {
		return errPacket
	}
	s.packet, s.pass = header[:min(13, 4+length)], max(int(length)-9, 0)
	if _, err := io.ReadFull(s.from, s.packet[5:]); err != nil {
		return err
	}
	if id := binary.BigEndian.Uint32(header[5:]); len(s.packet) >= 9 && id >= firstRead {
		return s.answered(id, header[4])
	}
	if len(s.packet) == 13 && !s.wanted(header) {
		return errPacket
	}
	if header[4] != packetHandle && (header[4] != packetName || !s.listing.Load()) {
		return nil
	}
	rest := s.pass
	s.packet, s.pass = append(s.packet, make([]byte, rest)...), 0
	if _, err := io.ReadFull(s.from, s.packet[len(s.packet)-rest:]); err != nil {
		return err
	}
	if header[4] == packetHandle {
		handle, _, _ := packetString(s.packet[min(9, len(s.packet)):]) // the library does not go on with one that is none
		s.mu.Lock()
		defer s.mu.Unlock()
		s.handle = string(handle)
		return nil
	}
	if len(s.packet) >= 13 && s.named.Add(int64(binary.BigEndian.Uint32(header[9:]))) > mostListed {
		return errTooMany
	}
	return screenNames(s.packet[5:])
}

// opened gives the handle of the file that was opened last.
func (s *nameScreen) opened() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handle
}

// answered reads the rest of an answer to a read of ours.
func (s *nameScreen) answered(id uint32, kind byte) error {
	s.mu.Lock()
	p := s.reads[id]
	delete(s.reads, id)
	s.mu.Unlock()
	if p == nil {
		return errPacket
	}
	if len(s.packet) < 13 {
		return errShort
	}
	word := binary.BigEndian.Uint32(s.packet[9:])
	switch {
	case kind == packetData && int64(word) <= int64(s.pass):
		n, err := io.ReadFull(s.from, p.bytes[p.n:p.n+min(len(p.bytes)-p.n, int(word))])
		p.n, s.pass = p.n+n, s.pass-n
		if err != nil {
			return err
		}
	case kind == packetStatus && word != 0:
		p.status = word
	default:
		return errPacket
	}
	_, err := s.from.Discard(s.pass) // more than was asked for, the words of a status
	s.packet, s.pass = nil, 0
	s.came <- p
	return err
}

// wanted tells whether a packet, of which the first 13 bytes have come, can answer the request with its id.
func (s *nameScreen) wanted(header []byte) bool {
	id, status := binary.BigEndian.Uint32(header[5:]), binary.BigEndian.Uint32(header[9:])
	s.mu.Lock()
	defer s.mu.Unlock()
	wants := s.wants[id]
	delete(s.wants, id)
	return !wants || header[4] != packetStatus || status != 0
}

// screenNames replaces the slashes in the names of an SSH_FXP_NAME packet, which has come without its header.
func screenNames(body []byte) error {
	if len(body) < 8 {
		return errPacket
	}
	count, rest := binary.BigEndian.Uint32(body[4:]), body[8:]
	for range count {
		name, after, ok := packetString(rest)
		if !ok {
			return errPacket
		}
		for i := range name {
			if name[i] == '/' {
				name[i] = 0
			}
		}
		if _, after, ok = packetString(after); !ok { // the long name
			return errPacket
		}
		if rest, ok = packetAttributes(after); !ok {
			return errPacket
		}
	}
	return nil
}

func packetString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, false
	}
	end := 4 + int(binary.BigEndian.Uint32(b))
	return b[4:end], b[end:], true
}

// packetAttributes skips a file's attributes.
func packetAttributes(b []byte) (rest []byte, ok bool) {
	const size, owner, mode, times, extended = 1, 2, 4, 8, 1 << 31
	if len(b) < 4 {
		return nil, false
	}
	flags, length := binary.BigEndian.Uint32(b), 4
	for flag, n := range map[uint32]int{size: 8, owner: 8, mode: 4, times: 8} {
		if flags&flag != 0 {
			length += n
		}
	}
	if len(b) < length {
		return nil, false
	}
	b = b[length:]
	if flags&extended == 0 {
		return b, true
	}
	if len(b) < 4 {
		return nil, false
	}
	count := binary.BigEndian.Uint32(b)
	b = b[4:]
	for range count {
		for range 2 {
			if _, b, ok = packetString(b); !ok {
				return nil, false
			}
		}
	}
	return b, true
}
