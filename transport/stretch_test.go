package transport

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
		serveStretches(l, 64, func() bool { return true }, func() { rested <- struct{}{} }, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
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
	synctest.Test(t, func(t *testing.T) {
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
	})
}

// TestPacketsUnderWayAreBounded: the library reads no further while so many packets are unanswered.
func TestPacketsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
	})
}

// raw is a client that writes packets itself.
type raw struct {
	net.Conn
	t *testing.T
}

// rawTest serves stretches with the given handlers to a client of packets.
func rawTest(t *testing.T, handlers sftp.Handlers, idle bool, answers func(net.Conn) net.Conn) (client raw, rested chan struct{}) {
	t.Helper()
	near, far := net.Pipe()
	rested, ended := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(ended)
		serveStretches(answers(far), 64, func() bool { return idle }, func() { rested <- struct{}{} }, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
			return sftp.NewRequestServer(rwc, handlers, sftp.WithRSAllocator())
		})
	}()
	t.Cleanup(func() {
		near.Close()
		<-ended
	})
	return raw{near, t}, rested
}

func asItIs(c net.Conn) net.Conn { return c }

// The packets of these tests (draft-ietf-secsh-filexfer-02): versions, a STAT of "/", and what is done with handle "1" or "2".
var hello = []byte{0, 0, 0, 5, 1, 0, 0, 0, 3}

func stat(id byte) []byte { return []byte{0, 0, 0, 10, 17, 0, 0, 0, id, 0, 0, 0, 1, '/'} }
func openFile(id, name byte) []byte {
	return []byte{0, 0, 0, 19, 3, 0, 0, 0, id, 0, 0, 0, 2, '/', name, 0, 0, 0, 0x1a, 0, 0, 0, 0}
}

func writeFile(id, handle byte) []byte {
	return []byte{0, 0, 0, 23, 6, 0, 0, 0, id, 0, 0, 0, 1, handle, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}
}
func closeFile(id, handle byte) []byte {
	return []byte{0, 0, 0, 10, 4, 0, 0, 0, id, 0, 0, 0, 1, handle}
}

// send writes packets, from a goroutine of its own since nobody may be reading yet.
func (r raw) send(packets ...[]byte) {
	go r.Write(bytes.Join(packets, nil))
}

// packet reads one answer.
func (r raw) packet() []byte {
	r.t.Helper()
	var h head
	if _, err := io.ReadFull(r, h[:]); err != nil {
		r.t.Fatal(err)
	}
	body := make([]byte, h[3])
	if _, err := io.ReadFull(r, body); err != nil || h[0]|h[1]|h[2] != 0 {
		r.t.Fatalf("%v, %v, %v", h, body, err)
	}
	return body
}

// answer reads one answer and compares its kind and id.
func (r raw) answer(kind, id byte) {
	r.t.Helper()
	if body := r.packet(); body[0] != kind || body[4] != id {
		r.t.Fatalf("%v", body)
	}
}

// TestRestInTheMiddleOfAHead: two bytes of a packet came, then nothing for a while, then the rest of it and another one.
func TestRestInTheMiddleOfAHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, rested := rawTest(t, sftp.InMemHandler(), true, asItIs)
		client.send(hello, stat(7), stat(8)[:2])
		client.answer(2, 3)
		client.answer(105, 7)
		<-rested
		client.send(stat(8)[2:], stat(9), stat(10))
		client.answer(105, 8)
		client.answer(105, 9)
		client.answer(105, 10)
		<-rested
		client.send(stat(11))
		client.answer(105, 11)
	})
}

// askLimits is a request of OpenSSH's client.
func askLimits(id byte) []byte {
	return append([]byte{0, 0, 0, 27, 200, 0, 0, 0, id, 0, 0, 0, 18}, "limits@openssh.com"...)
}

// TestLimitsAreTold: they are offered with the version, and told at once, whatever is under way and after a rest too.
func TestLimitsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handlers, let := sftp.InMemHandler(), make(chan struct{})
		handlers.FilePut = held{let}
		client, rested := rawTest(t, handlers, true, asItIs)
		client.send(hello)
		offer := client.packet()
		if want := "\x00\x00\x00\x12limits@openssh.com\x00\x00\x00\x011"; !bytes.HasSuffix(offer, []byte(want)) || offer[0] != 2 {
			t.Errorf("the version is %q", offer)
		}
		told := func(id byte) {
			t.Helper()
			got := client.packet()
			want := []byte{201, 0, 0, 0, id}
			for _, n := range []uint64{256 << 10, 255 << 10, 255 << 10, 64} {
				want = binary.BigEndian.AppendUint64(want, n)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the limits are %v, want %v", got, want)
			}
		}
		client.send(askLimits(1), askLimits(2))
		told(1)
		told(2)
		client.send(openFile(3, 'b'))
		client.answer(102, 3)
		client.send(writeFile(4, '1'), askLimits(5))
		told(5) // the write waits
		close(let)
		client.answer(101, 4)
		client.send(closeFile(6, '1'))
		client.answer(101, 6)
		<-rested
		client.send(askLimits(7), stat(8))
		told(7)
		client.answer(105, 8)
		other := askLimits(9)
		other[len(other)-1] = 'n' // another extension of the same length is not answered by us
		client.send(other)
		client.answer(101, 9)
	})
}

// TestLongOpen: an OPEN for writing that is too long to be looked into opens nothing, or a READ of its handle would be a WRITE.
func TestLongOpen(t *testing.T) {
	handlers := sftp.InMemHandler()
	handlers.FilePut = &session{screen: newStderr(io.Discard)}
	client, _ := rawTest(t, handlers, true, asItIs)
	for size, words := range map[int]string{readAhead: "files go into /inbox", readAhead + 1: "too long"} {
		packet := append(openFile(7, 'a'), make([]byte, size-19)...) // attributes
		binary.BigEndian.PutUint32(packet, uint32(size))
		client.send(packet)
		if answer := client.packet(); !bytes.Contains(answer, []byte(words)) {
			t.Errorf("%d bytes: %q", size, answer)
		}
	}
}

// TestLimitsCutShort: a request whose end never comes is an end like any other.
func TestLimitsCutShort(t *testing.T) {
	for cut := 1; cut < len(askLimits(1)); cut++ {
		near, far := net.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- serveStretches(far, 64, func() bool { return true }, func() {}, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
				return sftp.NewRequestServer(rwc, sftp.InMemHandler(), sftp.WithRSAllocator())
			})
		}()
		client := raw{near, t}
		client.send(hello)
		client.answer(2, 3)
		if _, err := near.Write(askLimits(1)[:cut]); err != nil {
			t.Fatal(err)
		}
		near.Close()
		if err := <-ended; err == nil {
			t.Errorf("cut after %d bytes: no error", cut)
		}
		far.Close()
	}
}

// held holds the writes to the second file back until it is let go.
type held struct{ let chan struct{} }

func (h held) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	if r.Filepath == "/b" {
		return h, nil
	}
	return swallow{}, nil
}

func (h held) WriteAt(p []byte, _ int64) (int, error) {
	<-h.let
	return len(p), nil
}

type swallow struct{}

func (swallow) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// TestAnswerToCloseWaitsForNoWrite: the OK of one file is not gathered while another one's write blocks.
func TestAnswerToCloseWaitsForNoWrite(t *testing.T) {
	handlers, let := sftp.InMemHandler(), make(chan struct{})
	handlers.FilePut = held{let}
	client, _ := rawTest(t, handlers, false, asItIs)
	client.send(hello, openFile(1, 'a'), openFile(2, 'b'))
	client.answer(2, 3)
	client.answer(102, 1)
	client.answer(102, 2)
	client.send(writeFile(3, '1'), closeFile(4, '1'), writeFile(5, '2'))
	client.answer(101, 3)
	client.answer(101, 4) // and only now:
	close(let)
	client.answer(101, 5)
}

// gated lets the first answers pass, and then each one that it is told to.
type gated struct {
	net.Conn
	free   int
	gate   chan struct{}
	inside atomic.Int32
	most   atomic.Int32
}

func (g *gated) Write(p []byte) (int, error) {
	g.most.Store(max(g.most.Load(), g.inside.Add(1)))
	defer g.inside.Add(-1)
	if g.free--; g.free < 0 {
		<-g.gate
	}
	return g.Conn.Write(p)
}

// TestNoRestBeforeTheAnswerIsOut: a client that does not read its answer gets no second server that answers beside the first.
func TestNoRestBeforeTheAnswerIsOut(t *testing.T) {
	g := &gated{free: 1, gate: make(chan struct{})}
	client, rested := rawTest(t, sftp.InMemHandler(), true, func(c net.Conn) net.Conn {
		g.Conn = c
		return g
	})
	client.send(hello)
	client.answer(2, 3)
	client.send(stat(7))
	select {
	case <-rested:
		t.Error("it rests before its answer is out")
	case <-time.After(2 * quietAfter):
	}
	client.send(stat(8))
	close(g.gate)
	client.answer(105, 7)
	client.answer(105, 8)
	if n := g.most.Load(); n > 1 {
		t.Errorf("%d answers at once", n)
	}
}

// TestHalfClosedClientHearsAll: a client that sends nothing more still waits for the answers, the CLOSE's above all.
func TestHalfClosedClientHearsAll(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range 50 {
		near, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		far, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			serveStretches(far, 64, func() bool { return false }, func() {}, func(rwc io.ReadWriteCloser) *sftp.RequestServer {
				return sftp.NewRequestServer(rwc, sftp.InMemHandler(), sftp.WithRSAllocator())
			})
			far.Close()
		}()
		client := raw{near, t}
		if _, err := near.Write(bytes.Join([][]byte{hello, openFile(1, 'a')}, nil)); err != nil {
			t.Fatal(err)
		}
		client.answer(2, 3)
		client.answer(102, 1)
		if _, err := near.Write(bytes.Join([][]byte{writeFile(2, '1'), closeFile(3, '1')}, nil)); err != nil {
			t.Fatal(err)
		}
		if err := near.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		client.answer(101, 2)
		client.answer(101, 3)
		near.Close()
	}
}
