package gateway

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/vault"
)

// sealsTo are the names of the certificates and access keys by which an account's files open, as they are in force, each with the file it is told to be in.
func (h *house) sealsTo(t testing.TB, account string) (list []string) {
	t.Helper()
	all, err := h.InForce(t.Context())
	must(t, err)
	at := slices.IndexFunc(all, func(f InForce) bool { return f.Account == account })
	if at < 0 {
		return nil
	}
	for _, c := range append([]InForceCertificate{all[at].Certificate, all[at].Recovery}, all[at].AccessKeys...) {
		if c.PEM == "" {
			list = append(list, "none")
			continue
		}
		parsed, err := vault.ParseCertificate([]byte(c.PEM))
		must(t, err)
		if there, err := vault.ReadCertificate(c.File); err != nil || there.Fingerprint() != parsed.Fingerprint() {
			t.Errorf("%s is not in %s: %v", parsed.Subject(), c.File, err)
		}
		path, err := filepath.Rel(h.dir, c.File)
		must(t, err)
		if dir := filepath.Join("data", approvedDir); strings.HasPrefix(path, dir) {
			path = dir
		}
		list = append(list, parsed.Subject()+" in "+path)
	}
	return list
}

// TestInForce: by which certificates files open is told as it is in force, whatever the configuration says meanwhile, over a restart too.
func TestInForce(t *testing.T) {
	h := newTwoPersons(t)
	old, next := "certificate: ./acme.crt, access_keys", "certificate: ./next.crt, recovery_certificate: ./rescue.crt, access_keys"
	h.newPair(t, "next")
	h.newPair(t, "rescue")
	tells := func(account string, want ...string) {
		t.Helper()
		for range 2 {
			if got := h.sealsTo(t, account); !slices.Equal(got, want) {
				t.Errorf("%s opens by %q, want %q", account, got, want)
			}
			h.reopen(t)
			must(t, h.begin(t.Context()))
		}
	}
	turn := func(from, to string) {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
	}
	const access = "acme in acme.access.crt"
	tells("acme", "acme in acme.crt", "none", access)
	tells("gone", "none", "none")
	turn(old, next)
	tells("acme", "acme in data/approved", "none", access)
	h.approve(t)
	tells("acme", "next in next.crt", "rescue in rescue.crt", access)
	turn(next, old)
	tells("acme", "next in data/approved", "rescue in data/approved", access)
	turn(old, next)

	// The same name, another content; and an account that the configuration does not name.
	was, err := os.ReadFile(filepath.Join(h.dir, "rescue.crt"))
	must(t, err)
	h.newPair(t, "other")
	now, err := os.ReadFile(filepath.Join(h.dir, "other.crt"))
	must(t, err)
	h.write(t, "rescue.crt", string(now))
	must(t, h.Reload(t.Context()))
	tells("acme", "next in next.crt", "rescue in data/approved", access)
	h.write(t, "rescue.crt", string(was))
	soft := "  - {id: soft, after_indexing: seal, certificate: ./acme.crt, "
	turn(soft, "#"+soft)
	tells("soft", "acme in data/approved", "none")
	turn("#"+soft, soft)

	// Access keys: one that one person has put before the other does not count, nor does it that he has taken one out.
	_, more, err := vault.NewAccessKey("more", time.Now())
	must(t, err)
	h.write(t, "more.access.crt", string(more))
	turn("access_keys: [./acme", "access_keys: [./more.access.crt, ./acme")
	tells("acme", "next in next.crt", "rescue in rescue.crt", access)
	h.approve(t)
	tells("acme", "next in next.crt", "rescue in rescue.crt", "more in more.access.crt", access)
	turn("./more.access.crt, ", "")
	tells("acme", "next in next.crt", "rescue in rescue.crt", "more in data/approved", access)
	turn("access_keys: [./acme", "access_keys: [./more.access.crt, ./acme")

	// A command at a stopped gateway that does not find an account's database goes by its certificates all the same.
	must(t, h.Close(), os.RemoveAll(filepath.Join(h.dir, "data/accounts/acme")))
	cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	h.Gateway, err = openToAsk(t.Context(), cfg, unlock, slog.New(slog.DiscardHandler))
	must(t, err)
	if got := h.sealsTo(t, "acme"); h.account("acme") != nil || !slices.Equal(got, []string{"next in next.crt", "rescue in rescue.crt", "more in more.access.crt", access}) {
		t.Errorf("without its database: %q", got)
	}
}
