package indexer

import (
	mrand "math/rand/v2"
	"testing"
)

// TestRenewNamesOfProtected: names of a protected account's file of more than one segment are made anew, and found.
func TestRenewNamesOfProtected(t *testing.T) {
	s := newSafe(t)
	x := s.protected(t)
	names := payees(3000)
	files := []kept{keep(t, x, mrand.New(mrand.NewPCG(51, 52)), epoch, 40_000, 1, names, Accepted)}
	s.unlock(t, x)
	if _, err := x.RenewNames(t.Context()); err != nil {
		t.Fatal(err)
	}
	askNames(t, x, "made anew", files, names)
	if n := count(t, x, `SELECT count(*) FROM segments`); n != 2 {
		t.Errorf("it has %d segments, want 2", n)
	}
	var pieces int
	if err := x.sealedLog.d.r.QueryRowContext(t.Context(), `SELECT count(*) FROM pieces`).Scan(&pieces); err != nil || pieces != 0 {
		t.Errorf("the log has %d pieces, %v", pieces, err)
	}
	sound(t, x)
}

// askNames asks for parts of names.
func askNames(t *testing.T, x *Index, when string, files []kept, names [][]byte) {
	t.Helper()
	for _, name := range []string{"svensson akeri", "SVENSSON", string(names[7]), string(names[len(names)-1]), "nobody of this name"} {
		if got, want := payments(t, x, PaymentFilter{Name: name}), scan(files, PaymentFilter{Name: name}); len(got) != len(want) {
			t.Errorf("%s: %q has %d payments, want %d", when, name, len(got), len(want))
		}
	}
}
