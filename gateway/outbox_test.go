package gateway

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// outbox lists account acme's outbox: names, and bytes that can be read.
func (h *house) outbox(t testing.TB) map[string]int {
	t.Helper()
	list, err := h.Outbox(t.Context(), "acme")
	must(t, err)
	names := map[string]int{}
	for _, e := range list {
		n, err := io.Copy(io.Discard, io.NewSectionReader(outboxAt(func(p []byte, off int64) (int, error) {
			return h.ReadOutbox(t.Context(), "acme", e.ID, p, off)
		}), 0, 1<<40))
		must(t, err)
		names[e.Name] = int(n)
	}
	return names
}

type outboxAt func(p []byte, off int64) (int, error)

func (r outboxAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }

// TestSendWhole: what its sender did not send to its end, or is too long, or has no room, is not in the outbox, and nothing of
// it stays.
func TestSendWhole(t *testing.T) {
	h := newHouse(t)
	long := bytes.Repeat([]byte("0123456789"), 100_000)
	send := func(r io.Reader) error {
		_, err := h.Send(t.Context(), "acme", "list.csv", r, "uid:0")
		return err
	}
	for _, end := range []error{io.ErrUnexpectedEOF, errors.New("cut")} {
		if err := send(io.MultiReader(bytes.NewReader(long), iotest.ErrReader(end))); !errors.Is(err, end) {
			t.Errorf("cut by %v: %v", end, err)
		}
	}
	limit := h.account("acme").MaxFileSize
	h.account("acme").MaxFileSize = int64(len(long)) - 1
	var no *No
	if err := send(bytes.NewReader(long)); !errors.As(err, &no) || !strings.Contains(no.Text, "max_file_size") {
		t.Error(err)
	}
	h.account("acme").MaxFileSize = limit
	if n, err := h.account("acme").index.SweepOutbox(t.Context()); n != 0 || err != nil {
		t.Errorf("%d files had left something, %v", n, err)
	}
	floor := h.cfg.Load().DiskFloor
	h.cfg.Load().DiskFloor = 1 << 60
	if err := send(iotest.ErrReader(errors.New("it was read"))); !errors.As(err, &no) || !strings.Contains(no.Text, "[disk]") {
		t.Error(err)
	}
	h.cfg.Load().DiskFloor = floor
	if got := h.outbox(t); len(got) != 0 {
		t.Error(got)
	}
	must(t, send(bytes.NewReader(long)))
	if got := h.outbox(t); got["list.csv"] != len(long) {
		t.Error(got)
	}
}

// TestOutboxSweptAtStart: what a send that died has stored goes at the next start, and no more.
func TestOutboxSweptAtStart(t *testing.T) {
	h := newHouse(t)
	_, err := h.Send(t.Context(), "acme", "list.csv", strings.NewReader("a list"), "uid:0")
	must(t, err)
	must(t, h.account("acme").index.AddOutboxPieces(t.Context(), h.newID(), bytes.NewReader(make([]byte, 1<<20))))
	h.reopen(t)
	if !strings.Contains(h.log.String(), "outbox=1") {
		t.Errorf("the log: %s", h.log)
	}
	if got := h.outbox(t); got["list.csv"] != len("a list") {
		t.Error(got)
	}
	h.sound(t)
}

// TestQueues: what waits to be delivered is told, how late it is, why, and whether there is a remote for it at all.
func TestQueues(t *testing.T) {
	h := newHouse(t)
	a := h.account("acme")
	for _, name := range []string{"bank", "post"} {
		a.Remotes = append(a.Remotes, &config.Remote{Name: name, URL: "sftp://127.0.0.1/out", Send: &config.Send{Path: "/in"}})
	}
	begun := time.Now().UTC().Truncate(time.Millisecond)
	now := begun
	h.now = func() time.Time { return now }
	for range 2 {
		_, err := h.Send(t.Context(), "acme", "list.csv", strings.NewReader("a list"), "uid:0")
		must(t, err)
		now = now.Add(time.Hour)
	}
	s, err := h.Sends(t.Context(), "acme", "bank", now, 1)
	must(t, err)
	s[0].Tries, s[0].Trouble = 3, "rename: the server does not permit it"
	must(t, h.NoteSend(t.Context(), "acme", s[0]))
	a.Remotes = a.Remotes[:1] // post is gone
	lines, err := h.Remotes(t.Context())
	must(t, err)
	if len(lines) != 2 {
		t.Fatalf("%+v", lines)
	}
	bank, post := lines[0], lines[1]
	if q := (QueueLine{Waiting: 2, Oldest: utc(begun), Failed: 1, Trouble: s[0].Trouble}); bank.Remote != "bank" || *bank.Queue != q || bank.Undeliverable || bank.Lag != 7200 {
		t.Errorf("%+v: %+v", bank, bank.Queue)
	}
	if q := (QueueLine{Waiting: 2, Oldest: utc(begun)}); post.Remote != "post" || *post.Queue != q || !post.Undeliverable || post.State != stateUnknown {
		t.Errorf("%+v: %+v", post, post.Queue)
	}
	status, err := h.Status(t.Context())
	must(t, err)
	problems := strings.Join(status.Problems, "\n")
	for _, want := range []string{
		"account acme: 1 of 2 not delivered to remote bank, the oldest made " + spoken(begun) + ": rename: the server does not permit it; sealgate remotes test acme/bank",
		"account acme: 2 to be delivered to remote post since " + spoken(begun) + ", which has no send: in the configuration",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("%s\nwant %s", problems, want)
		}
	}
	if len(status.Queues) != 2 || status.Queues[1].Remote != "post" || status.Queues[1].Waiting != 2 {
		t.Errorf("%+v", status.Queues)
	}
	for _, s := range sendsTo(t, h, "bank", "post") {
		s.State = indexer.SendSent
		must(t, h.NoteSend(t.Context(), "acme", s))
	}
	if lines, err = h.Remotes(t.Context()); err != nil || len(lines) != 1 || lines[0].Queue != nil || lines[0].Lag != 0 {
		t.Errorf("%+v, %v", lines, err)
	}
}

func sendsTo(t testing.TB, h *house, remotes ...string) (all []transport.Sending) {
	t.Helper()
	for _, r := range remotes {
		list, err := h.Sends(t.Context(), "acme", r, h.now(), 100)
		must(t, err)
		all = append(all, list...)
	}
	return all
}

// TestLookLag: a look is late from the moment at which it should have gone well.
func TestLookLag(t *testing.T) {
	now := time.Now().UTC()
	at := func(d time.Duration) string { return utc(now.Add(d)) }
	for _, c := range []struct {
		name string
		line RemoteLine
		want time.Duration
	}{
		{"nothing planned", RemoteLine{}, 0},
		{"in time", RemoteLine{NextLook: at(time.Minute)}, 0},
		{"waits for its turn", RemoteLine{NextLook: at(-time.Minute)}, time.Minute},
		{"down", RemoteLine{DownSince: at(-time.Hour), NextLook: at(time.Minute)}, time.Hour},
	} {
		if got := c.line.lookLag(now).Round(time.Second); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
