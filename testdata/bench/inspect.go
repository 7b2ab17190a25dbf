package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// inspected are the formats of the section, with what a file of more than 200 MB takes and the goals.
var inspected = []struct {
	format     string
	payments   int
	goal       float64 // MB/s
	goalExpat  float64 // times expat's speed
	goalTokens float64 // times encoding/xml's
}{
	{"pain.001", 275_000, 800, 3, 15},
	{"camt.053", 152_000, 600, 0, 0},
	{"nacha", 1_750_000, 600, 0, 0},
	{"bg-lb", 1_600_000, 800, 0, 0},
	{"bgmax", 620_000, 800, 0, 0},
}

// tool is one way to read a file from its start to its end.
type tool struct {
	name    string
	command []string // the file's path comes behind it
}

// inspection compares the reading of files with what XML parsers do, which read the same file and keep nothing of it.
// Each is a process of its own on one core, and what counts is its processor time from exec to exit: so other work on
// the machine is not in the figures. Files are in memory.
func (b *bench) inspection() error {
	fmt.Printf("\n## Inspection, one core, %d runs each: every payment read and counted, MB a second of processor time\n", inspectionRuns)
	fmt.Println("| format | MB | payments | Sealgate | peak MiB | goal | xmllint --stream | xmlwf (expat) | encoding/xml | of xmllint | of expat | of encoding/xml |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, c := range inspected {
		file := filepath.Join(b.places[1].dir, "inspect-"+c.format)
		size, err := write(file, c.format, payfile.Options{Payments: c.payments})
		if err != nil {
			return err
		}
		tools := []tool{{"sealgate", []string{self, "inspect"}}}
		if !strings.HasPrefix(c.format, "bg") && c.format != "nacha" {
			tools = append(tools, tool{"xmllint", []string{"xmllint", "--stream", "--noout"}}, tool{"expat", []string{"xmlwf"}},
				tool{"tokens", []string{self, "tokens"}})
		}
		speed, peak := map[string][]float64{}, 0.0
		for range inspectionRuns {
			for _, t := range tools {
				took, out, err := onOneCore(append(t.command, file), nil)
				if err != nil {
					return err
				}
				speed[t.name] = append(speed[t.name], float64(size)/1e6/took)
				if t.name != "sealgate" {
					continue
				}
				said, err := parseSaid(out)
				if err != nil || said.payments != int64(c.payments) {
					return fmt.Errorf("%s: %d payments were written: %q", c.format, c.payments, out)
				}
				peak = max(peak, said.peak)
			}
		}
		os.Remove(file)
		ours := median(speed["sealgate"])
		fmt.Printf("| %s | %.0f | %d | %s | %.0f | %.0f: %s |", c.format, float64(size)/1e6, c.payments, span(speed["sealgate"], "%.0f"), peak,
			c.goal, met(ours, c.goal))
		if len(tools) == 1 {
			fmt.Println(" | | | | | |")
			continue
		}
		fmt.Printf(" %.0f | %.0f | %.0f | %.1f | %s | %s |\n", median(speed["xmllint"]), median(speed["expat"]), median(speed["tokens"]),
			ours/median(speed["xmllint"]), ratio(ours/median(speed["expat"]), c.goalExpat), ratio(ours/median(speed["tokens"]), c.goalTokens))
	}
	return nil
}

const inspectionRuns = 3

func met(figure, goal float64) string {
	if figure >= goal {
		return "met"
	}
	return "missed"
}

func ratio(figure, goal float64) string {
	if goal == 0 {
		return fmt.Sprintf("%.1f", figure)
	}
	return fmt.Sprintf("%.1f (goal %.0f: %s)", figure, goal, met(figure, goal))
}

// endless streams 10 GiB of each format from the generator through a pipe: the peak may not know how large a file is.
func (b *bench) endless() error {
	const size = 10 << 30
	fmt.Println("\n## Inspection of 10 GiB through a pipe, one core\n| format | GB | payments | seconds of processor time | peak MiB |\n|---|---|---|---|---|")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, format := range []string{"pain.001", "camt.053", "bg-lb"} {
		var sample counter
		if err := payfile.Write(&sample, format, payfile.Options{Payments: 10_000}); err != nil {
			return err
		}
		payments := int(size / (int64(sample) / 10_000))
		took, out, err := onOneCore([]string{self, "inspect", "-"}, func(w io.Writer) error {
			return payfile.Write(w, format, payfile.Options{Payments: payments})
		})
		if err != nil {
			return err
		}
		said, err := parseSaid(out)
		if err != nil || said.payments != int64(payments) {
			return fmt.Errorf("%s: %d payments were written: %q", format, payments, out)
		}
		fmt.Printf("| %s | %.1f | %d | %.1f | %.1f |\n", format, float64(said.bytes)/1e9, said.payments, took, said.peak)
	}
	return nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func write(file, format string, opt payfile.Options) (int64, error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := payfile.Write(f, format, opt); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Close()
}

// onOneCore runs a command that may use one core only, the last that this process may; feed writes its input. It gives
// the processor time in seconds.
func onOneCore(command []string, feed func(io.Writer) error) (float64, string, error) {
	var cores unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cores); err != nil {
		return 0, "", err
	}
	core := 1<<10 - 1
	for core > 0 && !cores.IsSet(core) {
		core--
	}
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(core)}, command...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	var fed error
	if feed == nil {
		fed = cmd.Run()
	} else {
		in, err := cmd.StdinPipe()
		if err != nil {
			return 0, "", err
		}
		if err := cmd.Start(); err != nil {
			return 0, "", err
		}
		fed = errors.Join(feed(in), in.Close(), cmd.Wait())
	}
	if fed != nil {
		return 0, "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), fed, complaint.Bytes())
	}
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), out.String(), nil
}

// said is what the process that inspects prints.
type said struct {
	payments, bytes int64
	peak            float64 // MiB
}

func parseSaid(out string) (s said, err error) {
	_, err = fmt.Sscan(out, &s.payments, &s.bytes, &s.peak)
	return s, err
}

// child is this program as one of the tools; false for a call by people.
func child(args []string) (bool, error) {
	if len(args) == 2 && args[0] == "library" {
		return true, library(args[1])
	}
	if len(args) == 2 && args[0] == "strangers" {
		return true, strangers(args[1])
	}
	if len(args) != 2 || args[0] != "inspect" && args[0] != "tokens" {
		return false, nil
	}
	in := os.Stdin
	if args[1] != "-" {
		f, err := os.Open(args[1])
		if err != nil {
			return true, err
		}
		defer f.Close()
		in = f
	}
	if args[0] == "tokens" {
		return true, tokens(in)
	}
	return true, inspect(in)
}

func inspect(in io.Reader) error {
	var payments, size int64
	day := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) // when all generated files are made
	i := formats.New(func(*formats.Payment) { payments++ }, func() time.Time { return day })
	for chunk := make([]byte, 64<<10); ; {
		n, err := in.Read(chunk)
		i.Write(chunk[:n])
		size += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if facts, problems := i.Close(); len(problems) > 0 || facts.Payments != payments {
		return fmt.Errorf("%d payments counted, %d found, %v", facts.Payments, payments, problems)
	}
	peak := statusOf(os.Getpid(), "VmHWM")
	fmt.Println(payments, size, float64(peak)/(1<<20))
	return nil
}

// tokens reads a document token by token, as programs do: with name spaces, and tags that must match.
func tokens(in io.Reader) error {
	for d := xml.NewDecoder(in); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
