// Command bench measures the gateway against OpenSSH's sshd, side by side in the same run, and prints ratios.
//
//	make bench                                  everything, some ten minutes on two cores
//	go run ./testdata/bench -sealgate bin/sealgate -only stream -runs 3 -payments 200000
//	go run ./testdata/bench -long               inspection's memory for files of 10 GiB, through a pipe
//
// sshd stores what it is sent and flushes nothing. Sealgate, in the same time, inspects and indexes every payment,
// seals twice and makes it durable before it says OK. Servers take turns, A B A B, since a machine's speed drifts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

type bench struct {
	ctx      context.Context // of the whole run: ends on the first interrupt, and all servers with it
	sealgate string
	work     string
	runs     int
	payments int
	places   []place
}

// place is where the servers store: a folder on disk, a folder in memory.
type place struct{ name, dir string }

func main() {
	if ours, err := child(os.Args[1:]); ours {
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	b := bench{ctx: ctx}
	only := flag.String("only", "", "comma-separated: stream, answer, small, handshakes, logins, idle, remotes, idleremotes, inspection, rooms")
	disk := flag.String("disk", "", "folder on a disk (default: the system's temporary folder)")
	memory := flag.String("memory", "/dev/shm", "folder on a tmpfs")
	flag.StringVar(&b.sealgate, "sealgate", "bin/sealgate", "the binary to measure")
	flag.IntVar(&b.runs, "runs", 5, "runs of each, interleaved")
	flag.IntVar(&b.payments, "payments", 1_424_113, "payments of the large file; 1424113 make 1 GiB")
	long := flag.Bool("long", false, "instead: what inspection takes of memory for 10 GiB, some minutes")
	flag.Parse()
	if *long {
		*only = "endless"
	}
	if err := b.main(*only, *disk, *memory); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// folderIn makes a folder, named so that servers and clients find it from wherever they run.
func folderIn(dir string) (string, error) {
	path, err := os.MkdirTemp(dir, "sealgate-bench")
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func (b *bench) main(only, disk, memory string) error {
	var err error
	if b.sealgate, err = filepath.Abs(b.sealgate); err != nil {
		return err
	}
	if b.work, err = folderIn(disk); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	inMemory, err := folderIn(memory)
	if err != nil {
		return err
	}
	defer os.RemoveAll(inMemory)
	b.places = []place{{"disk", b.work}, {"tmpfs", inMemory}}

	fmt.Println(machine())
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"stream", b.stream}, {"answer", b.answer}, {"small", b.small},
		{"handshakes", b.handshakes}, {"logins", b.logins}, {"idle", b.idle}, {"remotes", b.remotes}, {"idleremotes", b.idleRemotes}, {"inspection", b.inspection},
		{"rooms", b.rooms}, {"endless", b.endless},
	} {
		if only == "" && part.name == "endless" || only != "" && !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		if err := part.run(); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// machine says where the figures were taken.
func machine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	cpu := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name\t: "); ok {
				cpu = strings.TrimSpace(name)
				break
			}
		}
	}
	version, _ := exec.Command("ssh", "-V").CombinedOutput()
	return fmt.Sprintf("%s, Linux %s, %s", cpu, strings.TrimSpace(string(kernel)), strings.TrimSpace(string(version)))
}

// rooms runs the benchmarks of single rooms: inspection, sealing, the index.
func (b *bench) rooms() error {
	fmt.Println("\n## Single rooms, one core")
	for _, room := range []struct{ pkg, time string }{
		{"./indexer/formats", "300ms"}, {"./vault", "1s"}, {"./indexer", "1s"},
	} { // the formats are many, and b.inspection has measured those that count
		cmd := exec.CommandContext(b.ctx, "go", "test", room.pkg, "-run", "^$", "-bench", "Benchmark", "-benchtime", room.time, "-benchmem", "-cpu", "1")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Benchmark") {
				fmt.Print(line)
			}
		}
		if err != nil {
			return errors.Join(fmt.Errorf("go test %s", room.pkg), err)
		}
	}
	return nil
}

// median of the figures, and their span for print.
func median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}

func span(figures []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+"-"+format+")", median(figures), slices.Min(figures), slices.Max(figures))
}
