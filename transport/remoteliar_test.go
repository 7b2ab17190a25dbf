package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/config"
)

// liar is an FTPS server that serves one folder, and lies in one way.
type liar struct {
	implicit bool
	content  []byte // of every file

	mu      sync.Mutex
	lie     string
	cert    *tls.Config
	data    *tls.Config // of the data connections
	size    int         // that SIZE tells
	listing string
	log     []string // the commands that came
	hold    chan struct{}
	// answer, if it gives something, is the reply to a command, and "goodbye" the end of TLS as it should be; cut, if it gives something, is all of a content that is sent,
	// and no goodbye after it.
	answer func(verb, arg string) string
	cut    func(content []byte) []byte
}

const ftpLine = "type=file;size=300000;modify=20261120070809; pain.xml\r\n"

// newLiar starts it and gives the configuration of a remote that trusts it.
func newLiar(t testing.TB, scheme, lie string) (*liar, config.Remote, *authority) {
	t.Helper()
	ca := newAuthority(t)
	certFile, keyFile, _ := ca.issue(t, "liar")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	fine(t, err)
	l := &liar{lie: lie, implicit: scheme == config.SchemeFTPS, content: noise(300_000), size: 300_000, listing: ftpLine, hold: make(chan struct{})}
	l.cert = &tls.Config{Certificates: []tls.Certificate{pair}}
	l.data = l.cert
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
	r := remoteTo(t, scheme, listener.Addr().String(), "/out", config.Trust{CA: ca.ca})
	r.Silence = 20 * time.Second // a busy machine is not silent
	if quiet := regexp.MustCompile(`silent|chatty|endless|slow`); quiet.MatchString(lie) {
		r.Silence = 300 * time.Millisecond
	} else if lie == "425" || lie == "full" { // they keep silent too, later
		r.Silence = 3 * time.Second
	} else if lie == "trickle" { // it is silent for 100 ms at a time, or longer on a busy machine
		r.Silence = time.Second
	}
	return l, r, ca
}

// set changes what it does from now on.
func (l *liar) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// lookUp reads something that tests change.
func lookUp[T any](l *liar, what *T) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *what
}

// silent holds a connection and says nothing until the test ends.
func (l *liar) silent() { <-l.hold }

func (l *liar) commands() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.log, "\n")
}

func (l *liar) serve(conn net.Conn) {
	raw := conn
	if lookUp(l, &l.lie) == "silent greeting" {
		l.silent()
		return
	}
	if l.implicit {
		conn = tls.Server(conn, lookUp(l, &l.cert))
	}
	fmt.Fprint(conn, "220-hello\r\n220 there\r\n")
	in := bufio.NewReader(conn)
	var data net.Listener
	rest := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		l.mu.Lock()
		l.log = append(l.log, verb+" "+arg)
		l.mu.Unlock()
		if lookUp(l, &l.lie) == "silent "+verb {
			l.silent()
			return
		}
		if answer := lookUp(l, &l.answer); answer != nil {
			if reply := answer(verb, arg); reply == "goodbye" {
				conn.Close()
				return
			} else if reply != "" {
				fmt.Fprint(conn, reply+"\r\n")
				continue
			}
		}
		reply := map[string]string{
			"USER": "331 password", "PASS": "230 in", "FEAT": "211-\r\n SIZE\r\n MDTM\r\n MLST type*;size*;\r\n REST STREAM\r\n211 end",
			"TYPE": "200 ok", "PBSZ": "200 ok", "PROT": "200 ok", "CWD": "250 ok", "PWD": `257 "/out"`, "NOOP": "200 ok", "DELE": "250 ok",
			"SIZE": "213 " + strconv.Itoa(lookUp(l, &l.size)), "MDTM": "213 20261120070809", "RNFR": "350 go on", "RNTO": "250 ok", "MKD": "257 made",
		}[verb]
		switch verb {
		case "AUTH":
			fmt.Fprint(conn, "234 go on\r\n")
			if lookUp(l, &l.lie) == "injected" {
				fmt.Fprint(raw, "230 you are in\r\n")
			}
			conn = tls.Server(raw, lookUp(l, &l.cert))
			in = bufio.NewReader(conn)
			continue
		case "PASS":
			switch lookUp(l, &l.lie) {
			case "echoes":
				reply = "530 no such login: " + arg + "\x1b[2J" + strings.Repeat("x", 5000)
			case "endless":
				for i := 0; ; i++ {
					if _, err := fmt.Fprintf(conn, "230-%d\r\n", i); err != nil {
						return
					}
				}
			}
		case "PROT":
			if lookUp(l, &l.lie) == "PROT" {
				reply = "536 no"
			}
		case "EPSV", "PASV":
			if verb == "EPSV" && lookUp(l, &l.lie) == "elsewhere" {
				reply = "500 what"
				break
			}
			data, err = net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return
			}
			defer data.Close()
			port := data.Addr().(*net.TCPAddr).Port
			if lookUp(l, &l.lie) == "refused data" {
				data.Close()
			}
			reply = fmt.Sprintf("229 (|||%d|)", port)
			if verb == "PASV" { // an address that nobody has
				reply = fmt.Sprintf("227 (192,0,2,1,%d,%d)", port/256, port%256)
			}
		case "REST":
			rest, _ = strconv.Atoi(arg)
			reply = "350 go on"
		case "RETR", "MLSD", "LIST":
			content := []byte(lookUp(l, &l.listing))
			if verb == "RETR" {
				content = lookUp(l, &l.content)[rest:]
			}
			rest = 0
			reply = l.send(conn, data, content)
		case "STOR":
			reply = l.receive(conn, data)
		}
		if reply == "-" {
			return
		}
		if reply == "" {
			reply = "502 what"
		}
		if _, err := fmt.Fprint(conn, reply+"\r\n"); err != nil {
			return
		}
	}
}

// send serves a RETR or a listing and gives the last reply.
func (l *liar) send(control net.Conn, listener net.Listener, content []byte) string {
	if lookUp(l, &l.lie) == "425" {
		fmt.Fprint(control, "150 here it comes\r\n")
		return "425 it does not"
	}
	fmt.Fprint(control, "150 here it comes\r\n")
	raw, err := listener.Accept()
	if err != nil {
		return "425 no"
	}
	defer raw.Close()
	half := content[:len(content)/2]
	switch lookUp(l, &l.lie) {
	case "clear":
		raw.Write(content)
		return "226 done"
	case "silent handshake":
		l.silent()
		return "-"
	}
	conn := tls.Server(raw, lookUp(l, &l.data))
	if cut := lookUp(l, &l.cut); cut != nil {
		if part := cut(content); part != nil {
			conn.Write(part)
			return "226 done"
		}
	}
	switch lookUp(l, &l.lie) {
	case "silent mid-data":
		conn.Write(half)
		l.silent()
		return "-"
	case "cut":
		conn.Write(half)
		raw.Close()
		return "226 done"
	case "reset":
		conn.Write(half)
		raw.(*net.TCPConn).SetLinger(0)
		raw.Close()
		return "226 done"
	case "no goodbye":
		conn.Write(content)
		raw.Close()
		return "226 done"
	case "trickle":
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := range content {
			if _, err := conn.Write(content[i : i+1]); err != nil {
				return "426 cut"
			}
			<-tick.C
		}
	case "426":
		conn.Write(half)
		conn.Close()
		return "426 our disk broke"
	case "426 and 250":
		conn.Write(half)
		conn.Close()
		return "426 our disk broke\r\n250 done"
	case "garbled":
		conn.Write(content)
		conn.Close()
		return "what?"
	case "hangs up":
		conn.Write(content)
		conn.Close()
		return "-"
	}
	if _, err := conn.Write(content); err != nil {
		return "426 " + err.Error()
	}
	conn.Close()
	if lookUp(l, &l.lie) == "silent 226" {
		l.silent()
		return "-"
	}
	return "226 done"
}

// receive serves a STOR.
func (l *liar) receive(control net.Conn, listener net.Listener) string {
	fmt.Fprint(control, "150 send it\r\n")
	raw, err := listener.Accept()
	if err != nil {
		return "425 no"
	}
	defer raw.Close()
	if lookUp(l, &l.lie) == "takes nothing" {
		l.silent()
		return "-"
	}
	if lookUp(l, &l.lie) == "clear" {
		fmt.Fprint(raw, "hello, no TLS here\r\n")
		var got bytes.Buffer
		got.ReadFrom(raw)
		l.mu.Lock()
		l.log = append(l.log, got.String())
		l.mu.Unlock()
		return "226 done"
	}
	conn := tls.Server(raw, lookUp(l, &l.data))
	var got bytes.Buffer
	got.ReadFrom(conn)
	conn.Close()
	switch lookUp(l, &l.lie) {
	case "full":
		return "452 the disk is full"
	case "426 and 250":
		return "426 our disk broke\r\n250 done"
	case "silent 226":
		l.silent()
		return "-"
	}
	return "226 done"
}
