package vault

import (
	"errors"
	"strings"
	"testing"
)

// TestName: a login's name opens with the keys that a file takes and with no others, and no length tells which it is.
func TestName(t *testing.T) {
	k, other := newKeys(t, "p-256", "treasury"), newKeys(t, "p-256")
	seal, key, access := newSeal(t, k), k.key, k.opens[0]
	size := 0
	for _, login := range []string{"", "demo", "löner", strings.Repeat("x", nameSize)} {
		sealed, w, err := seal.SealName(login)
		if err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			size = len(sealed)
		}
		if len(sealed) != size {
			t.Errorf("%q: %d bytes, others have %d", login, len(sealed), size)
		}
		if err := VerifySealed(strings.NewReader(string(sealed)), w); err != nil {
			t.Error(err)
		}
		if got, err := OpenName(sealed, key, access); err != nil || got != login {
			t.Errorf("%q opens as %q, %v", login, got, err)
		}
		if _, err := OpenName(sealed, other.key, access); !errors.Is(err, ErrWrongKey) {
			t.Errorf("with another key: %v", err)
		}
		if _, err := OpenName(sealed, key, nil); !errors.Is(err, ErrNeedsAccessKey) {
			t.Errorf("without the access key: %v", err)
		}
	}
	if _, _, err := seal.SealName(strings.Repeat("x", nameSize+1)); err == nil {
		t.Error("a name too long was sealed")
	}
	file, _, err := seal.SealBytes([]byte("no name"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenName(file, key, access); err == nil {
		t.Errorf("a file opened as the name %q", got)
	}
}
