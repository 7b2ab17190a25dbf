package transport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

var signingTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// newPublic makes an ed25519 pair; line is its public half as authorized_keys has it.
func newPublic(t testing.TB) (signer ssh.Signer, line string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// TestOperatorsRefused: what the file may not say, and what is said of it.
func TestOperatorsRefused(t *testing.T) {
	_, anna := newPublic(t)
	_, bo := newPublic(t)
	for _, c := range []struct{ name, text, want string }{
		{"nobody", "# none\n\n", "names 0, and at least 2"},
		{"one person, two keys", "anna " + anna + "\nanna " + bo, "names 1, and at least 2"},
		{"one key, two persons", "anna " + anna + "\nbo " + anna, "line 2: the key is there twice"},
		{"a pattern", "anna " + anna + "\n*@acme.example " + bo, "line 2: *@acme.example is a list or a pattern"},
		{"a list", "anna,carl " + anna + "\nbo " + bo, "line 1: anna,carl is a list or a pattern"},
		{"no name", anna + "\nbo " + bo, "line 1: not a line like"},
		{"a strange name", "\x1b[2J " + anna + "\nbo " + bo, "line 1: \\x1b[2J is not a name"},
		{"an authority", "anna cert-authority " + anna + "\nbo " + bo, "line 1: cert-authority: certificates are not taken here"},
		{"an unknown option", "anna touch=\"no\" " + anna + "\nbo " + bo, "line 1: option touch is not known"},
		{"no pattern with !", "anna namespaces=\"!sealgate\" " + anna + "\nbo " + bo, "line 1: namespaces takes names"},
		{"an option twice", "anna valid-after=\"20260101\",valid-after=\"20270101\" " + anna + "\nbo " + bo, "line 1: valid-after is there twice"},
		{"no time", "anna valid-before=\"tomorrow\" " + anna + "\nbo " + bo, "line 1: tomorrow is not a time"},
		{"a month too many", "anna valid-before=\"20261301\" " + anna + "\nbo " + bo, "line 1: 20261301 is not a time"},
		{"a DSA key", "anna ssh-dss AAAAB3NzaC1kc3MAAACBAA==\nbo " + bo, "line 1: not a line like"},
	} {
		if o, err := ParseOperators([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.name, o, err, c.want)
		}
	}
}

// TestOperatorsVerify: whose signature counts, and why another does not.
func TestOperatorsVerify(t *testing.T) {
	anna, annaLine := newPublic(t)
	bo, boLine := newPublic(t)
	carl, _ := newPublic(t)
	const text = "what is signed\n"
	sign := func(by ssh.Signer, text, namespace string) []byte {
		s, err := sshsig.Sign(strings.NewReader(text), by, sshsig.HashSHA512, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return sshsig.Armor(s)
	}
	tampered := sign(anna, text, "sealgate")
	tampered[len(tampered)-60] ^= 1
	for _, c := range []struct{ name, options, signature, want string }{
		{"good", "", string(sign(anna, text, "sealgate")), ""},
		{"by bo", "", string(sign(bo, text, "sealgate")), ""},
		{"namespaces", `namespaces="git,seal*" `, string(sign(anna, text, "sealgate")), ""},
		{"in time", `valid-after="20260101Z",valid-before="202612312359Z" `, string(sign(anna, text, "sealgate")), ""},
		{"other namespaces", `namespaces="git,Sealgate" `, string(sign(anna, text, "sealgate")), `have no "sealgate"`},
		{"too early", `valid-after="20270101Z" `, string(sign(anna, text, "sealgate")), "anna's key is valid from 2027-01-01"},
		{"too late", `valid-before="20260101120000Z" `, string(sign(anna, text, "sealgate")), "anna's key was valid until 2026-01-01"},
		{"a stranger", "", string(sign(carl, text, "sealgate")), "not in operators: ssh-ed25519 SHA256:"},
		{"another text", "", string(sign(anna, text+"\n", "sealgate")), "does not fit what waits now"},
		{"another namespace", "", string(sign(anna, text, "git")), "signed for namespace git"},
		{"tampered", "", string(tampered), ""}, // see below
		{"nothing", "", "", "not an SSH signature"},
		{"another block", "", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "not an SSH signature"},
		{"endless", "", strings.Repeat("x", longestSignature+1), "too long"},
	} {
		o, err := ParseOperators([]byte("anna " + c.options + annaLine + "\r\n\n\tbo\t" + boLine + " a comment\n"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := o.Verify([]byte(text), []byte(c.signature), signingTime)
		switch {
		case c.name == "tampered" && err == nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, %v; want %q", c.name, s, err, c.want)
		case c.name != "tampered" && c.want == "" && (err != nil || s.Name != map[bool]string{true: "bo", false: "anna"}[c.name == "by bo"]):
			t.Errorf("%s: %v, %v", c.name, s, err)
		}
		if able := c.options == "" || c.want == ""; (o.Doubt(signingTime) == "") != able {
			t.Errorf("%s: doubt %q", c.name, o.Doubt(signingTime))
		}
	}
}

// TestOperatorsSecurityKey signs as a FIDO key does (PROTOCOL.u2f of OpenSSH): one that was touched counts.
func TestOperatorsSecurityKey(t *testing.T) {
	const application, text = "ssh:", "what is signed\n"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Kind        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, application}))
	if err != nil {
		t.Fatal(err)
	}
	_, bo := newPublic(t)
	o, err := ParseOperators([]byte("anna " + string(ssh.MarshalAuthorizedKey(key)) + "bo " + bo))
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range []byte{0, 1, 4, 5} {
		signer := securityKey{key, func(data []byte) *ssh.Signature {
			app, sum := sha256.Sum256([]byte(application)), sha256.Sum256(data)
			rest := []byte{flags, 0, 0, 0, 7}
			blob := ed25519.Sign(private, slices.Concat(app[:], rest, sum[:]))
			return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: blob, Rest: rest}
		}}
		sig, err := sshsig.Sign(strings.NewReader(text), signer, sshsig.HashSHA512, SignatureNamespace)
		if err != nil {
			t.Fatal(err)
		}
		s, err := o.Verify([]byte(text), sshsig.Armor(sig), signingTime)
		if touched := flags&1 == 1; (err == nil && s.Name == "anna") != touched {
			t.Errorf("flags %d: %v, %v", flags, s, err)
		}
	}
}

type securityKey struct {
	key  ssh.PublicKey
	sign func(data []byte) *ssh.Signature
}

func (k securityKey) PublicKey() ssh.PublicKey { return k.key }
func (k securityKey) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	return k.sign(data), nil
}

// TestOperatorsAsSSHKeygen: what ssh-keygen -Y verify says of a signature, we say too, for each kind of key that it makes.
func TestOperatorsAsSSHKeygen(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("MISSING: ssh-keygen (.ci/peers installs it)")
		}
		t.Skip("NOT RUN, MISSING: ssh-keygen (.ci/peers installs it)")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	run := func(in string, args ...string) error {
		c := exec.Command(keygen, args...)
		c.Stdin = strings.NewReader(in)
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %s", err, out)
		}
		return nil
	}
	_, bo := newPublic(t)
	const text = "what is signed\n"
	if err := os.WriteFile(at("text"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa", "-b", "256"}, {"ecdsa", "-b", "384"}, {"ecdsa", "-b", "521"}, {"rsa", "-b", "3072"}} {
		name := at(strings.Join(kind, ""))
		if err := run("", append([]string{"-q", "-N", "", "-C", "", "-f", name, "-t"}, kind...)...); err != nil {
			t.Fatal(err)
		}
		public, err := os.ReadFile(name + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		if err := run("", "-q", "-Y", "sign", "-f", name, "-n", "sealgate", at("text")); err != nil {
			t.Fatal(err)
		}
		signature, err := os.ReadFile(at("text.sig"))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(at("text.sig"))
		if err := os.WriteFile(at("sig"), signature, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, options := range []string{"", `namespaces="sealgate" `, `namespaces="git,s?algate" `, `namespaces="git" `, `valid-before="20200101Z" `,
			`valid-after="20200101Z" `, `valid-after="209901010000" `} {
			file := "anna " + options + string(public) + "bo " + bo + "\n"
			if err := os.WriteFile(at("operators"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			o, _, err := ReadOperators(at("operators"))
			if err != nil {
				t.Fatal(err)
			}
			for _, said := range []string{text, text + "more\n"} {
				theirs := run(said, "-Y", "verify", "-f", at("operators"), "-I", "anna", "-n", "sealgate", "-s", at("sig"))
				s, ours := o.Verify([]byte(said), signature, time.Now())
				if (theirs == nil) != (ours == nil && s.Name == "anna") {
					t.Errorf("%v %s: ssh-keygen: %v; we: %v, %v", kind, options, theirs, s, ours)
				}
			}
		}
	}
}

// FuzzOperators: a file of allowed signers never panics; what is taken names persons and keys apart.
func FuzzOperators(f *testing.F) {
	_, anna := newPublic(f)
	_, bo := newPublic(f)
	for _, seed := range []string{"anna " + anna + "\nbo " + bo, `anna namespaces="git,*",valid-after="20260101Z" ` + anna + "\n# x\nbo " + bo,
		"\"anna\"\t" + anna, "anna cert-authority " + anna, "a,b *", "anna =\"\\\" " + anna} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := ParseOperators(text)
		if err != nil {
			return
		}
		o.Doubt(signingTime)
		if len(o.Names()) < 2 {
			t.Fatalf("%d names", len(o.Names()))
		}
		for i := range o {
			if !operatorName.MatchString(o[i].name) || strong(o[i].key) != nil {
				t.Fatalf("%q", o[i].name)
			}
			for _, other := range o[i+1:] {
				if bytes.Equal(other.key.Marshal(), o[i].key.Marshal()) {
					t.Fatal("a key is there twice")
				}
			}
		}
	})
}

// FuzzOperatorsSignature: what is no signature by one of them never counts, and never panics.
func FuzzOperatorsSignature(f *testing.F) {
	anna, line := newPublic(f)
	_, bo := newPublic(f)
	o, err := ParseOperators([]byte("anna " + line + "\nbo " + bo))
	if err != nil {
		f.Fatal(err)
	}
	good, err := sshsig.Sign(strings.NewReader("another text"), anna, sshsig.HashSHA256, SignatureNamespace)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sshsig.Armor(good))
	f.Fuzz(func(t *testing.T, armoured []byte) {
		if s, err := o.Verify([]byte("a text that nobody has signed"), armoured, signingTime); err == nil {
			t.Fatalf("counts as %s's", s.Name)
		}
	})
}
