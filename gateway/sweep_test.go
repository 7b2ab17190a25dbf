package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/indexer/formats"
	"github.com/sealgate/sealgate/transport"
)

// TestMovedCopyStays: a copy that a restore has put at another place is told, and never removed, not even with the marker of
// a crash right after its transaction.
func TestMovedCopyStays(t *testing.T) {
	h := newHouse(t)
	receipt, err := h.push(t, "acme", "large.xml", pain001(t, "large", 600))
	must(t, err)
	sealed := h.sealedFiles(t)
	if len(sealed) != 1 {
		t.Fatal(sealed)
	}
	moved := filepath.Join(h.dir, "data/accounts/acme/sealed", filepath.Base(sealed[0]))
	marker := filepath.Join(h.dir, "data/accounts/acme/incoming", receipt.ID+placedSuffix)
	must(t, os.Link(sealed[0], marker), os.Rename(sealed[0], moved))
	h.reopen(t)
	if _, err := os.Stat(moved); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(h.log.String(), "move it to sealed/2") {
		t.Error(h.log)
	}
	must(t, os.Rename(moved, sealed[0]))
	h.sound(t)
}

// TestStrangersStay: what is not ours keeps nothing from starting and is left alone.
func TestStrangersStay(t *testing.T) {
	h := newHouse(t)
	account := filepath.Join(h.dir, "data/accounts/acme")
	strangers := []string{
		"sealed/" + strings.Repeat("u", 26) + ".p7m", "sealed/lost+found/x", "sealed/" + strings.Repeat("0", 26),
		"incoming/lost+found/x", "incoming/notes.txt",
	}
	for _, name := range strangers {
		path := filepath.Join(account, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600))
	}
	h.reopen(t)
	for _, name := range strangers {
		if _, err := os.Stat(filepath.Join(account, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestReceiptsByTheirWholeName: an ending alone, or somebody else's name with it, is no receipt.
func TestReceiptsByTheirWholeName(t *testing.T) {
	h := newHouse(t)
	_, err := h.push(t, "acme", "a.b.xml", pain001(t, "receipt", 3))
	must(t, err)
	list, err := h.Receipts(t.Context(), "acme", 10)
	must(t, err)
	if _, _, err := h.Receipt(t.Context(), "acme", list[0].Name); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", ".json", "x.json", "b.xml" + strings.TrimPrefix(list[0].Name, "a.b.xml"), strings.TrimSuffix(list[0].Name, ".json")} {
		if _, _, err := h.Receipt(t.Context(), "acme", name); err == nil {
			t.Errorf("%q is a receipt", name)
		}
	}
	if _, _, err := h.Receipt(t.Context(), "beta", list[0].Name); err == nil {
		t.Error("another account reads it")
	}
}

// TestHiddenStaysHidden: a name that its customer removed does not come back with a restart.
func TestHiddenStaysHidden(t *testing.T) {
	h := newHouse(t)
	ids := map[string]string{}
	for _, name := range []string{"one.xml", "two.xml"} {
		receipt, err := h.push(t, "acme", name, pain001(t, name, 3))
		must(t, err)
		ids[name] = receipt.ID
	}
	must(t, h.Hidden(t.Context(), guest, ids["one.xml"]), h.Renamed(t.Context(), guest, ids["one.xml"], "uno.xml"))
	h.reopen(t)
	ghosts, err := h.Shown(t.Context(), "acme", time.Now().Add(-time.Hour))
	must(t, err)
	if len(ghosts) != 1 || ghosts[0].ID != ids["two.xml"] {
		t.Errorf("%+v", ghosts)
	}
	if files := h.files(t, "acme"); len(files) != 2 {
		t.Errorf("%+v", files)
	}
}

// TestExpiredUploadLeavesARecord: the sender of what was never ended can see that it was not taken.
func TestExpiredUploadLeavesARecord(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "parked", 600)
	u := h.receive(t, "acme", "p.xml")
	must(t, write(u, content[:len(content)/2], 0))
	u.Expire()
	u.Expire()
	if f := h.files(t, "acme"); len(f) != 1 || f[0].Verdict != indexer.Rejected || f[0].Reasons[0].Code != "incomplete" || f[0].Size != int64(len(content)/2) {
		t.Errorf("%+v", f)
	}
	if _, err := u.Commit(t.Context(), "p.xml"); err == nil {
		t.Error("it was taken after all")
	}
	if h.memory.used() != 0 {
		t.Errorf("%d bytes stay reserved", h.memory.used())
	}
	h.sound(t)
}

// TestAFaultOfOursEndsOneUpload: a panic is that upload's end, and the next one is taken.
func TestAFaultOfOursEndsOneUpload(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "fault", 600)
	for _, at := range []string{"write", "commit"} {
		u := h.receive(t, "acme", "f.xml")
		must(t, write(u, content[:100_000], 0))
		u.inspector = nil
		var err error
		if at == "write" {
			_, err = u.WriteAt(content[100_000:], 100_000)
		} else {
			_, err = u.Commit(t.Context(), "f.xml")
		}
		var refusal *transport.Refusal
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Sentence, "[internal, ") {
			t.Errorf("%s: %v", at, err)
		}
		if !strings.Contains(h.log.String(), "step="+at) || !strings.Contains(h.log.String(), "nil pointer") {
			t.Error(h.log)
		}
	}
	_, err := h.push(t, "acme", "f.xml", content)
	must(t, err)
	if h.memory.used() != 0 {
		t.Errorf("%d bytes stay reserved", h.memory.used())
	}
	h.sound(t)
}

// TestAFaultOfTheDiskIsNoVerdict: where the sealed copy cannot be written, the rest is not inspected, and nobody says that the
// file ends early.
func TestAFaultOfTheDiskIsNoVerdict(t *testing.T) {
	content := pain001(t, "disk", 8_000)
	for _, how := range []string{"WriteAt", "Write"} {
		h := newHouse(t)
		u := h.receive(t, "acme", "f.xml")
		must(t, write(u, content[:100_000], 0))
		must(t, u.pass.copy.file.Close())
		var err error
		if how == "Write" {
			_, err = u.Write(content[100_000:]) // the fault comes after it, so that Commit is the first to see it
		} else {
			_, err = u.WriteAt(content[100_000:], 100_000)
		}
		if err == nil {
			_, err = u.Commit(t.Context(), "f.xml")
		}
		var refusal *transport.Refusal
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Sentence, "[internal, ") || refusal.Verdict {
			t.Errorf("%s: %v", how, err)
		}
		if f := h.files(t, "acme"); len(f) != 0 {
			t.Errorf("%s: %+v", how, f)
		}
		h.sound(t)
	}
}

// TestAFaultThatPasses: where one write to the disk has failed, the file is not taken, though all that comes after it goes well.
func TestAFaultThatPasses(t *testing.T) {
	h := newHouse(t)
	for _, n := range []int{600, 8_000} { // one slab, and several: the last one is written when all has come
		content := pain001(t, fmt.Sprint("passes", n), n)
		u := h.receive(t, "acme", "f.xml")
		must(t, write(u, content[:100_000], 0))
		whole := u.pass.copy.file
		appending, err := os.OpenFile(u.pass.copy.path, os.O_WRONLY|os.O_APPEND, 0) // of which WriteAt is refused, and nothing else
		must(t, err)
		u.pass.copy.file = appending
		if _, err = u.Write(content[100_000:]); err == nil {
			_, err = u.Commit(t.Context(), "f.xml")
		}
		if r := refusal(t, err); !strings.HasPrefix(r.Sentence, "not taken f.xml: ") {
			t.Error(r.Sentence)
		}
		must(t, whole.Close())
	}
	if f := h.files(t, "acme"); len(f) != 0 || len(h.sealedFiles(t)) != 0 {
		t.Errorf("%+v, %v", f, h.sealedFiles(t))
	}
	h.sound(t)
}

// TestACommitOutlivesItsConnection: once the CLOSE has come, it does not matter whether anybody waits for the answer; and the name that
// it comes with is the file's.
func TestACommitOutlivesItsConnection(t *testing.T) {
	h := newHouse(t)
	ctx, lost := context.WithCancel(t.Context())
	u, err := h.Receive(ctx, guest, "sftp", "f.xml.part")
	must(t, err)
	_, err = u.WriteAt(pain001(t, "outlives", 3), 0)
	must(t, err)
	lost()
	_, err = u.Commit(ctx, "f.xml")
	must(t, err)
	if f := h.files(t, "acme"); len(f) != 1 || f[0].Name != "f.xml" {
		t.Errorf("%+v", f)
	}
}

// TestOursAlone: nobody else on the machine can read, or list, anything in data_dir; a copy on its way neither.
func TestOursAlone(t *testing.T) {
	h := newTwoPersons(t)
	_, err := h.push(t, "acme", "f.xml", pain001(t, "ours", 600))
	must(t, err)
	u := h.receive(t, "acme", "g.xml")
	must(t, write(u, pain001(t, "alone", 600), 0))
	defer u.Discard("seen")
	seen := map[string]bool{}
	must(t, filepath.WalkDir(filepath.Join(h.dir, "data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %s", info.Mode(), path)
		}
		seen[filepath.Ext(path)] = true
		return err
	}))
	if !seen[".p7m"] || !seen[".tmp"] || !seen[".crt"] || !seen[".db"] {
		t.Errorf("there are only %v", seen)
	}
}

// TestACommitThatFails: where the transaction has failed for certain, nothing stays, and the sender is told so.
func TestACommitThatFails(t *testing.T) {
	h := newHouse(t)
	u := h.receive(t, "acme", "f.xml")
	must(t, write(u, pain001(t, "fails", 600), 0))
	other := u.record(u.id, formats.Facts{}) // there is a row of its id
	other.Verdict, other.SHA256 = indexer.Rejected, ""
	must(t, u.account.index.Commit(t.Context(), &indexer.Delivery{File: other}))
	_, err := u.Commit(t.Context(), "f.xml")
	if r := refusal(t, err); !strings.HasPrefix(r.Sentence, "not taken f.xml: ") || r.Verdict {
		t.Error(r.Sentence)
	}
	if list := h.sealedFiles(t); len(list) != 0 {
		t.Errorf("its copy stays: %v", list)
	}
	h.sound(t)
}

// TestRefusedOnce: of writes that wait together, all are told why the file is refused, and it is refused once.
func TestRefusedOnce(t *testing.T) {
	h := newHouse(t)
	content := pain001(t, "once", 1000)
	u := h.receive(t, "acme", "f.xml")
	at := int64(len(content) / 2)
	must(t, write(u, content[:at], 0))
	first, err := u.take([]byte("</nonsense>"), at)
	must(t, err)
	second, err := u.take([]byte("and more"), at+int64(len("</nonsense>")))
	if err == nil {
		<-second.due
	}
	<-first.due
	for range 2 {
		if r := refusal(t, u.checkPass()); r.Code != "malformed" {
			t.Errorf("%+v", r)
		}
	}
	if f := h.files(t, "acme"); len(f) != 1 || strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("%d rows, %s", len(f), h.log)
	}
}

// TestAFaultAfterTheTransaction: the file is taken, so its sealed copy stays, and nobody says that it was not.
func TestAFaultAfterTheTransaction(t *testing.T) {
	h := newHouse(t)
	u := h.receive(t, "acme", "f.xml")
	must(t, write(u, pain001(t, "after", 600), 0))
	clock := h.now
	h.now = func() time.Time {
		if len(h.files(t, "acme")) > 0 {
			panic("a clock that fails once the file is there")
		}
		return clock()
	}
	_, err := u.Commit(t.Context(), "f.xml")
	h.now = clock
	if r := refusal(t, err); !strings.HasPrefix(r.Sentence, "not sure of f.xml: ") || !strings.Contains(h.log.String(), "step=commit") {
		t.Error(r.Sentence, h.log)
	}
	h.reopen(t)
	if f := h.files(t, "acme"); len(f) != 1 || f[0].Verdict != indexer.Accepted || len(h.sealedFiles(t)) != 1 {
		t.Errorf("%+v", f)
	}
	h.sound(t)
}

// TestProbeThatDied: what a start left behind that died in its probe keeps no later one from starting.
func TestProbeThatDied(t *testing.T) {
	h := newHouse(t)
	must(t, h.Close())
	h.edit(t, "accounts:\n", "accounts:\n  - {id: fresh, after_indexing: delete}\n")
	account := filepath.Join(h.dir, "data/accounts/fresh")
	must(t, os.MkdirAll(filepath.Join(account, "sealed"), 0o700), os.MkdirAll(filepath.Join(account, "incoming"), 0o700))
	must(t, os.WriteFile(filepath.Join(account, "sealed", probeName), nil, 0o600),
		os.WriteFile(filepath.Join(account, "incoming", probeName+tmpSuffix), nil, 0o600),
		os.WriteFile(filepath.Join(account, "incoming", probeName+placedSuffix), nil, 0o600))
	h.open(t)
	h.sound(t)
}

// TestSweptWhenAddedAgain: what a crash left of an account goes when that is added again, though its ledger has got a row meanwhile.
func TestSweptWhenAddedAgain(t *testing.T) {
	h := newTwoPersons(t)
	turn := func(from, to string) {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
	}
	const gone, soft = "  - {id: gone, after_indexing: delete}\n", "  - {id: soft,"
	turn(gone, "")
	h.approve(t)
	h.reopen(t)
	must(t, os.WriteFile(filepath.Join(h.dir, "data/accounts/gone/incoming", probeName+tmpSuffix), nil, 0o600))
	turn(soft, gone+soft) // which the ledger has a row of
	h.approve(t)
	h.sound(t)
}

// TestRefusedFilesAreKnownByTheirHash: size and hash agree, for small files and for large ones refused in their middle.
func TestRefusedFilesAreKnownByTheirHash(t *testing.T) {
	h := newHouse(t)
	small := []byte("<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.03\"><CstmrCdtTrfInitn><GrpHdr></PmtInf>")
	large := pain001(t, "large", 1000)
	large = append(large[:len(large)/2:len(large)/2], "</nonsense>"...)
	for name, content := range map[string][]byte{"small.xml": small, "large.xml": large} {
		if _, err := h.push(t, "acme", name, content); err == nil {
			t.Fatalf("%s was taken", name)
		}
	}
	for _, f := range h.files(t, "acme") {
		content := map[string][]byte{"small.xml": small, "large.xml": large}[f.Name]
		if f.Size != int64(len(content)) || f.SHA256 != digest(content) {
			t.Errorf("%s: %d bytes, %s; want %d, %s", f.Name, f.Size, f.SHA256, len(content), digest(content))
		}
	}
}

// TestRefusedFileGoesOn: what was refused because more was announced goes on as if nobody had looked. LB records without
// line ends are cut inside the padding of one that could have been the last.
func TestRefusedFileGoesOn(t *testing.T) {
	section, err := os.ReadFile("../indexer/formats/testdata/lb-no-breaks.txt")
	must(t, err)
	content := bytes.Repeat(section, 2)
	const cut = 760
	h := newHouse(t)
	u := h.receive(t, "acme", "two.txt")
	u.Declare(int64(len(content)))
	must(t, write(u, content[:cut], 0))
	_, err = u.Commit(t.Context(), "two.txt")
	if !refusal(t, err).Resumable || !u.Whole() {
		t.Error(err)
	}
	u.Gap()
	must(t, write(u, content[cut:], cut))
	_, err = u.Commit(t.Context(), "two.txt")
	must(t, err)
	if f := h.files(t, "acme"); f[0].Payments != 8 {
		t.Errorf("%+v", f[0])
	}
}
