package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestApprovalThatFails: an approval whose configuration cannot be run by has not happened, neither here nor in gateway.db; the first
// signature still counts, and the second comes again.
func TestApprovalThatFails(t *testing.T) {
	h := newTwoPersons(t)
	ca := ssh.MarshalAuthorizedKey(newSigner(t).PublicKey())
	h.write(t, "ca.pub", string(ca))
	h.edit(t, "{id: gone, after_indexing: delete}", "{id: gone, after_indexing: delete, user_ca: ./ca.pub}")
	h.edit(t, "{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,")
	must(t, h.Reload(t.Context()))
	h.approveBy(t, h.bo)
	c := h.wait(t, "account acme: after_indexing: ")

	must(t, os.Remove(filepath.Join(h.dir, "ca.pub")))
	if done, err := h.Approve(t.Context(), Approval{signed(t, h.anna, c.Text)}, "test"); err == nil {
		t.Fatalf("%+v, without a file that the configuration names", done)
	}
	h.write(t, "ca.pub", string(ca))
	stands := func(when string) {
		t.Helper()
		if now := h.wait(t, "account acme: after_indexing: "); now.Text != c.Text || len(now.SignedBy) != 1 || h.account("acme").AfterIndexing != "seal" {
			t.Errorf("%s: acme %s, signed by %q", when, h.account("acme").AfterIndexing, now.SignedBy)
		}
	}
	stands("before a restart")
	h.reopen(t)
	stands("after a restart")
	h.approveBy(t, h.anna)
	h.wait(t)
	if got := h.account("acme").AfterIndexing; got != "delete" {
		t.Errorf("two have signed, and acme: %s", got)
	}
}
