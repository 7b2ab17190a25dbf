package transport

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
)

// line is a client's line to a protocol server, which counts what passes.
type line struct {
	net.Conn
	read, writes atomic.Int64
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.read.Add(int64(n))
	return n, err
}

func (l *line) Write(p []byte) (int, error) {
	l.writes.Add(1)
	return l.Conn.Write(p)
}

// slow holds every write back until it is let go.
type slow struct {
	begun chan struct{}
	let   chan struct{}
}

func (s *slow) Filewrite(*sftp.Request) (io.WriterAt, error) { return s, nil }

func (s *slow) WriteAt(p []byte, _ int64) (int, error) {
	s.begun <- struct{}{}
	<-s.let
	return len(p), nil
}

// serveTest serves stretches with the given handlers to a client, until the test ends.
func serveTest(t *testing.T, handlers sftp.Handlers) (client *sftp.Client, l *line, rested chan struct{}) {
	t.Helper()
	near, far := net.Pipe()
	l, rested = &line{Conn: far}, make(chan struct{}, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serveStretches(l, func() bool { return true }, func() { rested <- struct{}{} }, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
			return sftp.NewRequestServer(rwc, handlers, sftp.WithRSAllocator())
		})
	}()
	client, err := sftp.NewClientPipe(near, near, sftp.UseConcurrentWrites(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		near.Close()
		<-ended
	})
	return client, l, rested
}

// TestRestAndGoOn: a server that was given up comes back with the next packet, and answers are gathered without losing any.
func TestRestAndGoOn(t *testing.T) {
	client, l, rested := serveTest(t, sftp.InMemHandler())
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	for _, name := range []string{"/one", "/two"} {
		f, err := client.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		before := l.writes.Load()
		if _, err := f.ReadFromWithConcurrency(bytes.NewReader(content), 64); err != nil {
			t.Fatal(err)
		}
		if answers := l.writes.Load() - before; answers > int64(len(content)/32768) {
			t.Errorf("%d answers", answers)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		g, err := client.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(g); err != nil || !bytes.Equal(back, content) {
			t.Fatalf("%d bytes came back, %v", len(back), err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-rested:
		case <-time.After(20 * quietAfter):
			t.Fatal("it never rests")
		}
	}
}

// TestPacketsUnderWayAreBounded: the library reads no further while so many packets are unanswered.
func TestPacketsUnderWayAreBounded(t *testing.T) {
	handler := &slow{begun: make(chan struct{}), let: make(chan struct{})}
	handlers := sftp.InMemHandler()
	handlers.FilePut = handler
	client, l, _ := serveTest(t, handlers)
	f, err := client.Create("/slow")
	if err != nil {
		t.Fatal(err)
	}
	before := l.read.Load()
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := f.ReadFromWithConcurrency(bytes.NewReader(make([]byte, 100*32768)), 64); err != nil {
			t.Error(err)
		}
	})
	for range sftp.SftpServerWorkerCount { // all workers hold one
		<-handler.begun
	}
	for last := int64(-1); last != l.read.Load(); <-time.After(100 * time.Millisecond) {
		last = l.read.Load() // it reads on until something holds it
	}
	if got := l.read.Load() - before; got > mostUnanswered*(32768+100) {
		t.Errorf("%d bytes were read ahead", got)
	}
	go func() {
		for range handler.begun { // the rest
		}
	}()
	close(handler.let)
	sending.Wait()
	close(handler.begun)
}

// TestRestInTheMiddleOfAHead: two bytes of a packet came, then nothing for a while, then the rest of it and another one.
func TestRestInTheMiddleOfAHead(t *testing.T) {
	near, far := net.Pipe()
	rested, ended := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(ended)
		serveStretches(far, func() bool { return true }, func() { rested <- struct{}{} }, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
			return sftp.NewRequestServer(rwc, sftp.InMemHandler(), sftp.WithRSAllocator())
		})
	}()
	defer func() {
		near.Close()
		<-ended
	}()
	version := []byte{0, 0, 0, 5, 1, 0, 0, 0, 3}
	stat := func(id byte) []byte { return []byte{0, 0, 0, 10, 17, 0, 0, 0, id, 0, 0, 0, 1, '/'} }
	send := func(packets ...[]byte) {
		if _, err := near.Write(bytes.Join(packets, nil)); err != nil {
			t.Error(err)
		}
	}
	answer := func(kind, id byte) {
		t.Helper()
		var h head
		if _, err := io.ReadFull(near, h[:]); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, h[3])
		if _, err := io.ReadFull(near, body); err != nil || h[0]|h[1]|h[2] != 0 || body[0] != kind || body[4] != id {
			t.Fatalf("%v, %v, %v", h, body, err)
		}
	}
	go send(version, stat(7), stat(8)[:2])
	answer(2, 3)
	answer(105, 7)
	<-rested
	go send(stat(8)[2:], stat(9), stat(10))
	answer(105, 8)
	answer(105, 9)
	answer(105, 10)
	<-rested
	go send(stat(11))
	answer(105, 11)
}
