package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/testdata/gen/payfile"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// house is a real gateway in a temporary folder: accounts acme (seal), beta (delete, with a certificate) and gone
// (delete, without one).
type house struct {
	*Gateway
	dir string
	log *bytes.Buffer
}

var guest = transport.Guest{Account: "acme", User: "uTEST", Addr: netip.MustParseAddr("127.0.0.1")}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), log: &bytes.Buffer{}}
	certificate, key, err := vault.NewCertificate("acme", "p-256", time.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	access, accessCertificate, err := vault.NewAccessKey("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	host, _, err := transport.NewHostKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"acme.crt": certificate, "acme.key": key, "acme.access": access, "acme.access.crt": accessCertificate,
		"unlock.key": vault.NewUnlockKey(), "host": host,
		"sealgate.yaml": []byte(`data_dir: ./data
unlock_key_file: ./unlock.key
disk_floor: 1MiB
sftp: {listen: "127.0.0.1:0", host_keys: [./host]}
accounts:
  - {id: acme, after_indexing: seal, certificate: ./acme.crt, access_keys: [./acme.access.crt], max_file_size: 8MiB, say: all}
  - {id: beta, after_indexing: delete, certificate: ./acme.crt}
  - {id: gone, after_indexing: delete}
  - {id: soft, after_indexing: seal, certificate: ./acme.crt, policy: {totals-mismatch: hold, incomplete: hold, malformed: accept, duplicate-content: reject}}
`),
	} {
		if err := os.WriteFile(filepath.Join(h.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.open(t)
	t.Cleanup(func() { h.Close() })
	return h
}

func (h *house) open(t testing.TB) {
	t.Helper()
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if h.Gateway, err = Open(t.Context(), cfg, unlock, slog.New(slog.NewTextHandler(h.log, nil))); err != nil {
		t.Fatal(err)
	}
}

// reopen closes the gateway and opens it anew, as a restart does.
func (h *house) reopen(t testing.TB) {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h.open(t)
}

func (h *house) receive(t testing.TB, account, name string) *Upload {
	t.Helper()
	g := guest
	g.Account = account
	u, err := h.Receive(t.Context(), g, "sftp", name)
	if err != nil {
		t.Fatal(err)
	}
	return u.(*Upload)
}

// push delivers a file whole, in writes of 32 KiB.
func (h *house) push(t testing.TB, account, name string, content []byte) (transport.Receipt, error) {
	t.Helper()
	u := h.receive(t, account, name)
	if err := write(u, content, 0); err != nil {
		u.Discard("refused")
		return transport.Receipt{}, err
	}
	receipt, err := u.Commit(t.Context(), name)
	if err != nil {
		u.Discard("refused")
	}
	return receipt, err
}

func write(u *Upload, content []byte, off int64) error {
	for len(content) > 0 {
		n := min(len(content), 32<<10)
		if _, err := u.WriteAt(content[:n], off); err != nil {
			return err
		}
		content, off = content[n:], off+int64(n)
	}
	return nil
}

func (h *house) files(t testing.TB, account string) []FileLine {
	t.Helper()
	var list []FileLine
	for f, err := range h.Files(t.Context(), FilesQuery{Account: account}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, f)
	}
	return list
}

func (h *house) payments(t testing.TB, id string) (n int) {
	t.Helper()
	for _, err := range h.Payments(t.Context(), PaymentsQuery{File: id}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// sound fails the test if verify finds anything or an account's incoming folder is not empty.
func (h *house) sound(t testing.TB) {
	t.Helper()
	for p, err := range h.Verify(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("verify: %s: %s: %s", p.Account, p.What, p.Problem)
	}
	left, err := filepath.Glob(filepath.Join(h.dir, "data/accounts/*/incoming/*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in incoming: %v, %v", left, err)
	}
}

// sealedFiles lists the sealed copies on disk.
func (h *house) sealedFiles(t testing.TB) (list []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(h.dir, "data"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".p7m") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// opened is a file's sealed copy opened with the customer's keys.
func (h *house) opened(t testing.TB, id string, access bool) []byte {
	t.Helper()
	_, copy, err := h.Copy(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer copy.Close()
	sealed, err := io.ReadAll(copy)
	if err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadPrivateKey(filepath.Join(h.dir, "acme.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var accessKey *vault.AccessKey
	if access {
		if accessKey, err = vault.ReadAccessKey(filepath.Join(h.dir, "acme.access")); err != nil {
			t.Fatal(err)
		}
	}
	var plain bytes.Buffer
	if err := vault.OpenSealed(&plain, bytes.NewReader(sealed), int64(len(sealed)), key, accessKey); err != nil {
		t.Fatal(err)
	}
	return plain.Bytes()
}

func pain001(t testing.TB, id string, payments int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := payfile.Pain001(&b, payfile.Options{Payments: payments, MessageID: id}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func refusal(t testing.TB, err error) *transport.Refusal {
	t.Helper()
	var r *transport.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("want a refusal, got %v", err)
	}
	if len(r.Sentence) > 200 || strings.ContainsFunc(r.Sentence, func(c rune) bool { return c < ' ' || c > '~' }) {
		t.Errorf("not one plain line of at most 200 bytes: %q", r.Sentence)
	}
	return r
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestAcceptedFilesAreSealedAndFound(t *testing.T) {
	h := newHouse(t)
	for _, payments := range []int{1, 40, 90, 2000} { // in the index, around the border, on disk
		name := fmt.Sprintf("p%d.xml", payments)
		content := pain001(t, name, payments)
		receipt, err := h.push(t, "acme", name, content)
		if err != nil {
			t.Fatal(err)
		}
		f, err := h.Show(t.Context(), receipt.ID[18:])
		if err != nil {
			t.Fatal(err)
		}
		if f.Verdict != indexer.Accepted || f.Fate != indexer.Sealed || f.SHA256 != digest(content) || f.Size != int64(len(content)) ||
			f.Payments != int64(payments) || f.Format != "pain.001" || f.Name != name || f.Certificate == "" {
			t.Errorf("%+v", f)
		}
		if got := h.payments(t, receipt.ID); got != payments {
			t.Errorf("%s: %d payments found, want %d", name, got, payments)
		}
		if !bytes.Equal(h.opened(t, receipt.ID, true), content) {
			t.Errorf("%s: the sealed copy is not what was received", name)
		}
		if (f.CopyPath != "") != (f.CopySize > indexer.MaxCopy) {
			t.Errorf("%s: a copy of %d bytes lies in %q", name, f.CopySize, f.CopyPath)
		}
		if !strings.HasPrefix(receipt.Sentence, "accepted "+name+": pain.001, ") {
			t.Errorf("sentence %q", receipt.Sentence)
		}
	}
	h.sound(t)
	h.placing.Range(func(path, _ any) bool {
		t.Errorf("it is still being placed: %s", path)
		return true
	})
	h.reopen(t)
	if got := len(h.files(t, "")); got != 4 || h.memory.used() != 0 {
		t.Errorf("after a restart %d files, %d bytes reserved", got, h.memory.used())
	}
	h.sound(t)
}

func TestDeleteKeepsNoByte(t *testing.T) {
	h := newHouse(t)
	for _, account := range []string{"beta", "gone"} {
		for _, payments := range []int{3, 2000} {
			u := h.receive(t, account, "x.xml")
			if err := write(u, pain001(t, fmt.Sprint(account, payments), payments), 0); err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(filepath.Join(h.dir, "data/accounts/*/incoming/*")); len(left) > 0 {
				t.Errorf("%s: written while it arrived: %v", account, left)
			}
			receipt, err := u.Commit(t.Context(), "x.xml")
			if err != nil {
				t.Fatal(err)
			}
			f, err := h.Show(t.Context(), receipt.ID)
			if err != nil || f.Fate != indexer.Deleted || f.CopySize != 0 || f.Certificate != "" {
				t.Errorf("%s: %+v, %v", account, f, err)
			}
			if got := h.payments(t, receipt.ID); got != payments {
				t.Errorf("%s: %d payments, want %d", account, got, payments)
			}
		}
	}
	if list := h.sealedFiles(t); len(list) > 0 {
		t.Errorf("sealed copies: %v", list)
	}
	for _, account := range []string{"acme", "gone"} { // given up
		u := h.receive(t, account, "x.xml")
		must(t, write(u, pain001(t, account, 2000), 0))
		if u.Discard("aborted"); !u.pass.ended {
			t.Errorf("%s: its pass goes on", account)
		}
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Error(h.log)
	}
	h.sound(t)
}

func TestRefusedAtTheEarliestWrite(t *testing.T) {
	h := newHouse(t)
	wrong := func(payments int) []byte {
		content := pain001(t, fmt.Sprint("wrong", payments), payments)
		return bytes.Replace(content, fmt.Appendf(nil, "<NbOfTxs>%d<", payments), fmt.Appendf(nil, "<NbOfTxs>%d<", payments+1), 1)
	}
	for _, c := range []struct {
		name, code string
		content    []byte
	}{
		{"totals.xml", "totals-mismatch", wrong(3)},
		{"large totals.xml", "totals-mismatch", wrong(2000)},
		{"broken.xml", "malformed", bytes.Replace(pain001(t, "broken", 3), []byte("</PmtInf>"), []byte("</PmtInv>"), 1)},
		{"too large.xml", "too-large", bytes.Repeat([]byte(" "), 8<<20+1)},
	} {
		u := h.receive(t, "acme", c.name)
		r := refusal(t, write(u, c.content, 0))
		if !strings.Contains(r.Sentence, "["+c.code+", ") || r.Resumable {
			t.Errorf("%s: %+v", c.name, r)
		}
		if _, err := u.WriteAt([]byte("x"), 0); err != error(r) {
			t.Errorf("%s: the next write says %v", c.name, err)
		}
		if _, err := u.Commit(t.Context(), c.name); err != error(r) {
			t.Errorf("%s: the close says %v", c.name, err)
		}
		u.Discard("closed")
		f := h.files(t, "acme")[0]
		if f.Verdict != indexer.Rejected || f.Fate != "" || f.Reasons[len(f.Reasons)-1].Code != c.code || h.payments(t, f.ID) != 0 {
			t.Errorf("%s: recorded as %+v with %d payments", c.name, f, h.payments(t, f.ID))
		}
	}
	if list := h.sealedFiles(t); len(list) > 0 || h.memory.used() != 0 {
		t.Errorf("left: %v, %d bytes reserved", list, h.memory.used())
	}
	h.sound(t)
}

// A file that is too large, of no known format or empty is not to be corrected: its sender is told what can help.
func TestAdvice(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		account, want string
		content       []byte
	}{
		{"acme", "Nothing was taken; split it, or ask your contact. [too-large, ", bytes.Repeat([]byte(" "), 8<<20+1)},
		{"gone", "Nothing was taken; ask your contact, if it should be. [unrecognised, ", []byte("what is this?")},
		{"acme", "Nothing was taken; send the right file. [empty, ", nil},
	} {
		u := h.receive(t, c.account, "file")
		err := write(u, c.content, 0)
		if err == nil {
			_, err = u.Commit(t.Context(), "file")
		}
		if r := refusal(t, err); !strings.Contains(r.Sentence, c.want) {
			t.Errorf("%s, want %s", r.Sentence, c.want)
		}
		u.Discard("closed")
	}
}

func TestIncompleteGoesOn(t *testing.T) {
	h := newHouse(t)
	for _, payments := range []int{3, 2000} {
		content := pain001(t, fmt.Sprint("cut", payments), payments)
		half := int64(len(content) / 2)
		u := h.receive(t, "acme", "cut.xml")
		if err := write(u, content[:half], 0); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := u.Commit(t.Context(), "cut.xml")
			if r := refusal(t, err); !r.Resumable || !strings.Contains(r.Sentence, "[incomplete, ") {
				t.Errorf("%+v", r)
			}
		}
		if err := write(u, content[half-1:], half-1); err != nil { // shown one byte short: the resume repeats one
			t.Fatal(err)
		}
		receipt, err := u.Commit(t.Context(), "cut.xml")
		if err != nil {
			t.Fatal(err)
		}
		f, err := h.Show(t.Context(), receipt.ID)
		if err != nil || f.SHA256 != digest(content) || !bytes.Equal(h.opened(t, f.ID, true), content) || h.payments(t, f.ID) != payments {
			t.Errorf("%+v, %v", f, err)
		}
	}
	if got := len(h.files(t, "acme")); got != 6 { // each time two refusals and one acceptance
		t.Errorf("%d rows", got)
	}
	h.sound(t)
}

func TestGapAndDeclaredSizeAreIncomplete(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "gap", 3)
	u := h.receive(t, "acme", "gap.xml")
	if err := errors.Join(write(u, content[:100], 0), write(u, content[200:], 200)); err != nil {
		t.Fatal(err)
	}
	_, err := u.Commit(t.Context(), "gap.xml")
	if r := refusal(t, err); !strings.Contains(r.Sentence, "bytes are missing after the first 100") {
		t.Error(r.Sentence)
	}
	u.Gap()
	if u.Prefix() != 100 {
		t.Errorf("prefix %d", u.Prefix())
	}
	if err := write(u, content[100:], 100); err != nil {
		t.Fatal(err)
	}
	u.Declare(int64(len(content)) + 1)
	if _, err = u.Commit(t.Context(), "gap.xml"); !strings.Contains(refusal(t, err).Sentence, "bytes were announced") {
		t.Error(err)
	}
	u.Gap() // whoever comes back has announced nothing
	if _, err = u.Commit(t.Context(), "gap.xml"); err != nil {
		t.Error(err)
	}
	h.sound(t)
}

func TestDuplicates(t *testing.T) {
	h := newHouse(t)
	for _, payments := range []int{3, 2000} {
		content := pain001(t, fmt.Sprint("dup", payments), payments)
		same := append(bytes.Clone(content), '\n') // other bytes, the same business
		for _, c := range []struct {
			account, code string
			content       []byte
			verdict       indexer.Verdict
		}{
			{"acme", "", content, indexer.Accepted},
			{"acme", "duplicate-content", content, indexer.Held},
			{"acme", "duplicate-business-key", same, indexer.Held},
			{"gone", "", content, indexer.Accepted},
			{"gone", "duplicate-content", content, indexer.Rejected}, // what cannot be held is rejected
			{"soft", "", content, indexer.Accepted},
			{"soft", "duplicate-content", content, indexer.Rejected},
		} {
			_, err := h.push(t, c.account, "d.xml", c.content)
			if (err != nil) != (c.verdict == indexer.Rejected) {
				t.Fatalf("%s %s: %v", c.account, c.code, err)
			}
			f := h.files(t, c.account)[0]
			if f.Verdict != c.verdict || c.code != "" && (f.Reasons[0].Code != c.code || len(f.Reasons) != 1 || f.DuplicateOf == "") {
				t.Errorf("%s %s: %+v", c.account, c.code, f)
			}
			if err != nil && !strings.Contains(refusal(t, err).Sentence, shortID(f.DuplicateOf)+", which is safe") {
				t.Error(err)
			}
			if c.verdict == indexer.Rejected && h.payments(t, f.ID) != 0 {
				t.Errorf("payments of a rejected file stay")
			}
		}
	}
	h.sound(t)
}

func TestHeldIsReleasedOrRefused(t *testing.T) {
	h := newHouse(t)
	for _, size := range []int{100, 300_000} {
		for _, c := range []struct {
			account string
			release bool
			verdict indexer.Verdict
			fate    indexer.Fate
		}{
			{"acme", true, indexer.Accepted, indexer.Sealed},
			{"acme", false, indexer.Rejected, ""},
			{"beta", true, indexer.Accepted, indexer.Deleted},
			{"beta", false, indexer.Rejected, ""},
		} {
			content := bytes.Repeat(fmt.Appendf(nil, "who knows %s %v %d\n", c.account, c.release, size), size/20)
			receipt, err := h.push(t, c.account, "letter.txt", content)
			if err != nil || receipt.Verdict != "held" || !strings.Contains(receipt.Sentence, "unrecognised") {
				t.Fatalf("%+v, %v", receipt, err)
			}
			if !bytes.Equal(h.opened(t, receipt.ID, c.account == "acme"), content) {
				t.Error("the held copy is not what was received")
			}
			line, err := h.Decide(t.Context(), Decision{ID: receipt.ID, Release: c.release, Reason: "asked by phone"}, "uid:0")
			if err != nil || line.Verdict != c.verdict || line.Fate != c.fate {
				t.Errorf("%+v, %v", line, err)
			}
			var no *No
			if _, err := h.Decide(t.Context(), Decision{ID: receipt.ID}, "uid:0"); !errors.As(err, &no) {
				t.Errorf("decided twice: %v", err)
			}
			if _, _, err := h.Copy(t.Context(), receipt.ID); (err == nil) != (c.fate == indexer.Sealed) {
				t.Errorf("%s %v: copy: %v", c.account, c.release, err)
			}
		}
	}
	if got := len(h.sealedFiles(t)); got != 1 {
		t.Errorf("%d sealed copies on disk, want the released one", got)
	}
	h.sound(t)
}

func TestPolicyOfTheAccount(t *testing.T) {
	h := newHouse(t)
	good := pain001(t, "soft", 3)
	for name, c := range map[string]struct {
		content []byte
		verdict string
	}{
		"totals":    {bytes.Replace(good, []byte("<NbOfTxs>3<"), []byte("<NbOfTxs>4<"), 1), "held"},
		"cut":       {good[:len(good)/2], "held"},
		"malformed": {bytes.Replace(good, []byte("</PmtInf>"), []byte("</PmtInv>"), 1), "accepted"},
	} {
		receipt, err := h.push(t, "soft", name, c.content)
		if err != nil || receipt.Verdict != c.verdict {
			t.Errorf("%s: %+v, %v", name, receipt, err)
			continue
		}
		if !bytes.Equal(h.opened(t, receipt.ID, false), c.content) {
			t.Errorf("%s: the sealed copy is not what was received", name)
		}
	}
	h.sound(t)
}

func TestEmptyFileIsRejected(t *testing.T) {
	h := newHouse(t)
	_, err := h.push(t, "acme", "empty.xml", nil)
	if r := refusal(t, err); !strings.Contains(r.Sentence, "[empty, ") || r.Resumable {
		t.Errorf("%+v", r)
	}
}

func TestStreamCannotGiveRandomAccess(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "order", 3)
	for _, off := range []int64{0, 40 << 20, -1} {
		u := h.receive(t, "beta", "o.xml")
		if err := write(u, content[:200], 0); err != nil {
			t.Fatal(err)
		}
		_, err := u.WriteAt([]byte("xx"), off)
		if r := refusal(t, err); r.Code != "order" {
			t.Errorf("%d: %s", off, r.Sentence)
		}
		_, again := u.WriteAt(content[200:], 200)
		if again != err {
			t.Errorf("%d: it goes on: %v", off, again)
		}
	}
	_, err := h.receive(t, "beta", "o.xml").WriteAt(make([]byte, 2), -1) // nothing is before the first byte that could be repeated
	refusal(t, err)
	if n := len(h.files(t, "beta")); n > 0 || h.memory.used() != 0 {
		t.Errorf("%d rows, %d bytes reserved", n, h.memory.used())
	}
	h.sound(t)
}

// TestMemoryForManyPayments: what many payments take is reserved when there are many, and not before.
func TestMemoryForManyPayments(t *testing.T) {
	h := newHouse(t)
	u, content := h.receive(t, "acme", "many.xml"), pain001(t, "many", 6000)
	reserved := func(size int, want int64) {
		t.Helper()
		if err := write(u, content[u.Prefix():size], u.Prefix()); err != nil {
			t.Fatal(err)
		}
		if got := h.memory.used(); got != want {
			t.Errorf("%d bytes are reserved for %d, want %d", got, size, want)
		}
	}
	reserved(manySize, uploadMemory+passMemory)
	reserved(manySize+1, uploadMemory+passMemory+manyMemory)
	reserved(len(content), uploadMemory+passMemory+manyMemory)
	u.Discard("seen")
	if got := h.memory.used(); got != 0 {
		t.Errorf("%d bytes stay reserved", got)
	}
}

// TestStoringInBatches: what waits to be stored is handed on before it is more than was reserved for it.
func TestStoringInBatches(t *testing.T) {
	h := newHouse(t)
	for _, text := range []int{10, 5000} {
		s := newStoring(h.account("acme").index.NewPayments(h.newID()), func(err error) { must(t, err) })
		for i := range int64(4 * batchPayments) {
			s.add(&formats.Payment{Index: i + 1, Reference: make([]byte, text)})
			if b := s.current; len(b.payments) > batchPayments || len(b.text) > batchText {
				t.Fatalf("%d payments with %d bytes wait in one batch", len(b.payments), len(b.text))
			}
		}
		s.drain()
		s.end()
	}
}

func TestStartSweepsWhatACrashLeft(t *testing.T) {
	h := newHouse(t)
	kept, err := h.push(t, "acme", "kept.xml", pain001(t, "kept", 2000))
	if err != nil {
		t.Fatal(err)
	}
	u := h.receive(t, "acme", "lost.xml") // in the middle of arriving, its blocks and sealed bytes written
	if err := write(u, pain001(t, "lost", 6000)[:4<<20], 0); err != nil {
		t.Fatal(err)
	}
	u.pass.end()
	acme := filepath.Join(h.dir, "data/accounts/acme")
	placed := filepath.Join(acme, "sealed/2020/01/01/01ARZ3NDEKTSV4RRFFQ69G5FAV.p7m")
	must(t, os.MkdirAll(filepath.Dir(placed), 0o700), os.WriteFile(placed, []byte("placed, never committed"), 0o600),
		os.WriteFile(filepath.Join(acme, "incoming/01ARZ3NDEKTSV4RRFFQ69G5FAV.placed"), nil, 0o600),
		os.WriteFile(filepath.Join(acme, "incoming", kept.ID+".placed"), nil, 0o600)) // died between commit and answer
	held, err := h.push(t, "acme", "held.txt", bytes.Repeat([]byte("held "), 50_000))
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.Show(t.Context(), held.ID)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(h.dir, "data", f.CopyPath)
	must(t, os.Link(path, path+"2"))
	if _, err := h.Decide(t.Context(), Decision{ID: held.ID, Reason: "no"}, "uid:0"); err != nil {
		t.Fatal(err)
	}
	must(t, os.Rename(path+"2", path)) // died between the refusal's row and the removal of the copy
	h.reopen(t)
	h.sound(t)
	if list := h.sealedFiles(t); len(list) != 1 || !strings.Contains(list[0], kept.ID) {
		t.Errorf("sealed: %v", list)
	}
	if got := h.payments(t, kept.ID); got != 2000 {
		t.Errorf("%d payments of the kept file", got)
	}
	if !strings.Contains(h.log.String(), "swept") {
		t.Error("the sweep was not told")
	}
}

// TestNoCopyIsLostWithItsRow: a log that is gone or damaged takes rows with it; the sealed copies of files that were
// answered OK stay, and everybody is told.
func TestNoCopyIsLostWithItsRow(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		if _, err := h.push(t, "acme", "a.xml", pain001(t, fmt.Sprint("row", i), 500)); err != nil {
			t.Fatal(err)
		}
	}
	index := "data/accounts/acme/index.db"
	for _, c := range []struct {
		how     string
		damage  func(dir string) error
		refused bool
	}{
		{"flipped bit in the log", func(dir string) error {
			log, err := os.ReadFile(filepath.Join(dir, index+"-wal"))
			log[len(log)/4] ^= 1
			return errors.Join(err, os.WriteFile(filepath.Join(dir, index+"-wal"), log, 0o600))
		}, false},
		{"log gone", func(dir string) error { return os.Remove(filepath.Join(dir, index+"-wal")) }, false},
		{"index gone", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, index+"-wal")), os.Remove(filepath.Join(dir, index)))
		}, true},
	} {
		then := &house{dir: t.TempDir(), log: &bytes.Buffer{}}
		must(t, os.CopyFS(then.dir, os.DirFS(h.dir)), // as kill -9 leaves it
			os.Chmod(filepath.Join(then.dir, "unlock.key"), 0o600), os.Chmod(filepath.Join(then.dir, "host"), 0o600))
		must(t, os.Remove(filepath.Join(then.dir, index+"-shm")), c.damage(then.dir))
		cfg, err := LoadConfig(filepath.Join(then.dir, "sealgate.yaml"), false)
		must(t, err)
		then.Gateway, err = Open(t.Context(), cfg, h.unlock, slog.New(slog.NewTextHandler(then.log, nil)))
		must(t, err)
		if out := then.out("acme"); (out != nil) != c.refused {
			t.Fatalf("%s: %+v", c.how, out)
		}
		if got := len(then.sealedFiles(t)); got != 5 {
			t.Errorf("%s: %d sealed copies are left", c.how, got)
		}
		if c.refused {
			must(t, then.Close())
			continue
		}
		problems := 0
		for _, err := range then.Verify(t.Context(), "acme") {
			must(t, err)
			problems++
		}
		lost := 5 - len(then.files(t, "acme"))
		if lost == 0 || problems != lost || strings.Count(then.log.String(), "has lost its row") != lost {
			t.Errorf("%s: %d rows lost, %d problems, log:\n%s", c.how, lost, problems, then.log)
		}
		must(t, then.Close())
	}
}

// TestVerifyBesideUploads: what is placed and committed while verify looks is no orphan.
func TestVerifyBesideUploads(t *testing.T) {
	h := newHouse(t)
	done := make(chan error, 2)
	for w := range 2 {
		go func() {
			var faults []error
			for i := range 40 {
				_, err := h.push(t, "acme", "a.xml", pain001(t, fmt.Sprint("v", w, "-", i), 200))
				faults = append(faults, err)
			}
			done <- errors.Join(faults...)
		}()
	}
	for left := 2; left > 0; {
		for p, err := range h.Verify(t.Context(), "acme") {
			t.Errorf("%+v, %v", p, err)
		}
		select {
		case err := <-done:
			must(t, err)
			left--
		default:
		}
	}
}

func must(t testing.TB, faults ...error) {
	t.Helper()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	h := newHouse(t)
	if _, err := h.push(t, "acme", "v.xml", pain001(t, "v", 2000)); err != nil {
		t.Fatal(err)
	}
	path := h.sealedFiles(t)[0]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	problems := func() (list []string) {
		for p, err := range h.Verify(t.Context(), "acme") {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p.What+": "+p.Problem)
		}
		return list
	}
	for _, at := range []int{0, 20, len(good) / 2, len(good) - 1} {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if len(problems()) != 1 {
			t.Errorf("flipped bit at %d: %v", at, problems())
		}
	}
	for _, size := range []int{0, 1, len(good) - 1} {
		if err := os.WriteFile(path, good[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if len(problems()) != 1 {
			t.Errorf("cut to %d bytes: %v", size, problems())
		}
	}
	if err := os.WriteFile(path, append(bytes.Clone(good), 0), 0o600); err != nil || len(problems()) != 1 {
		t.Errorf("a byte more: %v, %v", problems(), err)
	}
	if err := os.Rename(path, path+"2"); err != nil || len(problems()) != 2 { // gone, and an orphan
		t.Errorf("renamed: %v, %v", problems(), err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	h := newHouse(t)
	limits := &h.cfg.Load().SFTP.Limits
	limits.Memory, limits.MemoryPerAccount, limits.MemoryPerAddress = 40<<20, 16<<20, 30<<20
	ahead := func(account string, addr string) (err error) { // 1 MiB that waits behind a gap
		g := transport.Guest{Account: account, User: "uTEST", Addr: netip.MustParseAddr(addr)}
		u, err := h.Receive(t.Context(), g, "sftp", "gap.xml")
		for i := range int64(32) {
			if err == nil {
				_, err = u.WriteAt(make([]byte, 32<<10), 1+i<<15)
			}
		}
		return err
	}
	for _, c := range []struct {
		account, addr string
		fit           int
	}{
		{"acme", "192.0.2.1", 12},   // the account's share of 16 MiB
		{"soft", "192.0.2.1", 11},   // the address's of 30 MiB, of which 16 are in use
		{"soft", "2001:db8::1", 1},  // the account's again
		{"gone", "2001:db8::2", 7},  // what is left in total
		{"beta", "198.51.100.1", 0}, // nothing
	} {
		for i := 0; ; i++ {
			if err := ahead(c.account, c.addr); err != nil {
				if !strings.Contains(refusal(t, err).Sentence, "[memory, ") || i != c.fit {
					t.Errorf("%s from %s: %d fitted, want %d; then: %v", c.account, c.addr, i, c.fit, err)
				}
				break
			}
		}
	}
}

// TestExpiredCertificateStopsItsAccountOnly: the gateway starts, the account's files are refused at their OPEN.
func TestExpiredCertificateStopsItsAccountOnly(t *testing.T) {
	h := newHouse(t)
	expired, _, err := vault.NewCertificate("acme", "p-256", time.Now().AddDate(-2, 0, 0), 365*24*time.Hour)
	must(t, err, h.Close(), os.WriteFile(filepath.Join(h.dir, "acme.crt"), expired, 0o600))
	h.open(t)
	g := guest
	_, err = h.Receive(t.Context(), g, "sftp", "x.xml")
	if r := refusal(t, err); !strings.Contains(r.Sentence, "[expired-certificate, ") {
		t.Error(r.Sentence)
	}
	// The poller is told before it fetches, and tries again: its files wait where they lie.
	r := refusal(t, h.Room(transport.Guest{Account: "acme"}, "x.xml"))
	if r.Verdict || r.Code != "expired-certificate" {
		t.Errorf("%+v", r)
	}
	if err := h.Room(guest, "x.xml"); err != nil {
		t.Errorf("a customer is told at the OPEN, by the verdict: %v", err)
	}
	if f := h.files(t, "acme"); len(f) != 1 || f[0].Verdict != indexer.Rejected {
		t.Errorf("%+v", f)
	}
	if _, err := h.push(t, "gone", "x.xml", pain001(t, "other", 3)); err != nil {
		t.Error(err)
	}
	if h.memory.used() != 0 {
		t.Errorf("%d bytes stay reserved", h.memory.used())
	}
	must(t, h.Reload(t.Context()))
	if !strings.Contains(h.log.String(), "config doubtful") || !strings.Contains(h.log.String(), "expired on") {
		t.Error("the operator is not told: ", h.log)
	}
	// check judges as the start does: this account's files are refused, and nobody else's.
	cfg, err := CheckConfig(filepath.Join(h.dir, "sealgate.yaml"))
	must(t, err)
	told := ""
	for _, w := range cfg.Warnings {
		told += w.Warning() + "\n"
	}
	if !strings.Contains(told, "expired on") || !strings.Contains(told, "hint: make a new one: sealgate cert new acme --out new") {
		t.Errorf("check says %q", told)
	}
	s, err := h.Status(t.Context())
	must(t, err)
	if all := strings.Join(s.Problems, "\n"); !strings.Contains(all, "expired on") || !strings.Contains(all, "; make a new one: sealgate cert new acme --out new") {
		t.Errorf("status says %q", all)
	}
}

// TestListsAreMergedByTheirTime: a file that began first and ended last is the newest of all accounts.
func TestListsAreMergedByTheirTime(t *testing.T) {
	h := newHouse(t)
	slow := h.receive(t, "acme", "slow.xml")
	if _, err := h.push(t, "soft", "quick.xml", pain001(t, "quick", 3)); err != nil {
		t.Fatal(err)
	}
	must(t, write(slow, pain001(t, "slow", 3), 0))
	if _, err := slow.Commit(t.Context(), "slow.xml"); err != nil {
		t.Fatal(err)
	}
	if list := h.files(t, ""); len(list) != 2 || list[0].Name != "slow.xml" {
		t.Errorf("%+v", list)
	}
}

func TestWhole(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "whole", 3)
	u := h.receive(t, "acme", "w.xml")
	for _, c := range []struct {
		to    int
		whole bool
	}{{0, false}, {1, false}, {len(content) / 2, false}, {len(content) - 2, false}, {len(content), true}} {
		must(t, write(u, content[u.Prefix():c.to], u.Prefix()))
		if u.Whole() != c.whole {
			t.Errorf("at %d of %d: %v", c.to, len(content), !c.whole)
		}
	}
	if _, err := u.Commit(t.Context(), "w.xml"); err != nil {
		t.Error(err)
	}
}
