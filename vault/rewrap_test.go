package vault

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// rewrapped makes a sealed file's outer envelope anew with the keys' private key, as the command and the gateway do it.
func rewrapped(t testing.TB, k *keys, file []byte, w Witness, to ...*Certificate) ([]byte, Witness) {
	t.Helper()
	header, _, err := Header(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	anew, err := k.key.Rewrap(header, to...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	made, err := Splice(&out, bytes.NewReader(file), int64(len(file)), w, anew, to...)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(out.Bytes(), file[len(header):]) || out.Len() != len(anew.Header)+len(file)-len(header) {
		t.Error("the content was touched")
	}
	return out.Bytes(), made
}

// TestRewrap: after each of several rotations the new key opens, the old one does not, the witness fits, and stock
// OpenSSL opens the copy, nested ones with two commands.
func TestRewrap(t *testing.T) {
	kinds := []string{"rsa-3072", "p-256", "p-384"}
	all := map[string]*keys{}
	for _, kind := range kinds {
		all[kind] = newKeys(t, kind)
	}
	recovery := newKeys(t, "p-256")
	for _, access := range [][]string{nil, {"one", "two"}} {
		for _, n := range []int{0, 1, 4096, 2*pieceSize + 7} {
			k := newKeys(t, "rsa-3072", access...)
			plain := pattern(n)
			file, w := sealed(t, k, plain)
			for _, kind := range kinds {
				next := *all[kind]
				next.access, next.opens = k.access, k.opens
				file, w = rewrapped(t, k, file, w, next.cert, recovery.cert)
				if got, err := next.open(file); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%s, %d bytes: opened %d, %v", kind, n, len(got), err)
				}
				rescued := *recovery
				rescued.opens = k.opens
				if got, err := rescued.open(file); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%s, %d bytes: the recovery key opened %d, %v", kind, n, len(got), err)
				}
				if got, err := k.open(file); !errors.Is(err, ErrWrongKey) || len(got) > 0 {
					t.Errorf("%s, %d bytes: the old key still opens: %v", kind, n, err)
				}
				if err := VerifySealed(bytes.NewReader(file), w); err != nil {
					t.Errorf("%s, %d bytes: verify: %v", kind, n, err)
				}
				for _, pem := range [][]byte{next.pem, recovery.pem} {
					opensSSL(t, file, pem, k.opens, plain)
				}
				k = &next
			}
		}
	}
}

// opensSSL opens a sealed file with the stock tool.
func opensSSL(t *testing.T, file, pem []byte, opens []*AccessKey, plain []byte) {
	t.Helper()
	got, err := openssl(t, file, "cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", write(t, "key.pem", pem))
	if err != nil {
		t.Fatal(err)
	}
	if len(opens) > 0 {
		inner, err := opens[len(opens)-1].PEM()
		if err != nil {
			t.Fatal(err)
		}
		if got, err = openssl(t, got, "cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", write(t, "access.pem", inner)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, plain) {
		t.Errorf("openssl opened %d bytes, %d others were sealed", len(got), len(plain))
	}
}

// TestRewrapEveryBit: a rewrapped file is as closed to change as any other.
func TestRewrapEveryBit(t *testing.T) {
	k, next, recovery := newKeys(t, "p-256", "one"), newKeys(t, "p-256"), newKeys(t, "p-384")
	file, w := sealed(t, k, pattern(100))
	file, w = rewrapped(t, k, file, w, next.cert, recovery.cert)
	next.opens = k.opens
	for i := range file {
		for bit := range 8 {
			bad := bytes.Clone(file)
			bad[i] ^= 1 << bit
			if got, err := next.open(bad); err == nil || len(got) > 0 {
				t.Errorf("bit %d at %d: opened, %d bytes, %v", bit, i, len(got), err)
			}
			if err := VerifySealed(bytes.NewReader(bad), w); err == nil {
				t.Errorf("bit %d at %d: verified", bit, i)
			}
		}
		if got, err := next.open(file[:i]); err == nil || len(got) > 0 {
			t.Errorf("cut at %d: opened", i)
		}
	}
}

// TestSpliceRefuses: without the old key, for others than it should be, of another file, or of a damaged one, no
// envelope takes the place of an old one.
func TestSpliceRefuses(t *testing.T) {
	k, next, other := newKeys(t, "p-256", "one"), newKeys(t, "p-256"), newKeys(t, "p-256")
	file, w := sealed(t, k, pattern(1000))
	second, _ := sealed(t, k, pattern(1000))
	header, _, err := Header(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	good, err := k.key.Rewrap(header, next.cert)
	if err != nil {
		t.Fatal(err)
	}
	secondHeader, _, err := Header(bytes.NewReader(second))
	if err != nil {
		t.Fatal(err)
	}
	of2, err := k.key.Rewrap(secondHeader, next.cert)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		anew Rewrapped
		to   *Certificate
		want error
	}{
		"no proof":                {Rewrapped{Header: good.Header}, next.cert, ErrNotProven},
		"for another":             {good, other.cert, ErrNotProven},
		"of another file":         {Rewrapped{Header: of2.Header, Proof: good.Proof}, next.cert, ErrNotProven},
		"the old header":          {Rewrapped{Header: header, Proof: good.Proof}, k.cert, ErrNotProven},
		"more behind it":          {Rewrapped{Header: append(bytes.Clone(good.Header), 4, 1, 0), Proof: good.Proof}, next.cert, ErrNotProven},
		"cut":                     {Rewrapped{Header: good.Header[:len(good.Header)-1], Proof: good.Proof}, next.cert, ErrNotProven},
		"none":                    {Rewrapped{Proof: good.Proof}, next.cert, ErrNotProven},
		"as it should be":         {good, next.cert, nil},
		"as it should be, ending": {Rewrapped{Header: bytes.Clone(good.Header), Proof: good.Proof}, next.cert, nil},
	} {
		var out bytes.Buffer
		if _, err := Splice(&out, bytes.NewReader(file), int64(len(file)), w, c.anew, c.to); !errors.Is(err, c.want) || err == nil != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 4
		if _, err := Splice(new(bytes.Buffer), bytes.NewReader(bad), int64(len(bad)), w, good, next.cert); err == nil {
			t.Errorf("byte %d was changed, and it was rewrapped all the same", i)
		}
	}
	if _, err := other.key.Rewrap(header, next.cert); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	if err := k.key.Opens(header); err != nil {
		t.Error(err)
	}
	if err := other.key.Opens(header); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key opens: %v", err)
	}
}

// TestAccessOf: which access keys open a copy is known with the certificate's key only.
func TestAccessOf(t *testing.T) {
	k, bare := newKeys(t, "p-256", "one", "two"), newKeys(t, "p-256")
	file, _ := sealed(t, k, pattern(5000))
	got, err := k.key.AccessOf(bytes.NewReader(file))
	if err != nil || !SealedTo(got, k.access...) {
		t.Errorf("sealed to %v, %v", got, err)
	}
	if _, err := bare.key.AccessOf(bytes.NewReader(file)); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another key: %v", err)
	}
	file, _ = sealed(t, bare, pattern(5000))
	if got, err := bare.key.AccessOf(bytes.NewReader(file)); err != nil || len(got) != 0 {
		t.Errorf("without access keys: %v, %v", got, err)
	}
}

// TestRequest: stock OpenSSL verifies a request, and its key fits the certificate that a CA makes of it.
func TestRequest(t *testing.T) {
	ca, caKey, err := NewCertificate("Test CA", "p-256", time.Now().Add(-time.Hour), 1000*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"rsa-3072", "p-256", "p-384"} {
		request, keyPEM, err := NewRequest("acme", kind)
		if err != nil {
			t.Fatal(err)
		}
		csr := write(t, "acme.csr", request)
		if _, err := openssl(t, nil, "req", "-in", csr, "-verify", "-noout"); err != nil {
			t.Error(err)
		}
		made, err := openssl(t, nil, "x509", "-req", "-in", csr, "-CA", write(t, "ca.crt", ca), "-CAkey", write(t, "ca.key", caKey),
			"-CAcreateserial", "-copy_extensions", "copy", "-days", "30")
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ParseCertificate(made)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ParsePrivateKey(keyPEM, nil)
		if err != nil || !key.Fits(cert) || cert.Subject() != "acme" {
			t.Errorf("%s: %v of %q", kind, err, cert.Subject())
		}
		k := &keys{cert: cert, key: key, pem: keyPEM}
		file, _ := sealed(t, k, pattern(10))
		if got, err := k.open(file); err != nil || len(got) != 10 {
			t.Error(err)
		}
	}
	if _, _, err := NewRequest("", "p-256"); err == nil {
		t.Error("a request without a name")
	}
	if _, _, err := NewRequest("acme", "rsa-1024"); err == nil {
		t.Error("a request of a kind that we do not make")
	}
}

// TestSerialZero: a certificate may have any serial number, that of zero too, and files are rewrapped for it as for others.
func TestSerialZero(t *testing.T) {
	k, next := newKeys(t, "p-256"), newKeys(t, "p-256")
	key := write(t, "zero.key", next.pem)
	made, err := openssl(t, nil, "req", "-x509", "-new", "-key", key, "-subj", "/CN=zero", "-set_serial", "0", "-addext", "keyUsage=keyAgreement")
	if err != nil {
		t.Fatal(err)
	}
	if next.cert, err = ParseCertificate(made); err != nil {
		t.Fatal(err)
	}
	file, w := sealed(t, k, pattern(10))
	file, _ = rewrapped(t, k, file, w, next.cert)
	if got, err := next.open(file); err != nil || len(got) != 10 {
		t.Error(err)
	}
	if to, err := Describe(bytes.NewReader(file)); err != nil || !SealedTo(to, next.cert) || SealedTo(to, k.cert) {
		t.Errorf("sealed to %v, %v", to, err)
	}
}

// FuzzSplice: whatever is brought as a new envelope, the file stays the old one or becomes one that its witness fits.
func FuzzSplice(f *testing.F) {
	k, next := newKeys(f, "p-256"), newKeys(f, "p-256")
	file, w := sealed(f, k, pattern(100))
	header, _, err := Header(bytes.NewReader(file))
	if err != nil {
		f.Fatal(err)
	}
	good, err := k.key.Rewrap(header, next.cert)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Header)
	f.Add(header)
	f.Fuzz(func(t *testing.T, made []byte) {
		var out bytes.Buffer
		w, err := Splice(&out, bytes.NewReader(file), int64(len(file)), w, Rewrapped{Header: made, Proof: good.Proof}, next.cert)
		if err == nil && VerifySealed(bytes.NewReader(out.Bytes()), w) != nil {
			t.Error("spliced, and not verified")
		}
		if _, err := k.key.Rewrap(made, next.cert); err == nil && !bytes.Equal(made, header) {
			t.Error("another header was opened")
		}
	})
}

func BenchmarkRewrap(b *testing.B) {
	for _, kind := range []string{"rsa-3072", "p-256"} {
		b.Run(kind, func(b *testing.B) {
			k, next := newKeys(b, kind, "one"), newKeys(b, kind)
			file, w := sealed(b, k, pattern(4096))
			for b.Loop() {
				rewrapped(b, k, file, w, next.cert)
			}
		})
	}
}

// BenchmarkSplice is the gateway's part of a large copy: proven by its witness and carried over, all in memory.
func BenchmarkSplice(b *testing.B) {
	k, next := newKeys(b, "p-256", "one"), newKeys(b, "p-256")
	file, w := sealed(b, k, pattern(64<<20))
	header, _, err := Header(bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	anew, err := k.key.Rewrap(header, next.cert)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := Splice(io.Discard, bytes.NewReader(file), int64(len(file)), w, anew, next.cert); err != nil {
			b.Fatal(err)
		}
	}
}
