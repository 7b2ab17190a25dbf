package transport_test

import (
	"bytes"
	"strings"
	"testing"
)

// TestSizeOfANameThatIsOpening: one session announces sizes for a name while another opens it. An announcement that comes
// between OPEN and its answer meets a handle that is not ready yet.
func TestSizeOfANameThatIsOpening(t *testing.T) {
	h := newHouse(t, nil)
	opener, announcer := h.dial(t), h.dial(t)
	stop := make(chan struct{})
	ended := make(chan struct{})
	const channels = 4
	for range channels {
		s := announcer.channel(t)
		go func() {
			defer func() { ended <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
					s.Truncate("/inbox/x.xml", 5) // most often there is no such file: only that it is served counts
				}
			}
		}()
	}
	for range 300 {
		f, err := opener.OpenFile("/inbox/x.xml", wct)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("<")); err != nil {
			t.Fatal(err)
		}
		f.Close() // incomplete
		opener.Remove("/inbox/x.xml")
	}
	close(stop)
	for range channels {
		<-ended
	}
}

// TestCutTempNameIsNotTakenByItsRename: content that cannot show its own end, cut under a temp name.
func TestCutTempNameIsNotTakenByItsRename(t *testing.T) {
	h := newHouse(t, nil)
	content := bytes.Repeat([]byte("payer;payee;100.00\n"), 3000)
	c := h.dial(t)
	f, err := c.OpenFile("/inbox/data.csv.tmp", wct)
	must(t, err)
	must(t, fill(f, content[:30_000], 0))
	h.cut(t, c, "/inbox/data.csv.tmp")
	d := h.dial(t)
	if err := d.Rename("/inbox/data.csv.tmp", "/inbox/data.csv"); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("the rename of a cut upload says %v", err)
	}
	if rows := h.rows(t); len(rows) != 0 {
		t.Errorf("taken: %v", rows)
	}
	f, err = d.OpenFile("/inbox/data.csv.tmp", wc)
	must(t, err)
	must(t, fill(f, content[30_000:], 30_000))
	must(t, f.Close())
	must(t, d.Rename("/inbox/data.csv.tmp", "/inbox/data.csv"))
	if rows := h.rows(t); len(rows) != 1 {
		t.Errorf("taken: %v", rows)
	}
}
