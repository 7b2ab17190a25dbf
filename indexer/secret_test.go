package indexer

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"
)

// TestWipe: what wipe overwrites is flat, in this Go, and all that there is: the ciphers are good for nothing afterwards.
func TestWipe(t *testing.T) {
	key := newKey(t)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := newGCM(&key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []any{block, gcm} {
		flat(t, reflect.TypeOf(c).Elem())
	}
	page := make([]byte, 64)
	want := make([]byte, 64)
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(want, page)
	wipe(block)
	got := make([]byte, 64)
	if cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(got, page); bytes.Equal(got, want) {
		t.Error("the block still has its key")
	}
	wipe(gcm)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the cipher still seals")
			}
		}()
		gcm.Seal(nil, make([]byte, 12), page, nil)
	}()
	half, err := privateHalf(&key)
	if err != nil {
		t.Fatal(err)
	}
	wipeHalf(half)
	if !bytes.Equal(half.Bytes(), make([]byte, 32)) {
		t.Error("the private half is still there")
	}
}

// flat fails if a type holds pointers.
func flat(t *testing.T, x reflect.Type) {
	t.Helper()
	switch x.Kind() {
	case reflect.Struct:
		for i := range x.NumField() {
			flat(t, x.Field(i).Type)
		}
	case reflect.Array:
		flat(t, x.Elem())
	case reflect.Int, reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Bool:
	default:
		t.Errorf("there is a %s in it", x)
	}
}

func TestDerive(t *testing.T) {
	key := newKey(t)
	block := append(append(append([]byte("label"), make([]byte, 23)...), 1, 2, 3, 4), key[:]...)
	var got Key
	if derive(&got, "label", 0x01020304, &key); got != sha256.Sum256(block) {
		t.Error("another one")
	}
	if n := testing.AllocsPerRun(100, func() { derive(&got, "label", 1, &got) }); n > 0 {
		t.Errorf("%v allocations, which nobody zeroes", n)
	}
}

func TestBox(t *testing.T) {
	private, other, secret := newKey(t), newKey(t), newKey(t)
	public, err := publicHalf(&private)
	if err != nil {
		t.Fatal(err)
	}
	if half, err := ecdh.X25519().NewPrivateKey(private[:]); err != nil || !bytes.Equal(half.PublicKey().Bytes(), public) {
		t.Errorf("the public half: %v", err)
	}
	box, err := sealBox(public, "label", &secret)
	if err != nil || len(box) != boxSize {
		t.Fatalf("%d bytes, %v", len(box), err)
	}
	var got Key
	if err := openBox(&private, "label", box, &got); err != nil || got != secret {
		t.Errorf("%v", err)
	}
	bad := map[string]error{
		"another key": openBox(&other, "label", box, &got), "another label": openBox(&private, "Label", box, &got),
		"cut": openBox(&private, "label", box[:boxSize-1], &got), "empty": openBox(&private, "label", nil, &got),
		"low order": openBox(&private, "label", make([]byte, boxSize), &got),
	}
	for i := range box {
		box[i] ^= 0x80
		bad["flipped"] = openBox(&private, "label", box, &got)
		if box[i] ^= 0x80; bad["flipped"] == nil {
			break
		}
	}
	for what, err := range bad {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := sealBox(make([]byte, 32), "label", &secret); err == nil {
		t.Error("sealed to a point of low order")
	}
}

// TestSecretsAreMade: whatever must be known to nobody is made anew each time. No other test would see it if it were always the same.
func TestSecretsAreMade(t *testing.T) {
	pages, err := newPageKey(new(newKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	reader, secret := newKey(t), newKey(t)
	public, err := publicHalf(&reader)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]func() []byte{
		"the ratchet's first state": func() []byte { return bytes.Clone(newRatchet().secret[:]) },
		"the nonce of a page": func() []byte {
			plain, sealed := make([]byte, pageSize), make([]byte, pageSize)
			if !pages.seal(mainFile, 1, plain, sealed) {
				t.Fatal("not sealed")
			}
			return sealed[:nonceSize]
		},
		"a handover's pair": func() []byte {
			h, err := NewHandover()
			if err != nil {
				t.Fatal(err)
			}
			return h.Public
		},
		"the pair of a box": func() []byte {
			box, err := sealBox(public, "label", &secret)
			if err != nil {
				t.Fatal(err)
			}
			return box[:32]
		},
	}
	var accounts []*Index
	var keys []Key
	for range 2 {
		s := newSafe(t)
		x := s.protected(t)
		accounts, keys = append(accounts, x), append(keys, s.own(t, x))
	}
	at := 0
	made["a protected account's own key"] = func() []byte { at++; return keys[at%2][:] }
	made["the key of its hashes"] = func() []byte { at++; return accounts[at%2].sealedLog.hashKey }
	for what, make := range made {
		if bytes.Equal(make(), make()) {
			t.Errorf("%s is always the same", what)
		}
	}
}
