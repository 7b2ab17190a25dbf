package gateway

import (
	"slices"
	"testing"
)

// TestVerifyTells: how far it is comes between what is wrong, if it is asked for; whoever goes away meanwhile is not told any more.
func TestVerifyTells(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"a.xml", "b.xml"} {
		if _, err := h.push(t, "acme", name, pain001(t, name, 3)); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	for l, err := range h.verify(t.Context(), "acme", 1) {
		if err != nil || l.Account != "acme" || l.Problem != "" {
			t.Errorf("%+v, %v", l, err)
		}
		told = append(told, l.Progress)
	}
	if want := []string{"ledger and index", "sealed copies checked: 0", "sealed copies checked: 1", "names of users"}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	for range h.verify(t.Context(), "", 1) {
		break
	}
	h.sound(t)
}
