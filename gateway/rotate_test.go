package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// pair is a certificate and its key, both PEM.
type pair struct {
	cert *vault.Certificate
	key  *vault.PrivateKey
}

// newPair makes a certificate and writes NAME.crt and NAME.key into the house.
func (h *house) newPair(t testing.TB, name string) pair {
	t.Helper()
	cert, key, err := vault.NewCertificate(name, "p-256", time.Now(), 365*24*time.Hour)
	must(t, err, os.WriteFile(filepath.Join(h.dir, name+".crt"), cert, 0o600), os.WriteFile(filepath.Join(h.dir, name+".key"), key, 0o600))
	return readPair(t, h.dir, name)
}

func readPair(t testing.TB, dir, name string) (p pair) {
	t.Helper()
	var err error
	if p.cert, err = vault.ReadCertificate(filepath.Join(dir, name+".crt")); err != nil {
		t.Fatal(err)
	}
	if p.key, err = vault.ReadPrivateKey(filepath.Join(dir, name+".key"), nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// rotate is what the command does: the key stays in the closure.
func (h *house) rotate(t testing.TB, account string, old pair, to ...*vault.Certificate) RotateResult {
	t.Helper()
	result, err := h.Client(t.Context()).Rotate(t.Context(), RewrapQuery{Account: account, Certificate: string(to[0].PEM())},
		func(header []byte) (vault.Rewrapped, error) { return old.key.Rewrap(header, to...) }, func(RotateResult) {})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// opens tries to open a file's sealed copy with a key, and the access key if its account has one.
func (h *house) opens(t testing.TB, f FileLine, p pair) ([]byte, error) {
	t.Helper()
	_, copy, err := h.Copy(t.Context(), f.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer copy.Close()
	sealed, err := io.ReadAll(copy)
	if err != nil {
		t.Fatal(err)
	}
	access, err := vault.ReadAccessKey(filepath.Join(h.dir, "acme.access"))
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	err = vault.OpenSealed(&plain, bytes.NewReader(sealed), int64(len(sealed)), p.key, access)
	return plain.Bytes(), err
}

// opensOnly fails the test unless the file opens with one key, to what was received, and not with the others.
func (h *house) opensOnly(t testing.TB, f FileLine, with pair, not ...pair) {
	t.Helper()
	if plain, err := h.opens(t, f, with); err != nil || digest(plain) != f.SHA256 {
		t.Errorf("%s of %s: %d bytes opened, %v", f.ID, f.Account, len(plain), err)
	}
	for _, p := range not {
		if plain, err := h.opens(t, f, p); !errors.Is(err, vault.ErrWrongKey) || len(plain) > 0 {
			t.Errorf("%s of %s opens with the key of %s: %v", f.ID, f.Account, p.cert.Subject(), err)
		}
	}
}

// TestRewrapOfACopyNamedTwice: one request may name a copy twice, by its id and by the id's ending; it gets one new envelope
// and is there afterwards.
func TestRewrapOfACopyNamedTwice(t *testing.T) {
	h := newHouse(t)
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	for i, payments := range []int{2, 2000} { // in the index, and a file of its own
		_, err := h.push(t, "acme", fmt.Sprint(i, ".xml"), pain001(t, fmt.Sprint("twice", i), payments))
		must(t, err)
	}
	q := RewrapQuery{Account: "acme", Certificate: string(next.cert.PEM())}
	for line, err := range h.Envelopes(t.Context(), EnvelopesQuery{Account: "acme", For: q.Certificate}) {
		must(t, err)
		for _, id := range []string{line.ID, line.ID, line.ID[len(line.ID)-10:]} {
			anew, err := old.key.Rewrap(line.Header, next.cert)
			must(t, err)
			q.Copies = append(q.Copies, NewEnvelope{id, anew.Header, anew.Proof[:], line.UserName != nil})
		}
	}
	lines, err := h.Rewrap(t.Context(), q, "test")
	must(t, err)
	if len(lines) != 6 {
		t.Fatalf("%+v", lines)
	}
	for i, line := range lines {
		if first := i%3 == 0; first != (line.Fault == "") {
			t.Errorf("%d: %+v", i, line)
		}
	}
	h.sound(t)
	for _, f := range h.files(t, "acme") {
		h.opensOnly(t, f, next, old)
	}
	if len(h.sealedFiles(t)) != 1 {
		t.Errorf("%q", h.sealedFiles(t))
	}
}

// TestRotate: copies in the index and on disk, of an account with access keys, get their new envelope and nothing else
// changes; other accounts' stay; a copy that is damaged stays as it is and is told; a second run finds nothing to do.
func TestRotate(t *testing.T) {
	h := newHouse(t)
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	contents := map[string][]byte{}
	for i, payments := range []int{1, 90, 600, 2000, 600} {
		content := pain001(t, fmt.Sprint("rotate", i), payments)
		receipt, err := h.push(t, "acme", fmt.Sprint(i, ".xml"), content)
		must(t, err)
		contents[receipt.ID] = content
	}
	_, err := h.push(t, "soft", "other.xml", pain001(t, "other", 3))
	must(t, err)
	damaged := h.sealedFiles(t)[0]
	whole, err := os.ReadFile(damaged)
	bad := bytes.Clone(whole)
	bad[len(bad)/2] ^= 1
	must(t, err, os.WriteFile(damaged, bad, 0o600))

	r := h.rotate(t, "acme", old, next.cert)
	if r.Done != 4 || r.Faults != 1 || len(r.Others) != 0 || !strings.Contains(r.Failed[0].Fault, "damaged") {
		t.Errorf("%+v", r)
	}
	if now, err := os.ReadFile(damaged); err != nil || !bytes.Equal(now, bad) {
		t.Error("the damaged copy was touched", err)
	}
	must(t, os.WriteFile(damaged, whole, 0o600))
	if r := h.rotate(t, "acme", old, next.cert); r.Done != 1 || r.Touched != 1 {
		t.Errorf("the second run: %+v", r)
	}
	if r := h.rotate(t, "acme", old, next.cert); r.Touched != 0 {
		t.Errorf("the third run: %+v", r)
	}
	h.sound(t)
	h.reopen(t)
	h.sound(t)
	for _, f := range h.files(t, "acme") {
		h.opensOnly(t, f, next, old)
		if f.Certificate != next.cert.Fingerprint() || f.SHA256 != digest(contents[f.ID]) {
			t.Errorf("%+v", f)
		}
		d, err := h.Show(t.Context(), f.ID)
		must(t, err)
		if last := d.History[len(d.History)-1]; len(d.History) != 2 || last.Kind != "rewrapped" || !strings.HasPrefix(last.Who, "uid:") ||
			last.Detail != old.cert.Fingerprint()+" to "+next.cert.Fingerprint() {
			t.Errorf("history %+v", d.History)
		}
	}
	h.opensOnly(t, h.files(t, "soft")[0], old, next)
	if r := h.rotate(t, "soft", next, next.cert); r.Done != 0 || r.Others[old.cert.Fingerprint()] != 1 {
		t.Errorf("with a key that does not open: %+v", r)
	}
	h.opensOnly(t, h.files(t, "soft")[0], old, next)
	// And back again: a third name for the large ones.
	if r := h.rotate(t, "acme", next, old.cert); r.Done != 5 {
		t.Errorf("back: %+v", r)
	}
	h.sound(t)
	if got := h.sealedFiles(t); len(got) != 4 || !strings.HasSuffix(got[0], ".2.p7m") {
		t.Errorf("%v", got)
	}
}

// TestRewrapRefuses: whoever has not opened the old envelope replaces none, whatever stands in the new one.
func TestRewrapRefuses(t *testing.T) {
	h := newHouse(t)
	next, rogue := h.newPair(t, "next"), h.newPair(t, "rogue")
	for i, payments := range []int{1, 600} {
		_, err := h.push(t, "acme", fmt.Sprint(i), pain001(t, fmt.Sprint("r", i), payments))
		must(t, err)
	}
	old := readPair(t, h.dir, "acme")
	_, err := h.AddUser(t.Context(), NewUser{Account: "acme", Login: "anna"}, "test") // whose name is sealed too
	must(t, err)
	q := RewrapQuery{Account: "acme", Certificate: string(next.cert.PEM())}
	for line, err := range h.Envelopes(t.Context(), EnvelopesQuery{Account: "acme"}) {
		must(t, err)
		anew, err := old.key.Rewrap(line.Header, rogue.cert)
		must(t, err)
		good, err := old.key.Rewrap(line.Header, next.cert)
		must(t, err)
		name := line.UserName != nil
		q.Copies = append(q.Copies, NewEnvelope{line.ID, anew.Header, anew.Proof[:], name}, NewEnvelope{line.ID, good.Header, make([]byte, 16), name},
			NewEnvelope{line.ID, line.Header, good.Proof[:], name}, NewEnvelope{line.ID, nil, nil, name}, NewEnvelope{"7777", good.Header, good.Proof[:], name},
			NewEnvelope{line.ID, good.Header, good.Proof[:], !name})
	}
	lines, err := h.Rewrap(t.Context(), q, "uid:0")
	must(t, err)
	for i, line := range lines {
		if line.Fault == "" {
			t.Errorf("%d was taken", i)
		}
	}
	for _, f := range h.files(t, "acme") {
		h.opensOnly(t, f, old, next, rogue)
	}
	h.sound(t)
}

// TestRewrapLeftovers: a crash between a large copy's new file and its row, or between its row and the removal of the old
// file, leaves two; the next start keeps the one that the row names.
func TestRewrapLeftovers(t *testing.T) {
	h := newHouse(t)
	_, err := h.push(t, "acme", "x", pain001(t, "x", 600))
	must(t, err)
	first := h.sealedFiles(t)[0]
	content, err := os.ReadFile(first)
	must(t, err)
	before := strings.TrimSuffix(first, ".p7m") + ".1.p7m"
	must(t, os.WriteFile(before, content, 0o600))
	h.reopen(t)
	if got := h.sealedFiles(t); len(got) != 1 || got[0] != first {
		t.Errorf("died before the row: %v", got)
	}
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	h.rotate(t, "acme", old, next.cert)
	must(t, os.WriteFile(first, content, 0o600))
	for p, err := range h.Verify(t.Context(), "acme") {
		if must(t, err); p.What != "orphan" || !strings.Contains(p.Problem, "left from a rotation") {
			t.Errorf("verify: %+v", p)
		}
	}
	h.reopen(t)
	if got := h.sealedFiles(t); len(got) != 1 || got[0] != before {
		t.Errorf("died after the row: %v", got)
	}
	h.opensOnly(t, h.files(t, "acme")[0], next, old)
	// The row's own copy is gone (an old backup of the disk): what lies beside it stays.
	must(t, os.Rename(before, first))
	h.reopen(t)
	if got := h.sealedFiles(t); len(got) != 1 || got[0] != first || !strings.Contains(h.log.String(), "move it to sealed/2") {
		t.Errorf("the last copy: %v", got)
	}
}

// TestRecovery: with a recovery certificate every copy has one more recipient, the receipt and the lists say so, and a
// rotation keeps it, or brings it to copies that have none.
func TestRecovery(t *testing.T) {
	h := newHouse(t)
	old, next, rescue := readPair(t, h.dir, "acme"), h.newPair(t, "next"), h.newPair(t, "rescue")
	before, err := h.push(t, "acme", "before.xml", pain001(t, "before", 3))
	must(t, err)
	path := filepath.Join(h.dir, "sealgate.yaml")
	text, err := os.ReadFile(path)
	text = bytes.Replace(text, []byte("certificate: ./acme.crt,"), []byte("certificate: ./acme.crt, recovery_certificate: ./rescue.crt,"), 1)
	must(t, err, os.WriteFile(path, text, 0o600), h.Reload(t.Context()))
	for i, payments := range []int{1, 600} {
		receipt, err := h.push(t, "acme", fmt.Sprint(i), pain001(t, fmt.Sprint("r", i), payments))
		must(t, err)
		f, err := h.Show(t.Context(), receipt.ID)
		must(t, err)
		h.opensOnly(t, f.FileLine, old, next)
		h.opensOnly(t, f.FileLine, rescue)
		if f.Recovery != rescue.cert.Fingerprint() {
			t.Errorf("%+v", f)
		}
	}
	told := func(id string) string {
		list, err := h.Receipts(t.Context(), "acme", 10)
		must(t, err)
		for _, e := range list {
			text, _, err := h.Receipt(t.Context(), "acme", e.Name)
			must(t, err)
			var r struct {
				ID       string `json:"id"`
				Recovery string `json:"recovery_certificate"`
			}
			must(t, json.Unmarshal(text, &r))
			if r.ID == id {
				return r.Recovery
			}
		}
		t.Fatal("no receipt of", id)
		return ""
	}
	delivered := func(id string) bool { // to a remote of the customer's
		r, err := h.Content(t.Context(), "acme", transport.Sending{Kind: indexer.SendReceipt, File: id})
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		return bytes.Contains(text, []byte(`"recovery_certificate": "`+rescue.cert.Fingerprint()+`"`))
	}
	files := h.files(t, "acme")
	if told(before.ID) != "" || delivered(before.ID) || told(files[0].ID) != rescue.cert.Fingerprint() || !delivered(files[0].ID) {
		t.Error("the receipts do not say who else can open")
	}
	if r := h.rotate(t, "acme", old, old.cert, rescue.cert); r.Done != 1 { // the one from before
		t.Errorf("%+v", r)
	}
	if told(before.ID) != rescue.cert.Fingerprint() || !delivered(before.ID) {
		t.Error("the receipt of a rewrapped copy does not say it")
	}
	if r := h.rotate(t, "acme", rescue, next.cert, rescue.cert); r.Done != 3 {
		t.Errorf("with the recovery key: %+v", r)
	}
	if r := h.rotate(t, "acme", next, old.cert); r.Done != 0 || r.Faults != 3 {
		t.Errorf("without the recovery certificate, though it is configured: %+v", r)
	}
	for _, f := range h.files(t, "acme") {
		h.opensOnly(t, f, next, old)
		h.opensOnly(t, f, rescue)
	}
	h.sound(t)
	// Held files: what is released to be deleted has no copy, and no recovery.
	if d, err := h.push(t, "gone", "g", pain001(t, "g", 3)); err != nil {
		t.Error(err)
	} else if f, err := h.Show(t.Context(), d.ID); err != nil || f.Recovery != "" || f.Fate != indexer.Deleted {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestRotateWhileFilesArrive: a rotation, uploads, verify, show and export at the same time do each other no harm.
func TestRotateWhileFilesArrive(t *testing.T) {
	h := newHouse(t)
	old, next := readPair(t, h.dir, "acme"), h.newPair(t, "next")
	for i := range 24 {
		_, err := h.push(t, "acme", fmt.Sprint(i), pain001(t, fmt.Sprint("early", i), 1+500*(i%4/3)))
		must(t, err)
	}
	early := h.files(t, "acme")
	stop, busy := make(chan struct{}), sync.WaitGroup{}
	for i, work := range []func(n int) error{
		func(n int) error {
			_, err := h.push(t, "acme", fmt.Sprint("late", n), pain001(t, fmt.Sprint("late", n), 1+500*(n%2)))
			return err
		},
		func(int) error {
			for p, err := range h.Verify(t.Context(), "acme") {
				if err != nil {
					return err
				}
				t.Errorf("verify: %s: %s", p.What, p.Problem)
			}
			return nil
		},
		func(n int) error {
			f, copy, err := h.Copy(t.Context(), early[n%len(early)].ID)
			if err != nil {
				return err
			}
			defer copy.Close()
			got, err := io.Copy(io.Discard, copy)
			if err == nil && got != f.CopySize {
				err = fmt.Errorf("%s: %d bytes, its row says %d", f.ID, got, f.CopySize)
			}
			return err
		},
	} {
		busy.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := work(n); err != nil {
					t.Errorf("%d: %v", i, err)
					return
				}
			}
		})
	}
	h.rotate(t, "acme", old, next.cert)
	h.rotate(t, "acme", next, old.cert)
	h.rotate(t, "acme", old, next.cert)
	close(stop)
	busy.Wait()
	h.rotate(t, "acme", old, next.cert)
	h.sound(t)
	for _, f := range h.files(t, "acme") {
		h.opensOnly(t, f, next, old)
	}
}
