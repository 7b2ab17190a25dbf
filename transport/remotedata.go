package transport

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"math"
	"net"
	"time"
)

// abandonWithin is how long a server may take to answer when we broke off a transfer. pure-ftpd often never does.
const abandonWithin = 2 * time.Second

// dataAhead is how many bytes are taken from a data connection at once: TLS asks for a record of 16 KiB, and then for the next.
const dataAhead = 256 << 10

// buffered is a connection that is read ahead.
type buffered struct {
	*wire
	ahead *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.ahead.Read(p) }

// dataConn is a data connection of FTP over TLS. Its handshake is done by the first Read or Write, or by Handshake, which
// the library calls for an empty file.
type dataConn struct {
	*tls.Conn
	wire    *wire
	control *wire
	tap     *bytes.Buffer // if not nil, gets what was read: a listing
	lines   int           // of the listing
	pace    pace
	wrote   bool
	ended   bool // TLS, or TCP alone, has come to its end
	broken  bool // given up by us
}

func (d *dataConn) begin() {
	if d.tap != nil {
		d.wire.begin(listingLimit - int64(d.tap.Len()))
	} else {
		d.wire.begin(math.MaxInt64)
	}
}

func (d *dataConn) Read(p []byte) (int, error) {
	d.begin()
	began := time.Now()
	n, err := d.Conn.Read(p)
	if d.tap != nil {
		d.tap.Write(p[:n])
		if d.lines += bytes.Count(p[:n], []byte("\n")); d.lines > mostListed {
			d.abandon()
			return n, errTooMany
		}
	}
	d.ended = d.ended || err == io.EOF
	if slow := d.pace.step(n, began, d.wire.leash.silence); slow != nil {
		return n, slow
	}
	return n, err
}

func (d *dataConn) Write(p []byte) (int, error) {
	d.wrote = true
	d.begin()
	began := time.Now()
	n, err := d.Conn.Write(p)
	if slow := d.pace.step(n, began, d.wire.leash.silence); slow != nil {
		return n, slow
	}
	return n, err
}

// Handshake is what the library calls before it closes the connection of an empty file.
func (d *dataConn) Handshake() error {
	d.wrote = true
	d.begin()
	return d.Conn.Handshake()
}

// abandon makes Close cut the connection, so that the server cannot take it for the end of the file.
func (d *dataConn) abandon() {
	if d != nil {
		d.broken = true
		d.wire.Conn.(*net.TCPConn).SetLinger(0)
	}
}

// cutOff says whether the connection ended without the server's goodbye. After a close_notify nobody asks TCP for more, so
// it can have ended first only if there was none.
func (d *dataConn) cutOff() bool { return d != nil && d.ended && d.wire.hasEnded() }

// Close ends what was sent so that the server gets all of it: first our goodbye, then everything that it still has to say
// (session tickets of TLS 1.3), then the end. Closed at once, unread bytes make TCP reset the connection, and vsftpd loses
// what it has not read yet. The library reads the server's verdict next, so the control connection gets its time for that.
func (d *dataConn) Close() error {
	if d.broken {
		defer d.control.hurry(abandonWithin)
		return d.wire.Close()
	}
	defer d.control.begin(replyLimit)
	if d.wrote {
		d.begin()
		if err := d.Conn.CloseWrite(); err != nil {
			d.wire.Close()
			return err
		}
		d.wire.Conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, io.LimitReader(d.Conn, replyLimit)) // its verdict comes by the control connection
		return d.wire.Close()
	}
	d.begin()
	d.Conn.Close() // what was read is what counts, and the server may be gone already
	d.wire.Close()
	return nil
}
