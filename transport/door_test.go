package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// These tests are about what happens before a login, where no house is asked anything: the door has none.

// openHouse is behind doors that nobody gets through in a test: all that it says is that they may knock.
type openHouse struct{ House }

func (openHouse) Welcome(netip.Addr) bool { return true }

// newDoor is a door with fresh host keys that is not open yet. Its log goes to the returned buffer.
func newDoor(t testing.TB, algorithms string, kinds ...string) (*SFTP, *screen) {
	t.Helper()
	if len(kinds) == 0 {
		kinds = []string{"ed25519"}
	}
	cfg := &config.Config{SFTP: config.SFTP{
		Listen: "127.0.0.1:0", Algorithms: algorithms, StopWithin: 5 * time.Second, Park: time.Minute,
		Limits: config.Limits{Sessions: 10, SessionsPerAccount: 10, SessionsPerAddress: 10, Handshakes: 20, Handles: 8},
	}}
	for _, kind := range kinds {
		cfg.SFTP.HostKeys = append(cfg.SFTP.HostKeys, newKeyFile(t, kind))
	}
	var log screen
	door, err := NewSFTP(cfg, openHouse{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return door, &log
}

// run opens the door until the test ends and returns its address.
func run(t testing.TB, door *SFTP) string {
	t.Helper()
	if err := door.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- door.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return door.Addr().String()
}

// offer reads what a server offers in its KEXINIT, in the order of RFC 4253 section 7.1.
func offer(t *testing.T, addr string) (lists [][]string, banner string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "SSH-2.0-test\r\n"); err != nil {
		t.Fatal(err)
	}
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(conn, b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, binary.BigEndian.Uint32(head)-1)
	if _, err := io.ReadFull(conn, packet); err != nil {
		t.Fatal(err)
	}
	if packet[0] != 20 {
		t.Fatalf("message %d, want KEXINIT", packet[0])
	}
	packet = packet[17:]
	for range 8 {
		n := binary.BigEndian.Uint32(packet)
		lists = append(lists, strings.Split(string(packet[4:4+n]), ","))
		packet = packet[4+n:]
	}
	return lists, strings.TrimRight(string(line), "\r")
}

// The lists are written out here once more on purpose: a change of the library or of the profile must be seen.
func TestOfferedAlgorithms(t *testing.T) {
	exchanges := []string{"mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "diffie-hellman-group14-sha256", "kex-strict-s-v00@openssh.com"}
	ciphers := []string{"aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr"}
	macs := []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256"}
	for _, test := range []struct {
		algorithms string
		keys       []string
		exchanges  []string
		hostKeys   []string
	}{
		{"default", []string{"ed25519", "rsa-3072"}, exchanges, []string{"ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"}},
		{"", []string{"ed25519"}, exchanges, []string{"ssh-ed25519"}},
		{"compat", []string{"ed25519", "rsa-3072", "ecdsa"}, append(slices.Clone(exchanges), "ecdh-sha2-nistp256"), []string{"ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256"}},
	} {
		door, _ := newDoor(t, test.algorithms, test.keys...)
		got, banner := offer(t, run(t, door))
		if banner != "SSH-2.0-Sealgate" {
			t.Errorf("%s: version %q", test.algorithms, banner)
		}
		want := [][]string{test.exchanges, test.hostKeys, ciphers, ciphers, macs, macs, {"none"}, {"none"}}
		for i := range want {
			a, b := slices.Sorted(slices.Values(got[i])), slices.Sorted(slices.Values(want[i]))
			if !slices.Equal(a, b) {
				t.Errorf("%s: list %d is\n %v, want\n %v", test.algorithms, i, got[i], want[i])
			}
		}
		if got[2][0] != "aes256-gcm@openssh.com" || got[0][0] != "mlkem768x25519-sha256" {
			t.Errorf("%s: first choices are %s, %s", test.algorithms, got[0][0], got[2][0])
		}
	}
}

func TestNewSFTPRefuses(t *testing.T) {
	for want, cfg := range map[string]config.SFTP{
		"no host key":   {},
		"compat only":   {HostKeys: []string{newKeyFile(t, "ecdsa")}},
		"second key":    {HostKeys: []string{newKeyFile(t, "ed25519"), newKeyFile(t, "ed25519")}},
		"no such file":  {HostKeys: []string{"/nowhere/key"}},
		"is too short,": {HostKeys: []string{newKeyFile(t, "rsa-1024")}},
	} {
		if _, err := NewSFTP(&config.Config{SFTP: cfg}, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewSFTP = %v, want %q", err, want)
		}
	}
}

// SHA-1 is refused from both sides, whatever the client would take.
func TestWeakClientsAreRefused(t *testing.T) {
	door, _ := newDoor(t, "default", "rsa-3072")
	addr := run(t, door)
	for name, client := range map[string]ssh.ClientConfig{
		"kex":      {Config: ssh.Config{KeyExchanges: []string{ssh.InsecureKeyExchangeDH14SHA1}}},
		"nistp":    {Config: ssh.Config{KeyExchanges: []string{ssh.KeyExchangeECDHP256}}},
		"mac":      {Config: ssh.Config{Ciphers: []string{ssh.CipherAES128CTR}, MACs: []string{ssh.HMACSHA1}}},
		"cbc":      {Config: ssh.Config{Ciphers: []string{ssh.InsecureCipherAES128CBC}}},
		"host key": {HostKeyAlgorithms: []string{ssh.KeyAlgoRSA}},
	} {
		client.HostKeyCallback = ssh.InsecureIgnoreHostKey()
		_, err := ssh.Dial("tcp", addr, &client)
		var negotiation *ssh.AlgorithmNegotiationError
		if !errors.As(err, &negotiation) && (err == nil || !strings.Contains(err.Error(), "no common algorithm")) {
			t.Errorf("%s: %v, want no common algorithm", name, err)
		}
	}
}

// pipe is a connection to the door without a network, inside a bubble of fake time.
func pipe(t *testing.T, door *SFTP) (client net.Conn, ended <-chan struct{}) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		door.serve(context.WithoutCancel(t.Context()), newConnection(server))
	}()
	return client, done
}

// A silent client and one that sends a byte a second are gone after 20 s.
func TestHandshakeDeadline(t *testing.T) {
	door, _ := newDoor(t, "default")
	for name, each := range map[string]time.Duration{"silent": time.Hour, "a byte a second": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, ended := pipe(t, door)
				began := time.Now()
				go io.Copy(io.Discard, client)
				go func() {
					for i := 0; ; i++ {
						select {
						case <-time.After(each):
						case <-ended:
							return
						}
						if _, err := client.Write([]byte("SSH-2.0-slow\r\n\x00\x00\x04\x00"[i%18 : i%18+1])); err != nil {
							return
						}
					}
				}()
				<-ended
				if took := time.Since(began); took != handshakeWithin {
					t.Errorf("ended after %v, want %v", took, handshakeWithin)
				}
				client.Close()
			})
		})
	}
}

// eager is a pipe's end that does not wait for the reader: both sides of SSH write first.
type eager struct {
	net.Conn
	out chan []byte
}

func newEager(conn net.Conn) *eager {
	e := &eager{conn, make(chan []byte, 100)}
	go func() {
		for p := range e.out {
			if _, err := conn.Write(p); err != nil {
				return
			}
		}
	}()
	return e
}

func (e *eager) Write(p []byte) (int, error) {
	e.out <- bytes.Clone(p)
	return len(p), nil
}

// A person who compares the fingerprint and types a password has two minutes, and no more.
func TestLoginDeadline(t *testing.T) {
	door, _ := newDoor(t, "default")
	synctest.Test(t, func(t *testing.T) {
		client, ended := pipe(t, door)
		began := time.Now()
		link := newEager(client)
		go ssh.NewClientConn(link, "", &ssh.ClientConfig{
			User:            "demo",
			HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { <-time.After(time.Minute); return nil },
			Auth:            []ssh.AuthMethod{ssh.PasswordCallback(func() (string, error) { <-ended; return "", errors.New("gone") })},
		})
		<-ended
		if took := time.Since(began); took != loginWithin {
			t.Errorf("ended after %v, want %v", took, loginWithin)
		}
		client.Close()
		synctest.Wait()
		close(link.out)
	})
}

// TestKeepAlive: the system itself asks whether a silent peer is there, so that one that vanished is noticed within half a minute.
func TestKeepAlive(t *testing.T) {
	door, _ := newDoor(t, "default")
	conn, err := net.Dial("tcp", run(t, door))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len("SSH-2.0-"))); err != nil { // it has been let into the lobby
		t.Fatal(err)
	}
	door.lobby.mu.Lock()
	raw, err := door.lobby.waiting[0].Conn.(*net.TCPConn).SyscallConn()
	door.lobby.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		option := func(level, name int) int {
			n, err := syscall.GetsockoptInt(int(fd), level, name)
			if err != nil {
				t.Error(err)
			}
			return n
		}
		idle, interval, count := option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
		if on := option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); on != 1 || idle+interval*count > 30 {
			t.Errorf("on: %d; after %d s, and %d times every %d s", on, idle, count, interval)
		}
	})
}

// An idle session is cut, one that sends keepalives is not.
func TestIdleLimit(t *testing.T) {
	door, _ := newDoor(t, "default")
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var sweeping sync.WaitGroup
		sweeping.Go(func() { door.sweep(ctx) })
		idleClient, idleServer := net.Pipe()
		busyClient, busyServer := net.Pipe()
		idle, busy := newConnection(idleServer), newConnection(busyServer)
		door.open(idle)
		door.open(busy)
		go io.Copy(io.Discard, busy)
		began := time.Now()
		var cut time.Duration
		sweeping.Go(func() {
			io.Copy(io.Discard, idleClient)
			cut = time.Since(began)
		})
		for range 60 {
			<-time.After(time.Minute)
			if _, err := busyClient.Write([]byte("x")); err != nil {
				t.Fatalf("the busy session was cut: %v", err)
			}
		}
		synctest.Wait()
		if cut < idleLimit || cut > idleLimit+10*time.Second {
			t.Errorf("the idle session was cut after %v, want %v", cut, idleLimit)
		}
		stop()
		busyClient.Close()
		busy.Close()
		sweeping.Wait()
		door.closed(idle)
		door.closed(busy)
	})
}

// exhausted is a listener that has no descriptors for a while.
type exhausted struct {
	net.Listener
	failures int
	calls    int
}

func (e *exhausted) Accept() (net.Conn, error) {
	e.calls++
	if e.calls <= e.failures {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	if e.calls <= e.failures+3 {
		<-time.After(4 * time.Second) // connections come, some seconds apart
		client, server := net.Pipe()
		client.Close()
		return server, nil
	}
	return nil, net.ErrClosed
}

// Out of descriptors, the door waits: few tries, one line when it begins and one when it is over.
func TestAcceptBacksOff(t *testing.T) {
	door, log := newDoor(t, "default")
	synctest.Test(t, func(t *testing.T) {
		listener := &exhausted{failures: 120}
		door.listener = listener
		began := time.Now()
		var connections sync.WaitGroup
		door.accept(t.Context(), t.Context(), &connections)
		connections.Wait()
		if took := time.Since(began); took < 50*time.Second {
			t.Errorf("120 failures took %v: no pause between the tries", took)
		}
	})
	if n := bytes.Count(log.Bytes(), []byte("\n")); n != 2 {
		t.Errorf("%d lines in the log, want 2:\n%s", n, log.String())
	}
}

// A newcomer gets through while a flood of silent connections, many times the cap, stands at the door.
func TestNewcomerUnderFlood(t *testing.T) {
	door, _ := newDoor(t, "default")
	addr := run(t, door)
	const flood = 400
	for range flood {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	_, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{User: "demo", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Errorf("the newcomer got %v, want to be asked for a login", err)
	}
	door.lobby.mu.Lock()
	defer door.lobby.mu.Unlock()
	if n := len(door.lobby.waiting); n > door.config().SFTP.Limits.Handshakes {
		t.Errorf("%d connections wait, the cap is %d", n, door.config().SFTP.Limits.Handshakes)
	}
}
