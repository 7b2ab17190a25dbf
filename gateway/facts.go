package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/vault"
)

// facts are what the two-person rule guards of an account. Files are held by content: who may write them may not by that change what
// is in force.
type facts struct {
	AfterIndexing   string
	ProtectDatabase string
	Certificate     *content
	Recovery        *content
	AccessKeys      []content
	Remotes         map[string]remoteFacts
}

// remoteFacts are by what a remote is known and where it is. A client certificate's key and passphrase go with it, by their paths: they
// are secrets, and no copy of them is kept.
type remoteFacts struct {
	URL               string
	HostKey           []string
	CA                *content // of no file: the word system
	Pin               string
	ClientCertificate *content
	KeyFile           string // of client_certificate only
	PassphraseFile    string
	Legacy            []string
}

// content is what a file held when it was read.
type content struct {
	Name string // plain name of the file
	Text []byte
}

// factsOf reads what the configuration says of an account.
func factsOf(a *config.Account) (f facts, err error) {
	f = facts{AfterIndexing: a.AfterIndexing, ProtectDatabase: a.ProtectDatabase, Remotes: map[string]remoteFacts{}}
	if f.Certificate, err = certificateContent(a.Certificate); err != nil {
		return f, err
	}
	if f.Recovery, err = certificateContent(a.RecoveryCertificate); err != nil {
		return f, err
	}
	for _, path := range a.AccessKeys {
		c, err := certificateContent(path)
		if err != nil {
			return f, err
		}
		f.AccessKeys = append(f.AccessKeys, *c)
	}
	for _, r := range a.Remotes {
		if f.Remotes[r.Name], err = remoteFactsOf(r); err != nil {
			return f, fmt.Errorf("remote %s: %w", r.Name, err)
		}
	}
	return f, nil
}

func remoteFactsOf(r *config.Remote) (f remoteFacts, err error) {
	f = remoteFacts{URL: r.URL, HostKey: r.Trust.HostKey, Pin: r.Trust.Pin, Legacy: r.Legacy}
	switch r.Trust.CA {
	case "":
	case "system":
		f.CA = &content{Text: []byte("system")}
	default:
		if f.CA, err = fileContent(r.Trust.CA); err != nil {
			return f, err
		}
	}
	if r.ClientCertificate != "" {
		f.KeyFile, f.PassphraseFile = r.KeyFile, r.PassphraseFile
		f.ClientCertificate, err = fileContent(r.ClientCertificate)
	}
	return f, err
}

// certificateContent is nil where there is no certificate.
func certificateContent(path string) (*content, error) {
	if path == "" {
		return nil, nil
	}
	c, err := vault.ReadCertificate(path)
	if err != nil {
		return nil, err
	}
	return &content{Name: filepath.Base(path), Text: c.PEM()}, nil
}

func fileContent(path string) (*content, error) {
	text, err := os.ReadFile(path)
	return &content{Name: filepath.Base(path), Text: text}, err
}

// hash is what sha256sum says of the file.
func (c *content) hash() string {
	sum := sha256.Sum256(c.Text)
	return hex.EncodeToString(sum[:])
}

// apply gives the account as the configuration has it, but for what is guarded: that is as the facts say. A remote that they do not know
// is left out. place writes a content down and gives its path.
func (f *facts) apply(a *config.Account, place func(*content) (string, error)) (*config.Account, error) {
	c := *a
	c.AfterIndexing, c.ProtectDatabase = f.AfterIndexing, f.ProtectDatabase
	var err error
	if c.Certificate, err = place(f.Certificate); err != nil {
		return nil, err
	}
	if c.RecoveryCertificate, err = place(f.Recovery); err != nil {
		return nil, err
	}
	c.AccessKeys, c.Remotes = nil, nil
	for i := range f.AccessKeys {
		path, err := place(&f.AccessKeys[i])
		if err != nil {
			return nil, err
		}
		c.AccessKeys = append(c.AccessKeys, path)
	}
	for _, r := range a.Remotes {
		known, ok := f.Remotes[r.Name]
		if !ok {
			continue
		}
		remote, err := known.apply(r, place)
		if err != nil {
			return nil, err
		}
		c.Remotes = append(c.Remotes, remote)
	}
	return &c, nil
}

func (f *remoteFacts) apply(r *config.Remote, place func(*content) (string, error)) (_ *config.Remote, err error) {
	c := *r
	if known := (&config.Remote{URL: f.URL}); serverOf(known) != serverOf(r) {
		c.URL = f.URL // its folder too: that of another server means nothing here
	}
	c.Trust = config.Trust{HostKey: f.HostKey, Pin: f.Pin}
	if f.CA != nil && f.CA.Name == "" {
		c.Trust.CA = string(f.CA.Text)
	} else if c.Trust.CA, err = place(f.CA); err != nil {
		return nil, err
	}
	if f.ClientCertificate != nil || c.ClientCertificate != "" {
		c.KeyFile, c.PassphraseFile = f.KeyFile, f.PassphraseFile
		if c.ClientCertificate, err = place(f.ClientCertificate); err != nil {
			return nil, err
		}
	}
	c.Legacy = f.Legacy
	return &c, nil
}

// serverOf is the part of a remote's URL that is guarded; its folder is not.
func serverOf(r *config.Remote) string {
	scheme, address, _ := r.Server()
	return scheme + "://" + address
}

// fact is one guarded value as people read and sign it.
type fact struct{ key, value string }

// none is how the absence of a value is written.
const none = "none"

// list gives an account's guarded values in an order of their own.
func (f *facts) list() []fact {
	list := []fact{
		{"after_indexing", f.AfterIndexing}, {"certificate", certificateText(f.Certificate)}, {"recovery_certificate", certificateText(f.Recovery)},
	}
	var keys []string
	for i := range f.AccessKeys {
		keys = append(keys, certificateText(&f.AccessKeys[i]))
	}
	list = append(list, fact{"access_keys", together(keys)}, fact{"protect_database", f.ProtectDatabase})
	names := make([]string, 0, len(f.Remotes))
	for name := range f.Remotes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r := f.Remotes[name]
		at := "remotes[" + name + "]."
		list = append(list, fact{at + "url", serverOf(&config.Remote{URL: r.URL})}, fact{at + "trust.host_key", together(quotedAll(r.HostKey))},
			fact{at + "trust.ca", fileText(r.CA)}, fact{at + "trust.pin", or(r.Pin)}, fact{at + "client_certificate", fileText(r.ClientCertificate)},
			fact{at + "client_certificate's key_file", together(quotedAll([]string{r.KeyFile}))},
			fact{at + "client_certificate's passphrase_file", together(quotedAll([]string{r.PassphraseFile}))},
			fact{at + "legacy", together(quotedAll(r.Legacy))})
	}
	return list
}

// certificateText names a certificate as `sealgate cert` does.
func certificateText(c *content) string {
	if c == nil {
		return none
	}
	parsed, err := vault.ParseCertificate(c.Text)
	if err != nil { // of a later version; its bytes are still what they are
		return "sha256:" + c.hash()
	}
	return fmt.Sprintf("%s (%q, until %s)", parsed.Fingerprint(), parsed.Subject(), parsed.NotAfter().UTC().Format(time.DateOnly))
}

// fileText names a file as sha256sum does.
func fileText(c *content) string {
	switch {
	case c == nil:
		return none
	case c.Name == "":
		return string(c.Text)
	}
	return "file sha256:" + c.hash()
}

// together is a set of values on one line.
func together(values []string) string {
	if len(values) == 0 {
		return none
	}
	values = slices.Clone(values)
	slices.Sort(values)
	return strings.Join(values, ", ")
}

// quotedAll makes texts of a file fit for a line: a newline or a bidirectional character in one must not look like something else.
func quotedAll(values []string) (list []string) {
	for _, v := range values {
		if v != "" {
			list = append(list, strconv.QuoteToASCII(v))
		}
	}
	return list
}

func or(value string) string {
	if value == "" {
		return none
	}
	return value
}

// change is one guarded value that differs; account is "" for the gateway's own.
type change struct{ account, text string }

func (c change) String() string {
	if c.account == "" {
		return "gateway: " + c.text
	}
	return "account " + c.account + ": " + c.text
}

// changes gives what differs between two lists, in the order of the old one.
func changes(account string, old, now []fact) (list []change) {
	differ := func(key, was, is string) {
		if was != is {
			list = append(list, change{account, fmt.Sprintf("%s: %s -> %s", key, was, is)})
		}
	}
	value := func(in []fact, key string) string {
		if i := slices.IndexFunc(in, func(f fact) bool { return f.key == key }); i >= 0 {
			return in[i].value
		}
		return none
	}
	for _, f := range old {
		differ(f.key, f.value, value(now, f.key))
	}
	for _, f := range now {
		if !slices.ContainsFunc(old, func(o fact) bool { return o.key == f.key }) {
			differ(f.key, none, f.value)
		}
	}
	return list
}
