package transport

import (
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"
)

// nameScreen stands between a server's SFTP channel and the library, which shows "../../etc/passwd" in a listing as "passwd".
// While a listing is under way it puts a zero byte in the place of each slash in a name, which no server can send in a
// name that is one, so that List sees what the server said.
type nameScreen struct {
	from    io.Reader
	listing atomic.Bool
	packet  []byte // what of a screened packet is still to be read
	pass    int    // what of another packet is still to come
}

const (
	packetName    = 104
	longestPacket = 256 << 10 // as in the library
)

var errPacket = errors.New("the server sends packets that are not sftp")

func (s *nameScreen) Read(p []byte) (int, error) {
	if len(s.packet) == 0 && s.pass == 0 {
		if err := s.next(); err != nil {
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

// next reads the beginning of a packet, and all of it if it is to be screened.
func (s *nameScreen) next() error {
	header := make([]byte, 5)
	if _, err := io.ReadFull(s.from, header); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(header)
	if length == 0 || length > longestPacket {
		return errPacket
	}
	s.packet, s.pass = header, int(length)-1
	if header[4] != packetName || !s.listing.Load() {
		return nil
	}
	s.packet, s.pass = append(header, make([]byte, length-1)...), 0
	if _, err := io.ReadFull(s.from, s.packet[5:]); err != nil {
		return err
	}
	return screenNames(s.packet[5:])
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
