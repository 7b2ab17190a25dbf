package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer/formats"
)

// newTestTool is a tool whose answer and talk are kept.
func newTestTool(t testing.TB) (tool *tool, answer, talk *bytes.Buffer) {
	t.Helper()
	answer, talk = new(bytes.Buffer), new(bytes.Buffer)
	tool = newTool()
	tool.out, tool.err, tool.zone = bufio.NewWriter(answer), talk, time.UTC
	return tool, answer, talk
}

// dying is a context that is interrupted when somebody has asked after it so many times.
type dying struct {
	context.Context
	interrupt context.CancelFunc
	left      atomic.Int64
}

func (d *dying) Err() error {
	if d.left.Add(-1) < 0 {
		d.interrupt()
	}
	return d.Context.Err()
}

func TestInitInterruptedLeavesNothing(t *testing.T) {
	for i, asked := range []int64{0, 1, 5, 7, 8, 9, 10, 12, 20} {
		t.Run(strconv.FormatInt(asked, 10), func(t *testing.T) {
			there := i%2 == 0
			dir := filepath.Join(t.TempDir(), "gw")
			if there {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			inner, cancel := context.WithCancel(t.Context())
			ctx := &dying{Context: inner, interrupt: cancel}
			ctx.left.Store(asked)
			tool, answer, _ := newTestTool(t)
			err := tool.initGateway(ctx, dir)
			cancel()
			if err == nil {
				if asked < 10 {
					t.Errorf("not interrupted")
				}
				return
			}
			if err.Error() != "interrupted; what it had made is removed" {
				t.Errorf("%v", err)
			}
			left, err := os.ReadDir(dir)
			if there && (err != nil || len(left) > 0) {
				t.Errorf("the empty directory now holds %v, %v", left, err)
			}
			if !there && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s stayed, with %v", dir, left)
			}
			if strings.Contains(answer.String(), "password") {
				t.Errorf("told a password of a gateway that is not there")
			}
		})
	}
}

// closed is a stdout that nobody reads.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestInitThatCannotTellThePasswordLeavesNothing(t *testing.T) {
	tool, _, _ := newTestTool(t)
	tool.out = bufio.NewWriter(closed{})
	dir := filepath.Join(t.TempDir(), "gw")
	if err := tool.initGateway(t.Context(), dir); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("init with a closed stdout: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s stayed: %v", dir, err)
	}
}

// TestSample reads the sample as the gateway will, on every day of some years: on none of them is something wrong with it.
func TestSample(t *testing.T) {
	ids := map[string]bool{}
	for now := time.Date(2026, 11, 20, 15, 2, 11, 0, time.UTC); now.Year() < 2033; now = now.AddDate(0, 0, 1) {
		text := sample(now)
		if err := xml.Unmarshal(text, new(any)); err != nil {
			t.Errorf("sample of %v: %v", now, err)
		}
		inspector := formats.New(nil, func() time.Time { return now })
		inspector.Write(text)
		facts, problems := inspector.Close()
		if len(problems) > 0 || facts.FindingsAll > 0 {
			t.Errorf("sample of %v: problems %v, findings %v", now, problems, facts.Findings)
		}
		if facts.Payments != 3 || len(facts.Totals) != 1 || facts.Totals[0].Amount.String()+" "+facts.Totals[0].Currency != "1250.50 SEK" {
			t.Errorf("sample of %v: %d payments, %v; init promises %s", now, facts.Payments, facts.Totals, samplePromise)
		}
		execution, err := time.Parse(time.DateOnly, facts.FirstExecution)
		if err != nil || !execution.After(now) || execution.Weekday() == time.Saturday || execution.Weekday() == time.Sunday {
			t.Errorf("sample of %v is to be executed on %v", now, execution)
		}
		if ids[facts.MessageID] {
			t.Errorf("message id %s twice", facts.MessageID)
		}
		ids[facts.MessageID] = true
	}
}
