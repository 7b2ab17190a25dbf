package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// sshLiar is an SFTP server, written out to the packet, that lies in one way.
type sshLiar struct {
	lie     string
	server  *ssh.ServerConfig
	content []byte
	names   []string
	words   string          // of each status
	status  map[byte]uint32 // requests that are answered with a status, by type
	silent  byte            // a request that is not answered
	hold    chan struct{}

	mu     sync.Mutex // for what follows, server and names
	logins int
}

func newSSHLiar(t testing.TB, lie string, hosts ...ssh.Signer) (*sshLiar, config.Remote) {
	t.Helper()
	l := &sshLiar{lie: lie, content: noise(300_001), hold: make(chan struct{}), words: "as you say", names: []string{".", "..", "pain.xml"}}
	l.server = &ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		l.mu.Lock()
		l.logins++
		l.mu.Unlock()
		if string(password) != peerPassword {
			return nil, errors.New("no")
		}
		if l.lie == "silent login" {
			<-l.hold
		}
		return nil, nil
	}}
	if len(hosts) == 0 {
		hosts = append(hosts, newSigner(t, "ed25519"))
	}
	for _, host := range hosts {
		l.server.AddHostKey(host)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fine(t, err)
	var running sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	t.Cleanup(func() { end(); listener.Close(); close(l.hold); running.Wait() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ended, func() { conn.Close() })
			running.Go(func() { defer conn.Close(); l.serve(conn) })
		}
	})
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hosts[len(hosts)-1].PublicKey())))
	r := remoteTo(t, "sftp", listener.Addr().String(), "/out", config.Trust{HostKey: []string{line}})
	r.Silence = 20 * time.Second // a busy machine is not silent
	if quiet := regexp.MustCompile(`silent|trickle|chatty|endless|slow`); quiet.MatchString(lie) {
		r.Silence = 300 * time.Millisecond
	}
	return l, r
}

// set changes what it does from now on.
func (l *sshLiar) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *sshLiar) tries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logins
}

func (l *sshLiar) serve(conn net.Conn) {
	switch l.lie {
	case "silent greeting":
		<-l.hold
		return
	case "silent key exchange":
		fmt.Fprint(conn, "SSH-2.0-liar\r\n")
		<-l.hold
		return
	case "chatty greeting":
		for {
			if _, err := fmt.Fprint(conn, "hello\r\n"); err != nil {
				return
			}
		}
	}
	l.mu.Lock()
	server := l.server
	l.mu.Unlock()
	session, channels, requests, err := ssh.NewServerConn(conn, server)
	if err != nil {
		return
	}
	defer session.Close()
	go ssh.DiscardRequests(requests)
	for request := range channels {
		if l.lie == "silent channel" {
			<-l.hold
			return
		}
		channel, requests, err := request.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				if l.lie == "silent subsystem" {
					<-l.hold
					return
				}
				r.Reply(l.lie != "no sftp", nil)
			}
		}()
		fmt.Fprint(channel.Stderr(), strings.Repeat("noise on stderr\n", 100_000/16))
		l.packets(channel, conn)
	}
}

func lengths(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch p := part.(type) {
		case byte:
			b = append(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, p)
		case string:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func (l *sshLiar) packets(channel ssh.Channel, conn net.Conn) {
	defer channel.Close()
	listed := false
	for {
		var size uint32
		if binary.Read(channel, binary.BigEndian, &size) != nil {
			return
		}
		packet := make([]byte, size)
		if _, err := io.ReadFull(channel, packet); err != nil {
			return
		}
		id := packet[1:5]
		l.mu.Lock()
		words, silent := l.words, l.silent
		code, only := l.status[packet[0]]
		l.mu.Unlock()
		if silent == packet[0] {
			<-l.hold
			return
		}
		attrs := func(mode uint32, n uint64) []byte {
			if l.lie == "no times" {
				return lengths(uint32(1|4), n, mode)
			}
			return lengths(uint32(1|4|8), n, mode, uint32(1), uint32(1_763_622_489))
		}
		status := func(code uint32) []byte { return lengths(byte(101), id, code, words, "") }
		var reply []byte
		switch packet[0] {
		case 1: // INIT
			reply = lengths(byte(2), uint32(3))
			if strings.HasPrefix(l.lie, "limits") {
				reply = append(reply, lengths("limits@openssh.com", "1")...)
			}
		case 3: // OPEN
			reply = lengths(byte(102), id, "h")
		case 4: // CLOSE
			reply, listed = status(0), false
		case 5: // READ
			handle := binary.BigEndian.Uint32(packet[5:])
			at := packet[9+handle:]
			offset, n := binary.BigEndian.Uint64(at), binary.BigEndian.Uint32(at[8:])
			if reply = l.read(int(offset), int(n), id); reply == nil {
				return
			}
			if l.lie == "limits, but refuses" && n > 32<<10 {
				reply = status(4)
			}
			if offset > 100_000 {
				switch l.lie {
				case "twice":
					channel.Write(append(lengths(uint32(len(reply))), reply...))
				case "silent mid-file":
					<-l.hold
					return
				case "cut":
					conn.Close()
					return
				case "cut within a packet":
					channel.Write(lengths(uint32(len(reply)), reply[:20]))
					conn.Close()
					return
				case "channel closed":
					return
				case "error":
					reply = status(4)
				case "OK mid-file":
					reply = status(0)
				case "huge":
					reply = lengths(uint32(1<<31), reply)
				case "wrong id":
					reply[4]++
				case "short":
					reply = reply[:6]
				}
			}
		case 6: // WRITE
			reply = status(0)
			if l.lie == "end of file for a write" {
				reply = status(1)
			}
			if l.lie == "closes on a write" {
				return
			}
		case 7, 17: // LSTAT, STAT
			name := string(packet[9:])
			reply = lengths(byte(105), id, attrs(0o100644, uint64(len(l.content))))
			if name == "/out" {
				reply = lengths(byte(105), id, attrs(0o040755, 0))
			}
			if strings.HasSuffix(name, "none") {
				reply = status(2)
			}
		case 11: // OPENDIR
			reply = lengths(byte(102), id, "d")
		case 12: // READDIR
			reply = status(1)
			if !listed {
				l.mu.Lock()
				names := l.names
				l.mu.Unlock()
				reply = lengths(byte(104), id, uint32(len(names)))
				for _, name := range names {
					reply = append(reply, lengths(name, "-rw-r--r-- "+name, attrs(0o100644, 3))...)
				}
				if l.lie == "broken listing" {
					reply = reply[:len(reply)-3]
				}
			}
			listed = l.lie != "endless listing" && l.lie != "long listing"
			if l.lie == "failed listing" && listed {
				listed, reply = true, status(4)
			}
		default:
			reply = status(8)
		}
		if only {
			reply = status(code)
		}
		if _, err := channel.Write(append(lengths(uint32(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func (l *sshLiar) read(offset, n int, id []byte) []byte {
	if offset >= len(l.content) {
		return lengths(byte(101), id, uint32(1), "end", "")
	}
	piece := l.content[offset:min(offset+n, len(l.content))]
	switch l.lie {
	case "short reads", "limits, but short":
		piece = piece[:min(len(piece), 20_000)]
	case "nothing":
		piece = nil
	case "more than asked":
		if len(piece) < n {
			break // it would be as much as was asked for
		}
		piece = append(bytes.Clone(piece), noise(1000)...)
	}
	return lengths(byte(103), id, string(piece))
}
