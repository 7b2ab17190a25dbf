package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"
)

// keys are a certificate with its key, and access keys, made for one test.
type keys struct {
	cert   *Certificate
	pem    []byte // the private key
	key    *PrivateKey
	access []*Certificate
	opens  []*AccessKey
}

func newKeys(t testing.TB, kind string, access ...string) *keys {
	t.Helper()
	certPEM, keyPEM, err := NewCertificate("Acme AB", kind, time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	k := &keys{pem: keyPEM}
	if k.cert, err = ParseCertificate(certPEM); err != nil {
		t.Fatal(err)
	}
	if k.key, err = ParsePrivateKey(keyPEM, nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range access {
		text, certPEM, err := NewAccessKey(name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ParseCertificate(certPEM)
		if err != nil {
			t.Fatal(err)
		}
		opens, err := ParseAccessKey(text)
		if err != nil {
			t.Fatal(err)
		}
		k.access, k.opens = append(k.access, cert), append(k.opens, opens)
	}
	return k
}

func newSeal(t testing.TB, k *keys) *Seal {
	t.Helper()
	s, err := NewSeal(k.cert, k.access)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t testing.TB, k *keys, plain []byte) ([]byte, Witness) {
	t.Helper()
	out, w, err := newSeal(t, k).SealBytes(plain)
	if err != nil {
		t.Fatal(err)
	}
	return out, w
}

// open opens with the keys' first access key, if there is one.
func (k *keys) open(file []byte) ([]byte, error) {
	var access *AccessKey
	if len(k.opens) > 0 {
		access = k.opens[0]
	}
	var out bytes.Buffer
	err := OpenSealed(&out, bytes.NewReader(file), int64(len(file)), k.key, access)
	return out.Bytes(), err
}

// pattern is n bytes that do not repeat soon.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}

func TestRoundTrip(t *testing.T) {
	for _, kind := range []string{"rsa-3072", "p-256", "p-384"} {
		for _, access := range [][]string{nil, {"one"}, {"one", "two"}} {
			k := newKeys(t, kind, access...)
			for _, n := range []int{0, 1, 15, 16, 17, 4096, smallData, smallData + 1, middleData + 1,
				pieceSize - 1, pieceSize, pieceSize + 1, 2*pieceSize + 5, 3*pieceSize + 31} {
				plain := pattern(n)
				file, w := sealed(t, k, plain)
				got, err := k.open(file)
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%s, %d access keys, %d bytes: opened %d bytes, %v", kind, len(access), n, len(got), err)
				}
				if err := VerifySealed(bytes.NewReader(file), w); err != nil {
					t.Fatalf("%s, %d access keys, %d bytes: verify: %v", kind, len(access), n, err)
				}
			}
		}
	}
}

// TestChunking writes the same file in pieces of many sizes; the sealed
// copies differ in their keys only, so their sizes are the same.
func TestChunking(t *testing.T) {
	k := newKeys(t, "p-256", "one")
	s := newSeal(t, k)
	plain := pattern(2*pieceSize + 12345)
	var size int
	for _, chunk := range []int{7, 1000, 4096, 64 << 10, pieceSize, pieceSize + 1, len(plain)} {
		var out bytes.Buffer
		x, err := s.New(&out)
		if err != nil {
			t.Fatal(err)
		}
		for p := plain; len(p) > 0; {
			n := min(chunk, len(p))
			if m, err := x.Write(p[:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			p = p[n:]
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := k.open(out.Bytes()); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("in pieces of %d: %v", chunk, err)
		}
		if size != 0 && out.Len() != size {
			t.Fatalf("in pieces of %d: %d bytes instead of %d", chunk, out.Len(), size)
		}
		size = out.Len()
		if err := VerifySealed(&out, x.Witness()); err != nil {
			t.Fatalf("in pieces of %d: %v", chunk, err)
		}
	}
}

func TestKeyErrors(t *testing.T) {
	k, other := newKeys(t, "p-256", "acme demo", "acme spare"), newKeys(t, "p-256", "someone else")
	rsa := newKeys(t, "rsa-3072")
	file, _ := sealed(t, k, []byte("salaries"))
	for _, c := range []struct {
		name   string
		key    *PrivateKey
		access *AccessKey
		want   error
		to     []string
	}{
		{"second access key", k.key, k.opens[1], nil, nil},
		{"no access key", k.key, nil, ErrNeedsAccessKey, []string{"acme demo", "acme spare"}},
		{"wrong access key", k.key, other.opens[0], ErrWrongAccessKey, []string{"acme demo", "acme spare"}},
		{"wrong key", other.key, k.opens[0], ErrWrongKey, []string{"Acme AB"}},
		{"wrong kind of key", rsa.key, k.opens[0], ErrWrongKey, []string{"Acme AB"}},
	} {
		var out bytes.Buffer
		err := OpenSealed(&out, bytes.NewReader(file), int64(len(file)), c.key, c.access)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want == nil {
			continue
		}
		if out.Len() > 0 {
			t.Errorf("%s: %d bytes written", c.name, out.Len())
		}
		var ke *KeyError
		if !errors.As(err, &ke) || len(ke.SealedTo) != len(c.to) {
			t.Errorf("%s: no recipients in %v", c.name, err)
			continue
		}
		for i, r := range ke.SealedTo {
			if r.Name != c.to[i] {
				t.Errorf("%s: sealed to %v", c.name, r)
			}
			if c.want != ErrWrongKey && r.String() != `"`+c.to[i]+`" (SHA256:`+k.opens[i].KeyID()[:8]+`…)` {
				t.Errorf("%s: %v is not access key %s", c.name, r, k.opens[i].KeyID())
			}
		}
	}
	to, err := Describe(bytes.NewReader(file))
	if err != nil || len(to) != 1 || !k.cert.Is(to[0]) || other.cert.Is(to[0]) || to[0].Kind != "EC" {
		t.Errorf("described as %v, %v", to, err)
	}
	if !k.key.Fits(k.cert) || k.key.Fits(other.cert) || k.opens[0].KeyID() != k.access[0].KeyID() {
		t.Error("keys and certificates do not find each other")
	}
}

// TestSealInSeal: a payment file that is itself a sealed file is content.
func TestSealInSeal(t *testing.T) {
	k := newKeys(t, "p-256")
	once, _ := sealed(t, k, []byte("salaries"))
	twice, _ := sealed(t, k, once)
	if got, err := k.open(twice); err != nil || !bytes.Equal(got, once) {
		t.Errorf("%v", err)
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestSealerEnds(t *testing.T) {
	s := newSeal(t, newKeys(t, "p-256"))
	disk := &failing{after: 1}
	x, err := s.New(disk)
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.Write(pattern(3 * pieceSize))
	disk.after = 100 // there is room again, and a piece is missing
	_, later := x.Write(pattern(3 * pieceSize))
	if !errors.Is(err, io.ErrShortWrite) || !errors.Is(later, io.ErrShortWrite) || !errors.Is(x.Close(), io.ErrShortWrite) {
		t.Errorf("a full disk: %v, then %v", err, later)
	}
	x.Discard()
	var out bytes.Buffer
	if x, err = s.New(&out); err != nil {
		t.Fatal(err)
	}
	first, once := x.Close(), out.Len()
	if err := errors.Join(first, x.Close()); err != nil || x.Witness() == (Witness{}) || out.Len() != once {
		t.Errorf("closed twice: %v, %d bytes, then %d", err, once, out.Len())
	}
	if _, err := x.Write([]byte("more")); err == nil {
		t.Error("written after Close")
	}
	if x, err = s.New(io.Discard); err != nil {
		t.Fatal(err)
	}
	x.Write([]byte("salaries"))
	x.Discard()
	if _, err := x.Write([]byte("more")); err == nil {
		t.Error("written after Discard")
	}
	if x.Close() == nil {
		t.Error("Close after Discard made a file")
	}
}

// TestRun seals from several goroutines while Run keeps the stock full: no
// two files share a key or a nonce, and Run ends with its context.
func TestRun(t *testing.T) {
	k := newKeys(t, "p-256", "one")
	s := newSeal(t, k)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	plain := []byte("salaries")
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				file, w, err := s.SealBytes(plain)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.open(file); err != nil || !bytes.Equal(got, plain) {
					t.Error(err)
				}
				mu.Lock()
				if seen[string(w[:16])] || seen[string(w[16:32])] {
					t.Error("two files share a key")
				}
				seen[string(w[:16])], seen[string(w[16:32])] = true, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestManyAccessKeys goes to the limit, and over it.
func TestManyAccessKeys(t *testing.T) {
	names := make([]string, maxRecipients+1)
	for i := range names {
		names[i] = fmt.Sprintf("access key %d", i)
	}
	k := newKeys(t, "rsa-3072", names...)
	if _, err := NewSeal(k.cert, k.access); err == nil {
		t.Error("too many access keys were taken")
	}
	s, err := NewSeal(k.cert, k.access[:maxRecipients])
	if err != nil {
		t.Fatal(err)
	}
	plain := pattern(pieceSize + 1)
	file, w, err := s.SealBytes(plain)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = OpenSealed(&out, bytes.NewReader(file), int64(len(file)), k.key, k.opens[maxRecipients-1])
	if err != nil || !bytes.Equal(out.Bytes(), plain) {
		t.Error(err)
	}
	if err := VerifySealed(bytes.NewReader(file), w); err != nil {
		t.Error(err)
	}
}
