package gateway

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealgate/sealgate/indexer"
)

// TestBankgirotSeal pushes a file with Bankgirot's seal to accounts that know its key, know another one, know one but hold
// what does not fit it, and know none.
func TestBankgirotSeal(t *testing.T) {
	sealed, err := os.ReadFile("../indexer/formats/testdata/seal-lb.txt")
	must(t, err)
	bare := sealed[bytes.IndexByte(sealed, '\n')+1 : bytes.LastIndex(sealed, []byte("\n99"))+1] // as it was before it was sealed
	changed := bytes.Replace(sealed, []byte("FAKTURA 12"), []byte("FAKTURA 13"), 1)
	h := newHouse(t)
	const right, wrong = "1234567890ABCDEF1234567890ABCDEF\n", "00000000000000000000000000000000\n"
	yaml, err := os.ReadFile(filepath.Join(h.dir, "sealgate.yaml"))
	must(t, err, h.Close())
	yaml = append(yaml, `  - {id: right, after_indexing: delete, bgc_seal_key_file: ./right.sealkey}
  - {id: wrong, after_indexing: delete, bgc_seal_key_file: ./wrong.sealkey}
  - {id: lenient, after_indexing: seal, certificate: ./acme.crt, bgc_seal_key_file: ./wrong.sealkey, policy: {seal-mismatch: hold}}
`...)
	for name, text := range map[string]string{"right.sealkey": right, "wrong.sealkey": wrong, "sealgate.yaml": string(yaml)} {
		must(t, os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600))
	}
	h.open(t)
	for _, c := range []struct {
		account  string
		content  []byte
		verdict  indexer.Verdict
		sentence string // of a refusal
	}{
		{"right", sealed, indexer.Accepted, ""},
		{"right", changed, indexer.Rejected, "rejected lb.txt: its seal does not fit its content: it was changed after sealing. Nothing was taken; seal it anew and send it again. [seal-mismatch, "},
		{"right", bare, indexer.Rejected, "rejected lb.txt: it has no seal, and this sender's files have one. Nothing was taken; seal it anew and send it again. [seal-mismatch, "},
		{"wrong", sealed, indexer.Rejected, "rejected lb.txt: its seal was made with another key: the key's check value differs. Nothing was taken; seal it anew and send it again. [seal-mismatch, "},
		{"lenient", sealed, indexer.Held, ""},
		{"gone", changed, indexer.Accepted, ""},
	} {
		_, err := h.push(t, c.account, "lb.txt", c.content)
		if c.sentence == "" {
			must(t, err)
		} else if got := refusal(t, err).Sentence; !strings.HasPrefix(got, c.sentence) {
			t.Errorf("%s:\n got %s\nwant %s", c.account, got, c.sentence)
		}
		f := h.files(t, c.account)[0]
		if f.Verdict != c.verdict || f.Format != "bg-sealed" && !bytes.Equal(c.content, bare) {
			t.Errorf("%s: %s, %s, want %s", c.account, f.Verdict, f.Format, c.verdict)
		}
		if n := len(f.Reasons); c.verdict != indexer.Accepted && (n != 1 || f.Reasons[0].Code != "seal-mismatch") {
			t.Errorf("%s: %+v", c.account, f.Reasons)
		}
	}
	h.sound(t)
	if strings.Contains(h.log.String(), "1234567890") {
		t.Error("the key is in the log")
	}
	// A key that has become unreadable keeps the old configuration.
	must(t, os.WriteFile(filepath.Join(h.dir, "right.sealkey"), []byte("12"), 0o600))
	if err := h.Reload(t.Context()); err == nil || strings.Contains(h.log.String(), `"12"`) {
		t.Errorf("taken over: %v", err)
	}
	if _, err := h.push(t, "right", "again.txt", sealed); err == nil || !strings.Contains(refusal(t, err).Sentence, "[duplicate-content, ") {
		t.Error(err)
	}
}
