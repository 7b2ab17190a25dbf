package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
	"github.com/sealgate/sealgate/vault"
)

// twoPersons is a house under the two-person rule: anna, who has two keys, and bo sign; bo for a year.
type twoPersons struct {
	*house
	anna, annas, bo ssh.Signer
}

func newTwoPersons(t testing.TB) *twoPersons {
	t.Helper()
	h := &twoPersons{house: newHouse(t), anna: newSigner(t), annas: newSigner(t), bo: newSigner(t)}
	h.write(t, "operators", fmt.Sprintf("anna %sanna %sbo valid-before=%q %s", ssh.MarshalAuthorizedKey(h.anna.PublicKey()),
		ssh.MarshalAuthorizedKey(h.annas.PublicKey()), time.Now().AddDate(1, 0, 0).Format("20060102"), ssh.MarshalAuthorizedKey(h.bo.PublicKey())))
	h.edit(t, "data_dir: ./data\n", "data_dir: ./data\nfour_eyes: true\noperators: ./operators\n")
	h.reopen(t)
	must(t, h.begin(t.Context()))
	return h
}

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return signer
}

func (h *house) write(t testing.TB, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600))
}

// edit replaces one text in the configuration.
func (h *house) edit(t testing.TB, old, now string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "sealgate.yaml"))
	must(t, err)
	if bytes.Count(text, []byte(old)) != 1 {
		t.Fatalf("%q is there %d times", old, bytes.Count(text, []byte(old)))
	}
	h.write(t, "sealgate.yaml", strings.Replace(string(text), old, now, 1))
}

func signed(t testing.TB, by ssh.Signer, text string) string {
	t.Helper()
	s, err := sshsig.Sign(strings.NewReader(text), by, sshsig.HashSHA512, transport.SignatureNamespace)
	must(t, err)
	return string(sshsig.Armor(s))
}

// wait fails unless exactly these changes wait; a want may be the beginning of one.
func (h *twoPersons) wait(t testing.TB, want ...string) Changes {
	t.Helper()
	c, err := h.Changes(t.Context())
	must(t, err)
	same := len(c.Waiting) == len(want)
	for i := range want {
		same = same && strings.HasPrefix(c.Waiting[i], want[i])
	}
	if !same {
		t.Fatalf("waiting: %q, want %q", c.Waiting, want)
	}
	return c
}

// approve lets both sign what waits.
func (h *twoPersons) approve(t testing.TB) {
	t.Helper()
	h.approveBy(t, h.bo)
	h.approveBy(t, h.annas)
	h.wait(t)
}

// kinds are the kinds of an account's ledger rows that the rule writes.
func (h *twoPersons) kinds(t testing.TB, account string) (kinds []string) {
	t.Helper()
	for row, err := range h.indexes[account].Ledger(t.Context(), 1) {
		must(t, err)
		if strings.HasPrefix(row.Kind, "change-") || row.Kind == kindRuleBegun {
			kinds = append(kinds, row.Kind)
		}
	}
	return kinds
}

// TestGuardedRemotes: what a remote is trusted by and where it is waits, by content; the rest of it does not.
func TestGuardedRemotes(t *testing.T) {
	h := newTwoPersons(t)
	remote := func(name, url, more string) string {
		return fmt.Sprintf(`{name: %s, url: %q, user: u, password_file: ./password, %s, send: {path: /in}}`, name, url, more)
	}
	bank := remote("bank", "ftps://127.0.0.1:990/out", "trust: {ca: ./ca.pem}")
	with := func(list ...string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(h.dir, "sealgate.yaml"))
		must(t, err)
		at := bytes.Index(text, []byte("  - {id: new"))
		if at < 0 {
			at = len(text)
		}
		h.write(t, "sealgate.yaml", string(text[:at])+"  - {id: new, after_indexing: delete, remotes: ["+strings.Join(list, ", ")+"]}\n")
		must(t, h.Reload(t.Context()))
	}
	now := func() []*config.Remote { return h.cfg.Load().Account("new").Remotes }
	ca, err := os.ReadFile(filepath.Join(h.dir, "acme.crt"))
	must(t, err)
	h.write(t, "ca.pem", string(ca))
	h.write(t, "password", "secret\n")

	with(bank) // a new account waits, if it has remotes
	h.wait(t, "account new: the account is added, with remotes", "account new: after_indexing: none -> delete",
		"account new: protect_database: none -> false", "account new: remotes[bank].url: none -> ftps://127.0.0.1:990/out", `account new: remotes[bank].user: none -> "u"`,
		"account new: remotes[bank].trust.ca: none -> file", `account new: remotes[bank].send.path: none -> "/in"`)
	if h.account("new") != nil {
		t.Error("it is there")
	}
	h.approve(t)
	if len(now()) != 1 || filepath.Base(now()[0].Trust.CA) != "ca.pem" {
		t.Fatalf("%+v", now())
	}
	// What is fetched and removed there, secrets and schedules are in force at once; a login, a folder and where files are sent are not.
	with(strings.Replace(bank, "send:", "fetch: {every: 1m, after: delete}, send:", 1))
	h.wait(t)
	if r := now()[0]; r.Fetch == nil || r.Fetch.After != "delete" {
		t.Errorf("%+v", r)
	}
	h.write(t, "password2", "secret\n")
	with(strings.Replace(bank, "./password", "./password2", 1))
	h.wait(t)
	if r := now()[0]; filepath.Base(r.PasswordFile) != "password2" {
		t.Errorf("%+v", r)
	}
	with(strings.NewReplacer("user: u", "user: v", ":990/out", ":990/elsewhere", "path: /in", "path: /else").Replace(bank))
	h.wait(t, "account new: remotes[bank].url: ftps://127.0.0.1:990/out -> ftps://127.0.0.1:990/elsewhere", `account new: remotes[bank].user: "u" -> "v"`,
		`account new: remotes[bank].send.path: "/in" -> "/else"`)
	if r := now()[0]; r.User != "u" || r.URL != "ftps://127.0.0.1:990/out" || r.Send.Path != "/in" || filepath.Base(r.PasswordFile) != "password2" {
		t.Errorf("half of a remote is in force: %+v", r)
	}
	with(bank)
	h.wait(t)

	// The same file, another content: who may write it must not choose whom the gateway trusts.
	other, _, err := vault.NewCertificate("other", "p-256", time.Now(), time.Hour)
	must(t, err)
	h.write(t, "ca.pem", string(other))
	must(t, h.Reload(t.Context()))
	h.wait(t, "account new: remotes[bank].trust.ca: file sha256:")
	if inForce, err := os.ReadFile(now()[0].Trust.CA); err != nil || !bytes.Equal(inForce, ca) {
		t.Errorf("trusted: %s, %v", inForce, err)
	}
	must(t, os.WriteFile(now()[0].Trust.CA, other, 0o600)) // even in our own folder, until the next load
	h.reopen(t)
	if inForce, err := os.ReadFile(now()[0].Trust.CA); err != nil || !bytes.Equal(inForce, ca) {
		t.Errorf("trusted after a restart: %s, %v", inForce, err)
	}
	h.write(t, "ca.pem", string(ca))

	must(t, h.Reload(t.Context()))
	h.wait(t)

	pin := "sha256:" + strings.Repeat("0a", 32)
	with(remote("bank", "ftps://127.0.0.2:990/other", `legacy: [tls1.0], trust: {pin: "`+pin+`"}`))
	h.wait(t, "account new: remotes[bank].url: ftps://127.0.0.1:990/out -> ftps://127.0.0.2:990/other", "account new: remotes[bank].trust.ca: file",
		"account new: remotes[bank].trust.pin: none -> "+pin, `account new: remotes[bank].legacy: none -> "tls1.0"`)
	if r := now()[0]; r.URL != "ftps://127.0.0.1:990/out" || r.Trust.Pin != "" || r.Trust.CA == "" || len(r.Legacy) != 0 {
		t.Errorf("%+v", r)
	}
	h.approve(t)
	if r := now()[0]; r.URL != "ftps://127.0.0.2:990/other" || r.Trust.Pin != pin || r.Trust.CA != "" || len(r.Legacy) != 1 {
		t.Errorf("%+v", r)
	}
	if got, want := h.kinds(t, "new"), []string{kindSigned, kindInForce, kindProposed, kindWithdrawn, kindProposed, kindWithdrawn, kindProposed, kindSigned, kindSigned, kindInForce}; !slices.Equal(got, want) {
		t.Errorf("ledger: %q", got)
	}
	if got := h.kinds(t, "gone"); !slices.Equal(got, []string{kindRuleBegun}) {
		t.Errorf("ledger of an account that nothing concerns: %q", got)
	}

	// A remote that is taken out is gone at once; put in again, it is a new one, and new ones of accounts that are there wait.
	bank = remote("bank", "ftps://127.0.0.2:990/other", `legacy: [tls1.0], trust: {pin: "`+pin+`"}`)
	with()
	h.wait(t)
	if len(now()) != 0 {
		t.Errorf("%+v", now())
	}
	with(bank, remote("other", "sftp://127.0.0.1:1/in", `trust: {host_key: "SHA256:uNiVztksCsDhcc0u9e8BrmcPGN0FcZkKrYwy5BxjVdw"}`))
	h.wait(t, "account new: remotes[bank].url: none -> ftps://127.0.0.2:990", "account new: remotes[bank].user: ",
		"account new: remotes[bank].trust.pin: none -> ", "account new: remotes[bank].legacy: none -> ", "account new: remotes[bank].send.path: ",
		"account new: remotes[other].url: none -> sftp://127.0.0.1:1", "account new: remotes[other].user: ",
		`account new: remotes[other].trust.host_key: none -> "SHA256:uNiV`, "account new: remotes[other].send.path: ")
	if len(now()) != 0 {
		t.Errorf("%+v", now())
	}
	h.approve(t)
	if len(now()) != 2 {
		t.Errorf("%+v", now())
	}
}

// TestNoMixedRemote: of a remote that becomes another kind nothing is in force before all is, and no private key is copied.
func TestNoMixedRemote(t *testing.T) {
	h := newTwoPersons(t)
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(h.dir, name))
		must(t, err)
		return string(text)
	}
	h.write(t, "ssh", read("host"))
	h.write(t, "both.pem", read("acme.crt")+read("acme.key"))
	base := read("sealgate.yaml")
	with := func(remote string) {
		t.Helper()
		h.write(t, "sealgate.yaml", base+"  - {id: new, after_indexing: delete, remotes: [{name: b, user: u, "+remote+"}]}\n")
		must(t, h.Reload(t.Context()))
	}
	with("url: 'sftp://a.example/out', key_file: ./ssh, trust: {host_key: 'SHA256:uNiVztksCsDhcc0u9e8BrmcPGN0FcZkKrYwy5BxjVdw a'}, fetch: {every: 1m, after: delete}")
	h.approve(t)
	was := h.cfg.Load().Account("new").Remotes[0]
	with("url: 'ftps://b.example/in', client_certificate: ./both.pem, key_file: ./both.pem, trust: {ca: system}, fetch: {every: 2m, after: delete}, send: {path: /out}")
	if d := cmp.Diff(was, h.cfg.Load().Account("new").Remotes[0]); d != "" {
		t.Errorf("in force before it is approved:\n%s", d)
	}
	h.approve(t)
	r := h.cfg.Load().Account("new").Remotes[0]
	text, err := os.ReadFile(r.ClientCertificate)
	must(t, err)
	if string(text) != read("acme.crt") || r.URL != "ftps://b.example/in" || r.Trust.CA != "system" || r.Send == nil {
		t.Errorf("%+v, client certificate:\n%s", r, text)
	}
}

// TestLongChange: a row of a ledger stays short, whatever waits; the comments of host keys prove nothing and are no change.
func TestLongChange(t *testing.T) {
	h := newTwoPersons(t)
	text, err := os.ReadFile(filepath.Join(h.dir, "sealgate.yaml"))
	must(t, err)
	h.write(t, "password", "secret\n")
	with := func(keys []string) {
		t.Helper()
		h.write(t, "sealgate.yaml", string(text)+"  - {id: new, after_indexing: delete, remotes: [{name: b, url: 'sftp://a.example/out', user: u, password_file: ./password, "+
			"trust: {host_key: ['"+strings.Join(keys, "', '")+"']}, send: {path: /in}}]}\n")
		must(t, h.Reload(t.Context()))
	}
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey())))
	keys := []string{"SHA256:uNiVztksCsDhcc0u9e8BrmcPGN0FcZkKrYwy5BxjVdw", key}
	with(keys)
	h.approve(t)
	with([]string{keys[0] + " one", key + " two"})
	h.wait(t)
	for range 100 {
		keys = append(keys, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey()))))
	}
	with(keys)
	c := h.wait(t, "account new: remotes[b].trust.host_key: ")
	if !h.tells(t, "new", kindProposed, digestOf(c.Text)+"; and 1 more") {
		t.Error("the ledger does not tell of it shortly")
	}
}

// TestNoteLater: a row that cannot be entered waits, and the gateway does not.
func TestNoteLater(t *testing.T) {
	h := newTwoPersons(t)
	lost := filepath.Join("data", "accounts", "lost")
	must(t, os.Mkdir(filepath.Join(h.dir, lost), 0o700))
	h.write(t, filepath.Join(lost, "index.db"), strings.Repeat("no database ", 1000))
	a := h.rule.Load().approved
	a.Notes = []owedNote{{"lost", kindProposed, "", "x"}, {"gone", kindProposed, "", "y"}}
	must(t, h.begin(t.Context()))
	h.reopen(t)
	must(t, h.begin(t.Context()))
	if a = h.rule.Load().approved; len(a.Notes) != 1 || a.Notes[0].Account != "lost" || !h.tells(t, "gone", kindProposed, "y") {
		t.Errorf("left: %+v", a.Notes)
	}
	must(t, os.RemoveAll(filepath.Join(h.dir, lost)))
	must(t, h.begin(t.Context()))
	if a = h.rule.Load().approved; len(a.Notes) != 0 {
		t.Errorf("left: %+v", a.Notes)
	}
}

// TestNoLinks: another data_dir, for which the rule only begins or which is without it, does not get at the files of this one.
func TestNoLinks(t *testing.T) {
	h := newTwoPersons(t)
	must(t, h.Close())
	data, other := filepath.Join(h.dir, "data"), filepath.Join(h.dir, "data2")
	open := func(link, to string) error {
		t.Helper()
		must(t, os.RemoveAll(other))
		cfg, err := LoadConfig(filepath.Join(h.dir, "sealgate.yaml"), false)
		must(t, err)
		unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
		must(t, err)
		own, err := Open(t.Context(), cfg, unlock, slog.New(slog.DiscardHandler)) // it has a gateway.db of its own
		must(t, err)
		must(t, own.Close())
		if _, err := os.Stat(to); err != nil {
			must(t, os.Rename(filepath.Join(other, link), to))
		}
		must(t, os.RemoveAll(filepath.Join(other, link)), os.Symlink(to, filepath.Join(other, link)))
		g, err := Open(t.Context(), cfg, unlock, slog.New(slog.DiscardHandler))
		if err == nil {
			g.Close()
		}
		return err
	}
	links := []string{"accounts", "accounts/acme", "accounts/acme/index.db"}
	h.edit(t, "data_dir: ./data\n", "data_dir: ./data2\n")
	for _, link := range links {
		if err := open(link, filepath.Join(data, link)); err == nil || !strings.Contains(err.Error(), filepath.Join("data2", link)+" is a symbolic link") {
			t.Errorf("%s: %v", link, err)
		}
	}
	h.edit(t, "four_eyes: true\noperators: ./operators\n", "")
	for _, link := range links {
		if err := open(link, filepath.Join(data, link)); err == nil || !strings.Contains(err.Error(), filepath.Join("data2", link)+" leads into "+data+",") {
			t.Errorf("%s, without the rule: %v", link, err)
		}
	}
	for _, to := range []string{h.dir, other} { // its own files may lie elsewhere
		must(t, open("accounts/acme", filepath.Join(to, "elsewhere")))
	}
	h.edit(t, "data_dir: ./data2\n", "data_dir: ./data\nfour_eyes: true\noperators: ./operators\n")
	h.open(t)
}

// TestLoginStays: nobody alone gives a login that somebody has come in by to another account, and with it its owner's next files.
func TestLoginStays(t *testing.T) {
	h := newTwoPersons(t)
	turn := func(account string, use bool) {
		t.Helper()
		line, err := h.AddUser(t.Context(), NewUser{Account: account, Login: "anna"}, "uid:7")
		if must(t, err); use {
			must(t, second(h.Admit(t.Context(), try("anna", line.NewPassword, "192.0.2.1"))))
		}
		must(t, second(h.RemoveUser(t.Context(), account, line.ID, "uid:7")))
	}
	stays := func(with string) {
		t.Helper()
		var no *No
		if _, err := h.AddUser(t.Context(), NewUser{Account: "beta", Login: "anna"}, "uid:7"); !errors.As(err, &no) || !strings.Contains(no.Text, "of account "+with) {
			t.Errorf("added to beta: %v", err)
		}
	}
	turn("acme", false) // a mistake, put right
	turn("beta", false)
	turn("acme", true)
	stays("acme")
	turn("acme", false)
	h.reopen(t)
	must(t, h.begin(t.Context()))
	stays("acme")
	line := "  - {id: acme, after_indexing: seal, certificate: ./acme.crt, access_keys: [./acme.access.crt], max_file_size: 8MiB, say: all}\n"
	h.edit(t, line, "")
	must(t, h.Reload(t.Context()))
	stays("acme")
	h.approve(t)
	turn("beta", true)
	turn("beta", false)
	h.edit(t, "four_eyes: true\noperators: ./operators\n", "")
	must(t, h.Reload(t.Context()))
	h.approve(t)
	turn("soft", true)
	turn("beta", true)
}

// TestAddedAgain: one person does not undo what two have approved. Who removes an account with another, alone, does not get at its files by
// naming it again; a new one that begins with nothing is there at once.
func TestAddedAgain(t *testing.T) {
	h := newTwoPersons(t)
	soft := "  - {id: soft, after_indexing: seal, certificate: ./acme.crt, policy: {totals-mismatch: hold, incomplete: hold, malformed: accept, duplicate-content: reject}}\n"
	turn := func(from, to string, want ...string) {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
		h.wait(t, want...)
	}
	turn(soft, "", "account soft: the account is removed")
	h.approve(t)
	at := "  - {id: gone, after_indexing: delete}\n"
	want := []string{"account soft: the account is added again", "account soft: after_indexing: none -> delete", "account soft: protect_database: none -> false"}
	turn(at, at+"  - {id: soft, after_indexing: delete}\n", want...)
	h.reopen(t)
	must(t, h.begin(t.Context()))
	h.wait(t, want...)
	if h.account("soft") != nil {
		t.Error("it is there again")
	}
	h.approve(t)
	if h.account("soft") == nil || !slices.Contains(h.kinds(t, "soft"), kindInForce) {
		t.Errorf("not there after two signatures, or not in its ledger: %q", h.kinds(t, "soft"))
	}

	h.edit(t, at, at+"  - {id: more, after_indexing: delete}\n")
	h.reopen(t)
	h.reopen(t) // without begin: its folder is there now, and it is no less new
	h.wait(t)
	if h.account("more") == nil {
		t.Error("a new account waits")
	}
}

// TestRemovedBefore: nor with one that was gone when the rule began, but its files were there.
func TestRemovedBefore(t *testing.T) {
	h := newTwoPersons(t)
	h.edit(t, "four_eyes: true", "four_eyes: false")
	h.edit(t, "  - {id: gone, after_indexing: delete}\n", "")
	must(t, h.Reload(t.Context()))
	h.approve(t)
	h.edit(t, "four_eyes: false", "four_eyes: true")
	must(t, h.Reload(t.Context()))
	h.edit(t, "  - {id: soft,", "  - {id: gone, after_indexing: delete}\n  - {id: soft,")
	must(t, h.Reload(t.Context()))
	h.wait(t, "account gone: the account is added again", "account gone: after_indexing:", "account gone: protect_database:")
}

// TestWhoseSignaturesCount: two persons', not two keys'; of this change before this state, and while the keys are good.
func TestWhoseSignaturesCount(t *testing.T) {
	h := newTwoPersons(t)
	seal, remove := "{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,"
	turn := func(from, to string) Changes {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
		return h.wait(t, "account acme: after_indexing: ")
	}
	refused := func(by ssh.Signer, text, why string) {
		t.Helper()
		var no *No
		if done, err := h.Approve(t.Context(), Approval{signed(t, by, text)}, "test"); !errors.As(err, &no) || !strings.Contains(no.Text, why) {
			t.Errorf("%+v, %v; want %q", done, err, why)
		}
	}
	first := turn(seal, remove)
	_, err := h.Approve(t.Context(), Approval{signed(t, h.anna, first.Text)}, "test")
	must(t, err)
	refused(h.anna, first.Text, "anna has signed this already")
	refused(h.annas, first.Text, "anna has signed this already")
	refused(newSigner(t), first.Text, "not in operators")
	refused(h.bo, first.Text+" ", "does not fit")
	h.wait(t, "account acme: after_indexing: seal -> delete")
	h.approveBy(t, h.bo)
	h.wait(t)
	turn(remove, seal)
	h.approve(t)
	again := turn(seal, remove)
	if !slices.Equal(again.Waiting, first.Waiting) || again.Text == first.Text {
		t.Errorf("the same change before another state is the same text:\n%s", again.Text)
	}
	refused(h.anna, first.Text, "does not fit")

	// A signature counts as long as its key does: here bo's runs out before anna signs.
	h.approveBy(t, h.bo)
	h.now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
	refused(h.bo, again.Text, "bo's key was valid until")
	h.approveBy(t, h.anna)
	if c := h.wait(t, "account acme: after_indexing: "); len(c.SignedBy) != 1 || h.account("acme").AfterIndexing != "seal" {
		t.Errorf("signed by %q, after_indexing %s", c.SignedBy, h.account("acme").AfterIndexing)
	}

	// A change that comes to others that wait makes another text: who signed the first has not seen it.
	h.now = time.Now
	h.edit(t, "  - {id: gone, after_indexing: delete}\n", "")
	must(t, h.Reload(t.Context()))
	if c := h.wait(t, "account acme: ", "account gone: the account is removed"); len(c.SignedBy) != 0 {
		t.Errorf("signed by %q", c.SignedBy)
	}
	refused(h.bo, again.Text, "does not fit")
}

// TestWithdrawnSignature: who takes a change back takes the signatures of it back with it, whatever waits later.
func TestWithdrawnSignature(t *testing.T) {
	h := newTwoPersons(t)
	seal, remove := "{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,"
	turn := func(from, to string, want ...string) Changes {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
		return h.wait(t, want...)
	}
	first := turn(seal, remove, "account acme: after_indexing: ")
	old := signed(t, h.anna, first.Text)
	_, err := h.Approve(t.Context(), Approval{old}, "test")
	must(t, err)
	turn(remove, seal)
	h.reopen(t)
	must(t, h.begin(t.Context()))

	// Put back while the gateway is stopped: what is shown then is what is to be signed, however often one looks.
	h.edit(t, seal, remove)
	h.reopen(t)
	again := h.wait(t, "account acme: after_indexing: ")
	h.reopen(t)
	if c := h.wait(t, "account acme: after_indexing: "); c.Text != again.Text || again.Text == first.Text || len(c.SignedBy) != 0 {
		t.Errorf("signed by %q, text:\n%s", c.SignedBy, c.Text)
	}
	var no *No
	if done, err := h.Approve(t.Context(), Approval{old}, "test"); !errors.As(err, &no) || !strings.Contains(no.Text, "does not fit") {
		t.Errorf("a withdrawn signature: %+v, %v", done, err)
	}
	if done, err := h.Approve(t.Context(), Approval{signed(t, h.bo, again.Text)}, "test"); err != nil || done.InForce {
		t.Errorf("%+v, %v", done, err)
	}
	h.wait(t, "account acme: after_indexing: ")

	// One of two is taken back and comes again.
	turn("  - {id: gone, after_indexing: delete}\n", "", "account acme: ", "account gone: ")
	if c := turn("  - {id: soft,", "  - {id: gone, after_indexing: delete}\n  - {id: soft,", "account acme: "); c.Text == again.Text || len(c.SignedBy) != 0 {
		t.Errorf("signed by %q, text:\n%s", c.SignedBy, c.Text)
	}
}

// TestWithdrawnBeside: an account's ledger tells that its change was taken back, also where one of another goes on to wait.
func TestWithdrawnBeside(t *testing.T) {
	h := newTwoPersons(t)
	turn := func(from, to string) {
		t.Helper()
		h.edit(t, from, to)
		must(t, h.Reload(t.Context()))
	}
	turn("{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,")
	turn("{id: soft, after_indexing: seal,", "{id: soft, after_indexing: delete,")
	turn("{id: acme, after_indexing: delete,", "{id: acme, after_indexing: seal,")
	h.approve(t)
	for id, want := range map[string][]string{
		"acme": {kindRuleBegun, kindProposed, kindProposed, kindWithdrawn},
		"soft": {kindRuleBegun, kindProposed, kindProposed, kindSigned, kindSigned, kindInForce},
	} {
		if got := h.kinds(t, id); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func (h *twoPersons) approveBy(t testing.TB, by ssh.Signer) {
	t.Helper()
	c, err := h.Changes(t.Context())
	must(t, err)
	_, err = h.Approve(t.Context(), Approval{signed(t, by, c.Text)}, "test")
	must(t, err)
}

// TestTheRuleEnds by two signatures; after it nothing is guarded, and what begins anew is another rule: old signatures fit nothing.
func TestTheRuleEnds(t *testing.T) {
	h := newTwoPersons(t)
	h.edit(t, "four_eyes: true", "four_eyes: false")
	was := h.cfg.Load().Account("soft")
	h.edit(t, "  - {id: soft", "  - {id: more, after_indexing: delete}\n  #- {id: soft")
	h.reopen(t)
	must(t, h.begin(t.Context()))
	first := h.wait(t, "gateway: four_eyes: true -> false", "gateway: operators: file sha256:", "account soft: the account is removed")
	if !h.cfg.Load().TwoPersons() || h.cfg.Load().Account("soft") == nil || h.cfg.Load().Account("more") == nil {
		t.Error("not as it was approved")
	}
	if d := cmp.Diff(was, h.cfg.Load().Account("soft")); d != "" {
		t.Errorf("an account that is removed from the file is another:\n%s", d)
	}
	h.approve(t)
	for _, id := range []string{"soft", "beta"} { // the gateway's own changes concern all
		if got := h.kinds(t, id); !slices.Equal(got, []string{kindRuleBegun, kindProposed, kindSigned, kindSigned, kindInForce}) {
			t.Errorf("ledger of %s: %q", id, got)
		}
	}
	h.reopen(t)
	must(t, h.begin(t.Context()))
	if rows, err := h.registry.Approved(t.Context()); err != nil || len(rows) != 0 {
		t.Errorf("%d rows are left, %v", len(rows), err)
	}
	if h.account("soft") != nil || h.cfg.Load().TwoPersons() {
		t.Error("the rule goes on")
	}
	h.edit(t, "four_eyes: false", "four_eyes: true")
	must(t, h.Reload(t.Context()))
	h.edit(t, "four_eyes: true", "four_eyes: false")
	must(t, h.Reload(t.Context()))
	c := h.wait(t, "gateway: four_eyes: true -> false", "gateway: operators:")
	if c.Text == first.Text || strings.Split(c.Text, "\n")[2] == strings.Split(first.Text, "\n")[2] {
		t.Errorf("the same gateway, the same text:\n%s", c.Text)
	}
	_, err := h.Approve(t.Context(), Approval{signed(t, h.bo, first.Text)}, "test")
	var no *No
	if !errors.As(err, &no) {
		t.Errorf("an old signature: %v", err)
	}
}

const approveEnv = "SEALGATE_GATEWAY_APPROVE"

// TestApproveWorker is no test: it is the process that TestApproveCrash kills. It hands the second signature to a stopped gateway.
func TestApproveWorker(t *testing.T) {
	dir := os.Getenv(approveEnv)
	if dir == "" {
		t.Skip("started by TestApproveCrash only")
	}
	cfg, err := LoadConfig(filepath.Join(dir, "sealgate.yaml"), false)
	must(t, err)
	unlock, err := vault.ReadUnlockKey(cfg.UnlockKeyFile)
	must(t, err)
	g, err := Open(t.Context(), cfg, unlock, slog.New(slog.DiscardHandler))
	must(t, err)
	signature, err := os.ReadFile(filepath.Join(dir, "bo.sig"))
	must(t, err)
	fmt.Println("begun")
	_, err = g.Approve(context.WithoutCancel(t.Context()), Approval{string(signature)}, "test")
	must(t, err)
	fmt.Println("done")
}

// TestApproveCrash kills the second approval at random moments. After each, the changes are wholly in force, and the ledgers of all whom
// they concern say so, or not at all, and the first signature still counts.
func TestApproveCrash(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 4
	}
	h := newTwoPersons(t)
	r := mrand.New(mrand.NewPCG(7, uint64(os.Getpid())))
	took, between := 0, 0
	within := 12 * time.Millisecond // moved with what is met: a machine may be slow
	for i := range kills {
		// There and back: acme seals or not, and gone is removed or comes again.
		if i%2 == 0 {
			h.edit(t, "{id: acme, after_indexing: seal,", "{id: acme, after_indexing: delete,")
			h.edit(t, "  - {id: gone, after_indexing: delete}\n", "")
		} else {
			h.edit(t, "{id: acme, after_indexing: delete,", "{id: acme, after_indexing: seal,")
			h.edit(t, "  - {id: soft,", "  - {id: gone, after_indexing: delete}\n  - {id: soft,")
		}
		must(t, h.Reload(t.Context()))
		c, err := h.Changes(t.Context())
		must(t, err)
		_, err = h.Approve(t.Context(), Approval{signed(t, h.anna, c.Text)}, "test")
		must(t, err)
		h.write(t, "bo.sig", signed(t, h.bo, c.Text))
		must(t, h.Close())
		killApproval(t, h.dir, time.Duration(r.Int64N(int64(within))))

		h.open(t)
		now := h.wait(t, h.left(t, i)...)
		within = min(within*5/4, time.Second)
		if len(now.Waiting) == 0 {
			took++
			within = max(within/2, time.Millisecond)
			if rows, err := h.registry.Approved(t.Context()); err == nil && bytes.Contains(rows[""], []byte(kindInForce)) {
				between++
			}
		} else if len(now.SignedBy) != 1 || !strings.HasPrefix(now.SignedBy[0], "anna ") || now.Text != c.Text {
			t.Fatalf("kill %d: signed by %q", i, now.SignedBy)
		}
		must(t, h.begin(t.Context()))
		for _, account := range []string{"acme", "gone"} {
			if told := h.tells(t, account, kindInForce, digestOf(c.Text)); told != (len(now.Waiting) == 0) {
				t.Fatalf("kill %d: the ledger of %s says in force: %v; waiting: %q", i, account, told, now.Waiting)
			}
		}
		if len(now.Waiting) > 0 {
			_, err := h.Approve(t.Context(), Approval{signed(t, h.bo, c.Text)}, "test")
			must(t, err)
			h.wait(t)
		}
	}
	h.sound(t)
	if !testing.Short() && (took == 0 || took == kills) {
		t.Errorf("of %d kills %d came after the commit: they hit one side only", kills, took)
	}
	t.Logf("%d kills, %d after the changes were in force, %d of them before all ledgers knew", kills, took, between)
}

// left are the changes that wait after a kill: all or none. Whatever it is, both accounts must be as that says.
func (h *twoPersons) left(t *testing.T, round int) []string {
	t.Helper()
	want, there := "delete", false
	left := []string{"account acme: after_indexing: ", "account gone: the account is removed"}
	if round%2 == 1 {
		want, there = "seal", true
		left = []string{"account acme: after_indexing: ", "account gone: the account is added again", "account gone: after_indexing: ", "account gone: protect_database: "}
	}
	done := h.account("acme").AfterIndexing == want
	if (h.account("gone") != nil) != (done == there) {
		t.Fatalf("round %d: acme %q, gone is there: %v", round, h.account("acme").AfterIndexing, h.account("gone") != nil)
	}
	if done {
		return nil
	}
	return left
}

// tells says whether an account's ledger has a row of this kind about a statement.
func (h *twoPersons) tells(t *testing.T, id, kind, statement string) bool {
	t.Helper()
	index := h.indexes[id]
	if index == nil { // removed
		var err error
		index, err = h.openIndex(t.Context(), &account{Account: &config.Account{ID: id}, dir: filepath.Join(h.cfg.Load().DataDir, "accounts", id)})
		must(t, err)
		defer index.Close()
	}
	for row, err := range index.Ledger(t.Context(), 1) {
		must(t, err)
		if row.Kind == kind && strings.HasPrefix(row.Detail, statement) {
			return true
		}
	}
	return false
}

// killApproval starts a process that approves, and kills it a moment after it has begun.
func killApproval(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestApproveWorker$", "-test.count=1")
	c.Env = append(os.Environ(), approveEnv+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	must(t, err, c.Start())
	var killer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "begun" {
			killer = time.AfterFunc(after, func() { c.Process.Kill() })
		}
	}
	c.Wait() // killed or not
	if killer == nil {
		t.Fatal("an approval did not begin")
	}
	killer.Stop()
}
