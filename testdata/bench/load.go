package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// both runs a measurement on both servers in turn.
func (b *bench) both(place string, measure func(s *server, run int) error) error {
	ours, err := b.newSealgate(place)
	if err != nil {
		return err
	}
	defer ours.stop()
	theirs, err := b.newSSHD(place)
	if err != nil {
		return err
	}
	defer theirs.stop()
	for run := range b.runs {
		for _, s := range []*server{ours, theirs} {
			if err := measure(s, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// large writes a pain.001 with its own message id and returns its path and size.
func (b *bench) large(seed, payments int) (string, int64, error) {
	name := filepath.Join(b.work, fmt.Sprintf("large-%d-%d.xml", seed, payments))
	f, err := os.Create(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	err = payfile.Pain001(f, payfile.Options{Payments: payments, Seed: uint64(seed) + 1, MessageID: fmt.Sprintf("BENCH-%d-%d", seed, time.Now().UnixNano())})
	if err != nil {
		return "", 0, err
	}
	if err := f.Sync(); err != nil { // or its pages are written out while a server is measured
		return "", 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	return name, info.Size(), nil
}

// stream: one large upload by OpenSSH's sftp.
func (b *bench) stream() error {
	fmt.Printf("\n## One pain.001 with %d payments, by OpenSSH's sftp, %d runs each\n", b.payments, b.runs)
	fmt.Println("| stored on | server | MB/s | server CPU s/GiB | peak RSS MiB |\n|---|---|---|---|---|")
	for _, p := range b.places {
		speed, cpu, peak := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
		err := b.both(p.dir, func(s *server, run int) error {
			file, size, err := b.large(run, b.payments)
			if err != nil {
				return err
			}
			defer os.Remove(file)
			if f, err := os.Open(file); err == nil { // read it once: the client's disk is not what is measured
				io.Copy(io.Discard, f)
				f.Close()
			}
			s.resetPeak()
			before, start := s.cpu(), time.Now()
			if err := s.sftp(strings.NewReader("put " + file + " " + path.Join(s.inbox, "large.xml") + "\n")); err != nil {
				return err
			}
			took := time.Since(start).Seconds()
			speed[s.name] = append(speed[s.name], float64(size)/1e6/took)
			cpu[s.name] = append(cpu[s.name], (s.cpu()-before)/(float64(size)/(1<<30)))
			peak[s.name] = append(peak[s.name], float64(s.status("VmHWM"))/(1<<20))
			return b.empty(s)
		})
		if err != nil {
			return err
		}
		for _, name := range []string{"sealgate", "sshd"} {
			fmt.Printf("| %s | %s | %s | %s | %s |\n", p.name, name, span(speed[name], "%.0f"), span(cpu[name], "%.2f"), span(peak[name], "%.0f"))
		}
		fmt.Printf("%s: %.2f x sshd's upload rate\n\n", p.name, median(speed["sealgate"])/median(speed["sshd"]))
	}
	return nil
}

// empty removes what a server has stored so far, so that the disk does not fill up: of ours the sealed copies only.
func (b *bench) empty(s *server) error {
	for _, dir := range []string{"inbox", "gateway/data/accounts/acme/sealed"} {
		dir = filepath.Join(s.home, dir)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer: how long after the last byte the OK comes.
func (b *bench) answer() error {
	fmt.Println("\n## From the last byte to OK (disk), ms")
	s, err := b.newSealgate(b.places[0].dir)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, size := range []struct {
		name     string
		payments int
	}{{"1 MiB", b.payments / 1024}, {"100 MiB", b.payments / 10}, {"1 GiB", b.payments}} {
		var ms []float64
		for run := range b.runs {
			file, _, err := b.large(1000+run, max(size.payments, 1))
			if err != nil {
				return err
			}
			took, err := s.lastByteToOK(file)
			os.Remove(file)
			if err != nil {
				return err
			}
			ms = append(ms, took.Seconds()*1000)
		}
		fmt.Printf("%-8s %s\n", size.name, span(ms, "%.1f"))
	}
	return nil
}

func (s *server) lastByteToOK(file string) (time.Duration, error) {
	conn, err := s.dial()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	c, err := sftp.NewClient(conn, sftp.UseConcurrentWrites(true))
	if err != nil {
		return 0, err
	}
	src, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	dst, err := c.Create(path.Join(s.inbox, "answer.xml"))
	if err != nil {
		return 0, err
	}
	if _, err := dst.ReadFrom(src); err != nil {
		return 0, err
	}
	start := time.Now() // every write is answered: the CLOSE is all that is left
	err = dst.Close()
	return time.Since(start), err
}

// tiny is a pain.001 of exactly 4 KiB with its own message id.
func tiny(id string) []byte {
	var b bytes.Buffer
	for n := 4; ; n-- {
		b.Reset()
		if payfile.Pain001(&b, payfile.Options{Payments: n, MessageID: id, Seed: 7}) == nil && b.Len() <= 4096 {
			break
		}
	}
	return append(b.Bytes(), bytes.Repeat([]byte{'\n'}, 4096-b.Len())...)
}

// small: many files of 4 KiB, each durable before its OK here, none there.
func (b *bench) small() error {
	const inOne, sessions, each = 1000, 50, 100
	fmt.Printf("\n## Files of 4 KiB, %d runs each\n| stored on | shape | sealgate/s | sshd/s | ratio |\n|---|---|---|---|---|\n", b.runs)
	for _, p := range b.places {
		one, many := map[string][]float64{}, map[string][]float64{}
		err := b.both(p.dir, func(s *server, run int) error {
			rate, err := b.oneSession(s, run, inOne)
			if err != nil {
				return err
			}
			one[s.name] = append(one[s.name], rate)
			if rate, err = b.manySessions(s, run, sessions, each); err != nil {
				return err
			}
			many[s.name] = append(many[s.name], rate)
			return b.empty(s)
		})
		if err != nil {
			return err
		}
		for _, row := range []struct {
			shape   string
			figures map[string][]float64
		}{{"1,000 in one OpenSSH session", one}, {"50 open sessions x 100", many}} {
			fmt.Printf("| %s | %s | %s | %s | %.2f |\n", p.name, row.shape, span(row.figures["sealgate"], "%.0f"),
				span(row.figures["sshd"], "%.0f"), median(row.figures["sealgate"])/median(row.figures["sshd"]))
		}
	}
	return nil
}

func (b *bench) oneSession(s *server, run, n int) (float64, error) {
	dir, err := os.MkdirTemp(b.work, "tiny")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for i := range n {
		id := fmt.Sprintf("T%d-%d-%s", run, i, s.name)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("t%04d.xml", i)), tiny(id), 0o600); err != nil {
			return 0, err
		}
	}
	// A first session without files takes the handshake's time away.
	start := time.Now()
	if err := s.sftp(strings.NewReader("pwd\n")); err != nil {
		return 0, err
	}
	idle := time.Since(start)
	start = time.Now()
	if err := s.sftp(strings.NewReader("lcd " + dir + "\ncd " + s.inbox + "\nmput *.xml\n")); err != nil {
		return 0, err
	}
	return float64(n) / (time.Since(start) - idle).Seconds(), nil
}

func (b *bench) manySessions(s *server, run, sessions, each int) (float64, error) {
	clients := make([]*sftp.Client, sessions)
	for i := range clients {
		conn, err := s.dial()
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		if clients[i], err = sftp.NewClient(conn); err != nil {
			return 0, err
		}
	}
	files := make([][]byte, sessions*each)
	for i := range files {
		files[i] = tiny(fmt.Sprintf("M%d-%d-%s", run, i, s.name))
	}
	var group errgroup.Group
	start := time.Now()
	for i, c := range clients {
		group.Go(func() error {
			for j := range each {
				f, err := c.Create(path.Join(s.inbox, fmt.Sprintf("m%d-%d.xml", i, j)))
				if err != nil {
					return err
				}
				if _, err := f.Write(files[i*each+j]); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return float64(len(files)) / time.Since(start).Seconds(), err
}

// handshakes: logins by key a second, four at a time.
func (b *bench) handshakes() error {
	fmt.Println("\n## Handshakes a second (login by key), four clients at a time")
	rates := map[string][]float64{}
	err := b.both(b.places[1].dir, func(s *server, _ int) error {
		var done atomic.Int64
		var group errgroup.Group
		end := time.Now().Add(2 * time.Second)
		for range 4 {
			group.Go(func() error {
				for time.Now().Before(end) {
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
		err := group.Wait()
		rates[s.name] = append(rates[s.name], float64(done.Load())/2)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("sealgate %s, sshd %s: %.1f x\n", span(rates["sealgate"], "%.0f"), span(rates["sshd"], "%.0f"),
		median(rates["sealgate"])/median(rates["sshd"]))
	return nil
}

// idle: what a logged-in session that does nothing holds, and what each further large upload adds.
func (b *bench) idle() error {
	fmt.Println("\n## Memory")
	s, err := b.newSealgate(b.places[1].dir)
	if err != nil {
		return err
	}
	defer s.stop()
	const sessions = 500
	before := s.status("VmRSS")
	for range sessions {
		conn, err := s.dial()
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := sftp.NewClient(conn); err != nil {
			return err
		}
	}
	after := s.status("VmRSS")
	for range 24 { // a session counts as idle when nothing has come for a moment; its memory is given back some seconds later
		time.Sleep(500 * time.Millisecond)
		after = min(after, s.status("VmRSS"))
	}
	fmt.Printf("idle session: %.0f KiB (%d open, resident memory %d -> %d MiB)\n",
		float64(after-before)/1024/sessions, sessions, before>>20, after>>20)

	fresh, err := b.newSealgate(b.places[1].dir)
	if err != nil {
		return err
	}
	defer fresh.stop()
	peak := func(round, streams int) (mib float64, err error) {
		fresh.resetPeak()
		err = b.together(fresh, round, streams)
		return float64(fresh.status("VmHWM")) / (1 << 20), err
	}
	one, err := peak(0, 1)
	if err != nil {
		return err
	}
	var further []float64
	for round := range b.runs {
		eight, err := peak(1+round, 8)
		if err != nil {
			return err
		}
		further = append(further, (eight-one)/7)
	}
	fmt.Printf("peak of 1 stream %.0f MiB; of 8 together, for each further one %s MiB\n", one, span(further, "%.1f"))
	return nil
}

// together sends files of an eighth of the large one's payments at once, other ones in each round.
func (b *bench) together(s *server, round, streams int) error {
	var group errgroup.Group
	var making sync.Mutex
	for i := range streams {
		group.Go(func() error {
			making.Lock()
			file, _, err := b.large(5000+round*100+i, b.payments/8)
			making.Unlock()
			if err != nil {
				return err
			}
			defer os.Remove(file)
			return s.sftp(strings.NewReader("put " + file + " " + path.Join(s.inbox, fmt.Sprintf("s%d.xml", i)) + "\n"))
		})
	}
	return group.Wait()
}
