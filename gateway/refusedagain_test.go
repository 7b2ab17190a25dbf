package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
)

// TestRefusedAndSentAgain: a held file is refused, the gateway is killed, and comes up with the account locked. Sent again, the file is new:
// the first one's sender was told no.
func TestRefusedAndSentAgain(t *testing.T) {
	h := newHouse(t)
	h.addAccount(t, safeAccount)
	contents := map[string][]byte{"small": []byte("small and unrecognised"), "large": []byte(strings.Repeat("large and unrecognised\n", 20_000))}
	first := map[string]string{}
	for name, content := range contents {
		r, err := h.push(t, "safe", name+".txt", content)
		must(t, err)
		first[name] = r.ID
	}
	kept, err := h.push(t, "safe", "kept.txt", []byte("kept and unrecognised"))
	must(t, err)
	h.unlockFor(t, time.Minute)
	for _, id := range first {
		_, err := h.Gateway.Decide(t.Context(), Decision{ID: id, Reason: "no"}, "uid:7")
		must(t, err)
	}
	killed := filepath.Join(h.dir, "killed")
	must(t, os.CopyFS(killed, os.DirFS(filepath.Join(h.dir, "data"))), h.Close()) // as the disk is when it is killed
	must(t, os.RemoveAll(filepath.Join(h.dir, "data")), os.Rename(killed, filepath.Join(h.dir, "data")))
	h.open(t)

	if !h.account("safe").index.Locked() {
		t.Fatal("it is open")
	}
	for name, content := range contents {
		r, err := h.push(t, "safe", name+" again.txt", content)
		if must(t, err); r.Verdict != "held" || strings.Contains(r.Sentence, "duplicate") || strings.Contains(r.Sentence, shortID(first[name])) {
			t.Errorf("%s: its sender is told %q", name, r.Sentence)
		}
	}
	r, err := h.push(t, "safe", "kept again.txt", []byte("kept and unrecognised"))
	if must(t, err); !strings.Contains(r.Sentence, "the same content was taken before as "+shortID(kept.ID)+", which is safe") {
		t.Errorf("of a file that still waits its sender is told %q", r.Sentence)
	}
	h.unlockFor(t, time.Minute)
	for _, f := range h.files(t, "safe") {
		if refused := f.ID == first["small"] || f.ID == first["large"]; refused != (f.Verdict == "rejected") || (f.DuplicateOf != "") != (f.ID == r.ID) {
			t.Errorf("%s is %s, a duplicate of %q", f.Name, f.Verdict, f.DuplicateOf)
		}
	}
	h.sound(t)
}

// TestRefusalInDoubt: where nobody knows whether the first one was refused, its sender is not told that it is safe.
func TestRefusalInDoubt(t *testing.T) {
	h := newHouse(t)
	first := h.newID()
	for account, want := range map[string]string{"acme": "held again.xml: the same content came as " + shortID(first) + ", and whether that was refused is not certain yet. It is stored",
		"soft": "rejected again.xml: the same content came as " + shortID(first) + ", and whether that was refused is not certain yet. Nothing more was taken"} {
		u := h.receive(t, account, "again.xml")
		d := &indexer.Delivery{File: u.record(u.id, formats.Facts{Format: "pain.001"})}
		d.File.CopySize = 1
		u.judge(d, indexer.Earlier{Content: first, ContentInDoubt: true})
		if got := d.File; !strings.HasPrefix(got.Sentence, want) || got.DuplicateOf != first {
			t.Errorf("%s: %q, want %q", account, got.Sentence, want)
		}
		u = h.receive(t, account, "again.xml")
		d = &indexer.Delivery{File: u.record(u.id, formats.Facts{Format: "pain.001"})}
		d.File.CopySize = 1
		u.judge(d, indexer.Earlier{Business: first, BusinessInDoubt: true})
		want = "held again.xml: the same message id from the same payer came as " + shortID(first) + ", and whether that was refused is not certain yet. It is stored"
		if got := d.File; !strings.HasPrefix(got.Sentence, want) {
			t.Errorf("%s: %q, want %q", account, got.Sentence, want)
		}
	}
}
