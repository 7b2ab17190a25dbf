package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

// logins: what our door adds to the bare library's logins, what a flood of strangers takes from an upload, and whether the time of
// a refusal tells who is known.
func (b *bench) logins() error {
	for _, part := range []func() error{b.besideLibrary, b.flooded, b.refusals} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// rate is how many logins by key a second a server takes of four clients, and its processor time for each in milliseconds.
func (s *server) rate() (aSecond, ms float64, err error) {
	var done atomic.Int64
	var group errgroup.Group
	start, used := time.Now(), s.cpu()
	for range 4 {
		group.Go(func() error {
			for time.Since(start) < 2*time.Second {
				conn, err := s.dial()
				if err != nil {
					return err
				}
				conn.Close()
				done.Add(1)
			}
			return nil
		})
	}
	err = group.Wait()
	n := float64(done.Load())
	return n / time.Since(start).Seconds(), (s.cpu() - used) * 1000 / n, err
}

// newLibrary starts a server that is golang.org/x/crypto/ssh with nothing behind it, with host key and client key of our kinds.
func (b *bench) newLibrary(place string) (*server, error) {
	home, addr, err := newHome(place, "library")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{name: "library", addr: addr, user: "bench", key: filepath.Join(home, "key"), home: home}
	s.cmd = exec.CommandContext(b.ctx, self, "library", home)
	s.cmd.Env = append(os.Environ(), "LISTEN="+addr)
	return s, s.start()
}

// library is that server, in a process of its own.
func library(home string) error {
	host, err := os.ReadFile(filepath.Join(home, "host"))
	if err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(host)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(home, "key.pub"))
	if err != nil {
		return err
	}
	known, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), known.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			if c, _, requests, err := ssh.NewServerConn(conn, config); err == nil {
				go ssh.DiscardRequests(requests)
				c.Wait()
			}
		}()
	}
}

func (b *bench) besideLibrary() error {
	fmt.Println("\n## Logins by key a second, four clients at a time, beside golang.org/x/crypto/ssh alone")
	ours, err := b.newSealgate(b.places[1].dir)
	if err != nil {
		return err
	}
	defer ours.stop()
	bare, err := b.newLibrary(b.places[1].dir)
	if err != nil {
		return err
	}
	defer bare.stop()
	rates, costs := map[string][]float64{}, map[string][]float64{}
	for range b.runs {
		for _, s := range []*server{ours, bare} {
			rate, cost, err := s.rate()
			if err != nil {
				return err
			}
			rates[s.name], costs[s.name] = append(rates[s.name], rate), append(costs[s.name], cost)
		}
	}
	fmt.Printf("sealgate %s, library %s: %.2f x; processor ms for each: %s, %s: %.2f x\n",
		span(rates["sealgate"], "%.0f"), span(rates["library"], "%.0f"), median(rates["sealgate"])/median(rates["library"]),
		span(costs["sealgate"], "%.2f"), span(costs["library"], "%.2f"), median(costs["sealgate"])/median(costs["library"]))
	return nil
}

// address is one of many that this machine has.
func address(n int64) net.Dialer {
	return net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(1+n>>16), byte(n>>8), byte(n))}}
}

// stranger tries to log in from an address.
func (s *server) stranger(ctx context.Context, user string, auth ssh.AuthMethod, n int64) error {
	from := address(n)
	conn, err := from.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	c, _, _, err := ssh.NewClientConn(conn, s.addr, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err == nil {
		c.Close()
		return fmt.Errorf("%s was let in", user)
	}
	if !strings.Contains(err.Error(), "unable to authenticate") {
		return err
	}
	return nil
}

// flooded: a large upload with and without strangers who try a thousand times a second, or as often as the machine can.
func (b *bench) flooded() error {
	fmt.Println("\n## One upload by OpenSSH's sftp beside a flood of a thousand logins a second (disk)")
	s, err := b.newSealgate(b.places[0].dir)
	if err != nil {
		return err
	}
	defer s.stop()
	var speed [2][]float64
	var tried, theirs []float64
	for run := range 2 * b.runs {
		flooded := run % 2
		file, size, err := b.large(7000+run, b.payments)
		if err != nil {
			return err
		}
		var f *flood
		if flooded == 1 {
			if f, err = b.newFlood(s.addr); err != nil {
				return err
			}
			time.Sleep(2 * time.Second) // until it is nothing new
			f.used = cpuOf(f.cmd.Process.Pid)
		}
		start := time.Now()
		err = s.sftp(strings.NewReader("put " + file + " " + path.Join(s.inbox, "flood.xml") + "\n"))
		took := time.Since(start).Seconds()
		if flooded == 1 {
			theirs = append(theirs, 100*(cpuOf(f.cmd.Process.Pid)-f.used)/took/float64(runtime.NumCPU()))
			aSecond, err := f.end()
			if err != nil {
				return err
			}
			tried = append(tried, aSecond)
		}
		os.Remove(file)
		if err != nil {
			return err
		}
		speed[flooded] = append(speed[flooded], float64(size)/1e6/took)
		if err := b.empty(s); err != nil {
			return err
		}
	}
	fmt.Printf("without %s MB/s, beside %s attempts a second %s MB/s: %.2f x; the strangers themselves took %s %% of this machine\n",
		span(speed[0], "%.0f"), span(tried, "%.0f"), span(speed[1], "%.0f"), median(speed[1])/median(speed[0]), span(theirs, "%.0f"))
	return nil
}

// flood is strangers who try to log in a thousand times a second. In life they have machines of their own: here they are a process that
// gets what the others leave of this one.
type flood struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	used float64
}

func (b *bench) newFlood(addr string) (*flood, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &flood{cmd: exec.CommandContext(b.ctx, "nice", "-n", "19", self, "strangers", addr)}
	f.cmd.Stdout = &f.said
	return f, f.cmd.Start()
}

// end ends the flood, and tells how often a second they have tried.
func (f *flood) end() (aSecond float64, err error) {
	f.cmd.Process.Signal(syscall.SIGTERM)
	if err := f.cmd.Wait(); err != nil {
		return 0, fmt.Errorf("the flood: %w", err)
	}
	_, err = fmt.Sscan(f.said.String(), &aSecond)
	return aSecond, err
}

// strangers is that process: until it is told to end they try, a thousand times a second or as often as the machine can. It prints how often.
func strangers(addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	_, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	key, err := ssh.NewSignerFromSigner(secret)
	if err != nil {
		return err
	}
	s := &server{addr: addr}
	var all sync.WaitGroup
	var knocks atomic.Int64
	begin := time.Now()
	for range 64 {
		all.Go(func() {
			for ctx.Err() == nil {
				n := knocks.Add(1)
				time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Millisecond)))
				auth := ssh.PublicKeys(key)
				if n%16 == 0 {
					auth = ssh.Password("a wrong guess") // of which the gateway hashes two at a time
				}
				s.stranger(ctx, "nobody", auth, n) // refused, at whatever step
			}
		})
	}
	<-ctx.Done()
	fmt.Println(float64(knocks.Load()) / time.Since(begin).Seconds())
	all.Wait()
	return nil
}

// refusals: a wrong password for a user who is there, and for one who is not, in turn; whoever measures them should not see which is which.
func (b *bench) refusals() error {
	const users, each = 80, 6
	fmt.Printf("\n## Refusing a wrong password: %d tries for known users, %d for unknown ones, in turn\n", users*each, users*each)
	s, err := b.newSealgate(b.places[1].dir)
	if err != nil {
		return err
	}
	defer s.stop()
	for i := range users {
		if err := run(filepath.Join(s.home, "gateway"), "a password of theirs\n", b.sealgate, "user", "add", "acme", fmt.Sprintf("known-%02d", i), "--password-stdin"); err != nil {
			return err
		}
	}
	for n := range int64(users) { // whoever was let in from there before is no stranger, who would be turned away
		c, err := s.dialFrom(address(n + 1))
		if err != nil {
			return err
		}
		c.Close()
	}
	var ms [2][]float64
	for n := range int64(users * each) {
		for turn, side := range rand.Perm(2) { // either may come first
			user := fmt.Sprintf("%s-%02d", []string{"known", "other"}[side], n%users)
			start := time.Now()
			if err := s.stranger(b.ctx, user, ssh.Password("a wrong guess"), (2*n+int64(turn))%users+1); err != nil {
				return err
			}
			ms[side] = append(ms[side], time.Since(start).Seconds()*1000)
		}
	}
	z := mannWhitney(ms[0], ms[1])
	fmt.Printf("known %s ms, unknown %s ms; Mann-Whitney z = %.2f, p = %.2f\n", span(ms[0], "%.2f"), span(ms[1], "%.2f"), z, math.Erfc(math.Abs(z)/math.Sqrt2))
	return nil
}

// mannWhitney is the normal deviate of the rank sum test: beyond 2 in one of twenty runs if both are drawn from the same.
func mannWhitney(a, b []float64) float64 {
	sorted := slices.Sorted(slices.Values(b))
	u := 0.0
	for _, x := range a {
		below, _ := slices.BinarySearch(sorted, x)
		u += float64(below)
	}
	n, m := float64(len(a)), float64(len(b))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}
