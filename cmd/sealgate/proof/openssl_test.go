package proof

import (
	"os"
	"path/filepath"
	"testing"
)

const plain = `  - id: plain
    name: Plain AB
    after_indexing: seal
    certificate: ./acme.crt
`

// TestOpenSSLOpens exports sealed copies, small (in the database) and large (a file), and opens them with stock
// OpenSSL; then with `sealgate open`, from the file alone and by id.
func TestOpenSSLOpens(t *testing.T) {
	need(t, "openssl")
	g := newGateway(t, options{accounts: acme + plain}, "acme kund", "plain kent")
	s := g.door().as("kent").sit(t)
	key := filepath.Join(g.dir, "keys", "acme.key")
	for name, content := range map[string][]byte{"small.xml": pain001(t, 3_000), "large.xml": pain001(t, 3<<20), "bg.txt": bgLB(t, 50)} {
		if err := s.push(name, content); err != nil {
			t.Fatal(err)
		}
		rows := with(g.files(), "accepted", name)
		if len(rows) != 1 || rows[0].Account != "plain" {
			t.Fatalf("%s: listed %+v", name, rows)
		}
		p7m, out := filepath.Join(t.TempDir(), "x.p7m"), filepath.Join(t.TempDir(), "x")
		g.must("export", rows[0].ID, "-o", p7m, "-c", g.config)
		output(t, "openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", p7m, "-inkey", key, "-out", out)
		same(t, out, content)
		for _, from := range []string{p7m, rows[0].ID} {
			os.Remove(out)
			g.must("open", from, "--key", key, "-o", out, "-c", g.config)
			same(t, out, content)
		}
	}
}

// TestAccessKeyIsNeeded: with an access key, the certificate's key alone opens nothing and writes nothing.
func TestAccessKeyIsNeeded(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	content := pain001(t, 200_000)
	if err := s.push("a.xml", content); err != nil {
		t.Fatal(err)
	}
	id := with(g.files(), "accepted")[0].ID
	out := filepath.Join(t.TempDir(), "out")
	if _, e, code := g.command("", "open", id, "--key", filepath.Join(g.dir, "keys", "acme.key"), "-o", out, "-c", g.config); code != 1 && code != 2 {
		t.Errorf("opened with the certificate's key alone: exit %d\n%s", code, e)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written without the access key")
	}
	if got := g.openSealed(t, id); string(got) != string(content) {
		t.Error("both keys open it to other bytes")
	}
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum(got) != sum(want) {
		t.Errorf("%s: %d other bytes, want %d", path, len(got), len(want))
	}
}
