package vault

import (
	"errors"
	"testing"
)

func unlockKeyOf(t *testing.T, text []byte) *UnlockKey {
	t.Helper()
	k, err := ParseUnlockKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestUnlockKeyChange: a new key reveals the one before it, and takes over what must last; nobody else's does.
func TestUnlockKeyChange(t *testing.T) {
	before, after, other := unlockKeyOf(t, NewUnlockKey()), unlockKeyOf(t, NewUnlockKey()), unlockKeyOf(t, NewUnlockKey())
	if before.ID() == after.ID() || len(before.ID()) != 16 {
		t.Errorf("ids %s and %s", before.ID(), after.ID())
	}
	hidden, err := after.Hide(before)
	if err != nil {
		t.Fatal(err)
	}
	revealed, err := after.Reveal(hidden)
	if err != nil || revealed.Database("gateway") != before.Database("gateway") {
		t.Errorf("revealed another key: %v", err)
	}
	if _, err := other.Reveal(hidden); !errors.Is(err, ErrTampered) {
		t.Errorf("another key reveals it: %v", err)
	}
	hidden[len(hidden)-1] ^= 1
	if _, err := after.Reveal(hidden); !errors.Is(err, ErrTampered) {
		t.Errorf("a changed one is revealed: %v", err)
	}
	want := before.Blind("demo")
	if after.Blind("demo") == want {
		t.Error("two keys have the same hashes")
	}
	if err := after.UseLasting(before.Lasting()); err != nil || after.Blind("demo") != want {
		t.Errorf("the hashes did not last: %v", err)
	}
	if after.UseLasting(nil) == nil {
		t.Error("lasting keys of no length were taken")
	}
	after.Forget()
	if after.secret != [32]byte{} || after.pepper != [32]byte{} {
		t.Error("a forgotten key is not zeroed")
	}
}
