package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sealgate/sealgate/testdata/gen/payfile"
)

// marker stands in every payment of this test; it must be found nowhere afterwards.
const marker = "XKZMARKERQWV7"

// forms is a text in every form that plaintext could hide in: as it is, UTF-16, base64 at each of the three
// alignments, hex.
func forms(text string) map[string][]byte {
	f := map[string][]byte{"plain": []byte(text)}
	var le, be []byte
	for _, u := range utf16.Encode([]rune(text)) {
		le, be = append(le, byte(u), byte(u>>8)), append(be, byte(u>>8), byte(u))
	}
	f["UTF-16LE"], f["UTF-16BE"] = le, be
	for shift := range 3 {
		// Only the groups of four that hold nothing but the text itself.
		padded := append(make([]byte, shift), text...)
		from := (shift + 2) / 3
		whole := base64.StdEncoding.EncodeToString(padded[:len(padded)/3*3])
		f["base64 at "+string(rune('0'+shift))] = []byte(whole[from*4:])
	}
	f["hex"] = []byte(hex.EncodeToString([]byte(text)))
	f["HEX"] = []byte(strings.ToUpper(hex.EncodeToString([]byte(text))))
	return f
}

// TestFormsAreFound makes sure that the search below would find what it looks for.
func TestFormsAreFound(t *testing.T) {
	for before := range 3 {
		around := strings.Repeat("ab", 10)[:before] + marker + "more of the payment"
		encoded := base64.StdEncoding.EncodeToString([]byte(around))
		hits := 0
		for name, f := range forms(marker) {
			if strings.HasPrefix(name, "base64") && strings.Contains(encoded, string(f)) {
				hits++
			}
		}
		if hits == 0 {
			t.Errorf("%d bytes before it: the marker's base64 is not found in %s", before, encoded)
		}
	}
}

// nowhere searches every file under the folders for every form of every secret.
func nowhere(t *testing.T, when string, secrets []string, dirs ...string) {
	t.Helper()
	searched, sought := 0, seek(secrets...)
	for _, dir := range dirs {
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			b, err := os.ReadFile(p)
			if err != nil {
				return nil // swept while we looked
			}
			searched++
			for what, n := range sought.in(append(b, p...)) {
				t.Errorf("%s: %s is in %s, %d times", when, what, p, n)
			}
			return nil
		})
	}
	if searched == 0 {
		t.Errorf("%s: nothing was searched in %v", when, dirs)
	}
}

const drop = `  - id: drop
    name: Drop AB
    after_indexing: delete
`

// TestNoPlaintext pushes the marker through every path that a payment can take and searches the data directory, the
// temporary folders and the logs after each.
func TestNoPlaintext(t *testing.T) {
	tmp := t.TempDir()
	holding := strings.Replace(acme, "policy: {duplicate-content: reject, duplicate-business-key: reject}", "policy: {}", 1)
	g := newGateway(t, options{accounts: holding + drop, env: []string{"TMPDIR=" + tmp}}, "acme kund", "drop drop-login-17")
	secrets := []string{marker, "drop-login-17", g.pass}
	// People type passwords where the login's name is asked for.
	if _, err := g.door().as(marker).open(); err == nil {
		t.Error("an unknown login was let in")
	}
	clientName := "kund-" + marker + ".xml"
	look := func(when string) {
		t.Helper()
		log := save(t, t.TempDir(), "log", []byte(g.log.String()))
		nowhere(t, when, secrets, g.data, tmp, filepath.Dir(log))
	}
	file := func(size int) []byte { return pain001With(t, size, payfile.Options{Marker: marker}) }
	s := g.door().sit(t)
	send := func(what string, content []byte, want string) {
		t.Helper()
		before := len(with(g.files(), want))
		s.push(clientName, content)
		if got := with(g.files(), want); len(got) != before+1 {
			t.Errorf("%s: %d files are %s, want %d", what, len(got), want, before+1)
		}
		look(what)
	}
	small, large := file(2_000), file(2<<20)
	send("small accepted", small, "accepted")
	send("large accepted", large, "accepted")
	send("LB accepted", bgLBWith(t, 20, payfile.Options{Marker: marker}), "accepted")
	send("held small duplicate", small, "held")
	send("held large duplicate", large, "held")
	send("held unrecognised", []byte(strings.Repeat("what is this "+marker+"\n", 20_000)), "held")
	bad := file(500_000)
	at := controlSum.FindSubmatchIndex(bad)
	bad[at[3]-1] = '0' + (bad[at[3]-1]-'0'+1)%10
	send("rejected for its totals", bad, "rejected")
	send("rejected as incomplete", file(500_000)[:300_000], "rejected")
	send("rejected as malformed", bytes.Replace(file(500_000), []byte("</CdtTrfTxInf>"), []byte("</CdtTrf "+marker+">"), 1), "rejected")

	aborted := newCutter(t, g.door(), 800_000)
	if err := aborted.sit(t).push("parked-"+clientName, file(2<<20)); err == nil {
		t.Error("the cut upload was acknowledged")
	}
	g.parked(t, "parked-"+clientName)
	look("parked")

	half, err := s.Create("/inbox/half-" + clientName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write(file(3 << 20)[:1<<20]); err != nil {
		t.Fatal(err)
	}
	look("under way")
	g.kill()
	look("crashed")
	g.start()
	look("restarted")
	for _, r := range g.files() {
		g.must("show", r.ID, "-c", g.config)
	}
	look("looked at")
	g.stop()
	look("stopped")
}

// TestDeleteTouchesNoDisk: with after_indexing: delete there is no sealed copy, and nothing under incoming/ at any
// moment of the upload.
func TestDeleteTouchesNoDisk(t *testing.T) {
	g := newGateway(t, options{accounts: drop}, "drop kund")
	s := g.door().sit(t)
	content := pain001With(t, 4<<20, payfile.Options{Marker: marker})
	f, err := s.Create("/inbox/d.xml")
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(content); off += 256 << 10 {
		if _, err := f.Write(content[off:min(off+256<<10, len(content))]); err != nil {
			t.Fatal(err)
		}
		for _, p := range g.tree() {
			if strings.Contains(p, "incoming/") || strings.Contains(p, "sealed/") {
				t.Fatalf("at byte %d there is %s", off, p)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	rows := with(g.files(), "accepted", "d.xml")
	if len(rows) != 1 || rows[0].SHA256 != sum(content) || rows[0].Fate != "deleted" {
		t.Errorf("listed: %+v", rows)
	}
	for _, p := range g.tree() {
		if strings.HasSuffix(p, ".p7m") {
			t.Errorf("a sealed copy: %s", p)
		}
	}
	g.stop()
	nowhere(t, "after delete", []string{marker}, g.data)
}
