package vault

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	maxHeader  = 256 << 10 // bytes before the content, of one layer
	maxNesting = 24        // containers open at once
)

// errBER is what the reader says of bytes that are no BER or not the BER that
// was expected. Callers turn it into ErrNotSealed or ErrTampered.
var errBER = errors.New("vault: not the structure of a sealed file")

func berError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errBER}, args...)...)
}

// berReader reads BER, of definite and indefinite lengths, from a stream. It
// holds no more than a header of maxHeader bytes, whatever it is fed.
type berReader struct {
	r    *bufio.Reader
	off  int64
	open []int64 // where each open container ends; indefinite: -1

	header  []byte    // all bytes so far that are not content, while keep is set
	keep    bool      // off once the content begins
	outside io.Writer // takes all bytes that are not content; nil if nobody asks
	content int64     // bytes left of the segment of content being read
}

const indefinite = -1

func newBERReader(r io.Reader) *berReader {
	return &berReader{r: bufio.NewReaderSize(r, 4096), keep: true}
}

// take reads bytes that are not content.
func (b *berReader) take(p []byte) error {
	n, err := io.ReadFull(b.r, p)
	b.off += int64(n)
	if err != nil {
		return truncated(err)
	}
	if b.outside != nil {
		b.outside.Write(p)
	}
	if b.keep {
		if len(b.header)+n > maxHeader {
			return berError("the header is longer than %d bytes", maxHeader)
		}
		b.header = append(b.header, p...)
	}
	return nil
}

func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	return err
}

// room is how many bytes the innermost container of known length still has.
func (b *berReader) room() int64 {
	for i := len(b.open) - 1; i >= 0; i-- {
		if b.open[i] != indefinite {
			return b.open[i] - b.off
		}
	}
	return 1<<63 - 1 - b.off
}

// next reads a tag and a length; the length is indefinite (-1) only for a
// constructed tag, and never more than the container has room for.
func (b *berReader) next() (tag byte, length int64, err error) {
	var h [2]byte
	if b.room() < 2 {
		return 0, 0, berError("a container ends inside an element")
	}
	if err := b.take(h[:]); err != nil {
		return 0, 0, err
	}
	tag = h[0]
	if tag&0x1f == 0x1f || tag == 0 {
		return 0, 0, berError("tag %#x", tag)
	}
	switch {
	case h[1] < 0x80:
		length = int64(h[1])
	case h[1] == 0x80:
		if tag&0x20 == 0 {
			return 0, 0, berError("a primitive without a length")
		}
		return tag, indefinite, nil
	case h[1] > 0x88:
		return 0, 0, berError("a length of %d bytes", h[1]&0x7f)
	default:
		var l [8]byte
		n := int(h[1] & 0x7f)
		if b.room() < int64(n) {
			return 0, 0, berError("a container ends inside a length")
		}
		if err := b.take(l[:n]); err != nil {
			return 0, 0, err
		}
		for _, v := range l[:n] {
			if length >= 1<<54 {
				return 0, 0, berError("an absurd length")
			}
			length = length<<8 | int64(v)
		}
	}
	if length > b.room() {
		return 0, 0, berError("an element is longer than what holds it")
	}
	return tag, length, nil
}

// enter opens the container that must come next.
func (b *berReader) enter(want byte) error {
	tag, length, err := b.next()
	if err != nil {
		return err
	}
	if tag != want {
		return berError("tag %#x instead of %#x", tag, want)
	}
	return b.push(length)
}

func (b *berReader) push(length int64) error {
	if len(b.open) == maxNesting {
		return berError("nested too deep")
	}
	if length != indefinite {
		length += b.off
	}
	b.open = append(b.open, length)
	return nil
}

// atEnd says whether the innermost container has nothing more.
func (b *berReader) atEnd() (bool, error) {
	if end := b.open[len(b.open)-1]; end != indefinite {
		return b.off >= end, nil
	}
	if b.room() < 2 {
		return false, berError("no end of contents")
	}
	p, err := b.r.Peek(2)
	if err != nil {
		return false, truncated(err)
	}
	return p[0] == 0 && p[1] == 0, nil
}

// leave closes the innermost container, which must be at its end.
func (b *berReader) leave() error {
	end, err := b.atEnd()
	if err != nil {
		return err
	}
	if !end {
		return berError("an element too many")
	}
	if b.open[len(b.open)-1] == indefinite {
		var eoc [2]byte
		if err := b.take(eoc[:]); err != nil {
			return err
		}
	}
	b.open = b.open[:len(b.open)-1]
	return nil
}

// peek returns the tag that comes next, or 0 at the end of the container.
func (b *berReader) peek() (byte, error) {
	if end, err := b.atEnd(); err != nil || end {
		return 0, err
	}
	p, err := b.r.Peek(1)
	if err != nil {
		return 0, truncated(err)
	}
	return p[0], nil
}

// element reads a whole element of at most maxHeader bytes and returns it
// with definite lengths throughout and its OCTET STRINGs in one piece.
func (b *berReader) element() ([]byte, error) {
	tag, length, err := b.next()
	if err != nil {
		return nil, err
	}
	if length > maxHeader {
		return nil, berError("an element of %d bytes in the header", length)
	}
	if tag&0x20 == 0 {
		body := make([]byte, length)
		if err := b.take(body); err != nil {
			return nil, err
		}
		return der(tag, body), nil
	}
	if err := b.push(length); err != nil {
		return nil, err
	}
	var body []byte
	for start := b.off; ; {
		end, err := b.atEnd()
		if err != nil {
			return nil, err
		}
		if end {
			break
		}
		child, err := b.element()
		if err != nil {
			return nil, err
		}
		if tag == 0x24 { // a string in parts: join what is in them
			if child[0] != 0x04 {
				return nil, berError("tag %#x inside a string", child[0])
			}
			child = derBody(child)
		}
		body = append(body, child...)
		if b.off-start > maxHeader {
			return nil, berError("an element longer than %d bytes in the header", maxHeader)
		}
	}
	if err := b.leave(); err != nil {
		return nil, err
	}
	if tag == 0x24 {
		tag = 0x04
	}
	return der(tag, body), nil
}

// enterContent opens the [0] IMPLICIT OCTET STRING that holds the encrypted
// content; Read then gives its bytes, whatever the segments, until io.EOF.
func (b *berReader) enterContent() error {
	tag, length, err := b.next()
	if err != nil {
		return err
	}
	b.keep = false
	switch tag {
	case 0x80: // primitive: one segment without a container of its own
		b.content = length
		return b.push(length)
	case 0xa0:
		return b.push(length)
	}
	return berError("tag %#x instead of the encrypted content", tag)
}

// Read implements io.Reader for the content.
func (b *berReader) Read(p []byte) (int, error) {
	for b.content == 0 {
		end, err := b.atEnd()
		if err != nil {
			return 0, err
		}
		if end {
			return 0, io.EOF
		}
		tag, length, err := b.next()
		if err != nil {
			return 0, err
		}
		if tag != 0x04 {
			return 0, berError("tag %#x inside the encrypted content", tag)
		}
		b.content = length
	}
	if int64(len(p)) > b.content {
		p = p[:b.content]
	}
	n, err := b.r.Read(p)
	b.off += int64(n)
	b.content -= int64(n)
	if err != nil {
		return n, truncated(err)
	}
	return n, nil
}

// end says whether anything follows the outermost container.
func (b *berReader) end() error {
	if _, err := b.r.Peek(1); err != io.EOF {
		if err != nil {
			return err
		}
		return berError("bytes behind the end")
	}
	return nil
}

// der puts a tag and a definite length before a body.
func der(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	var h [6]byte
	start := putHeader(h[:], len(h), tag, n)
	out := append(make([]byte, 0, len(h)-start+n), h[start:]...)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// putHeader writes a tag and a shortest definite length so that they end
// before buf[end], and returns where they start (at most 6 bytes earlier).
func putHeader(buf []byte, end int, tag byte, length int) int {
	if length < 0x80 {
		buf[end-1], buf[end-2] = byte(length), tag
		return end - 2
	}
	n := 0
	for l := length; l > 0; l >>= 8 {
		n++
		buf[end-n] = byte(l)
	}
	buf[end-n-1], buf[end-n-2] = 0x80|byte(n), tag
	return end - n - 2
}

// derBody returns what is behind the tag and length of an element made by der.
func derBody(e []byte) []byte {
	if e[1] < 0x80 {
		return e[2:]
	}
	return e[2+int(e[1]&0x7f):]
}
