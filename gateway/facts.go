package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/transport"
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

// remoteFacts are a remote with the files by which it and we are known. All of it is in force or nothing: who may change half of it could
// make a remote that nobody has checked. Passwords and private keys stay where they are: no copy of a secret is kept.
type remoteFacts struct {
	Remote            *config.Remote
	CA                *content
	ClientCertificate *content
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
	f.Remote = r
	if r.Trust.CA != "" && r.Trust.CA != systemCA {
		if f.CA, err = fileContent(r.Trust.CA); err != nil {
			return f, err
		}
	}
	if r.ClientCertificate != "" {
		f.ClientCertificate, err = clientContent(r.ClientCertificate)
	}
	return f, err
}

// systemCA is the word for those whom this machine trusts.
const systemCA = "system"

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

// clientContent are the certificates of a PEM file, which may have their private key too: that is left out.
func clientContent(path string) (*content, error) {
	c, err := fileContent(path)
	if err != nil {
		return nil, err
	}
	defer clear(c.Text)
	var text []byte
	for block, rest := pem.Decode(c.Text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
		}
	}
	return &content{Name: c.Name, Text: text}, nil
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
		remote, err := known.apply(place)
		if err != nil {
			return nil, err
		}
		c.Remotes = append(c.Remotes, remote)
	}
	return &c, nil
}

func (f *remoteFacts) apply(place func(*content) (string, error)) (_ *config.Remote, err error) {
	c := *f.Remote
	if f.CA != nil {
		if c.Trust.CA, err = place(f.CA); err != nil {
			return nil, err
		}
	}
	c.ClientCertificate, err = place(f.ClientCertificate)
	return &c, err
}

// urlText is a remote's URL with its port, fit for a line.
func urlText(r *config.Remote) string {
	scheme, address, folder := r.Server()
	return scheme + "://" + address + (&url.URL{Path: folder}).EscapedPath()
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
		list = append(list, r.list(name)...)
	}
	return list
}

// list gives what is guarded of a remote: all but its secrets, and when and which files are fetched.
func (f *remoteFacts) list(name string) []fact {
	r, at := f.Remote, "remotes["+name+"]."
	ca, send := fileText(f.CA), none
	if r.Trust.CA == systemCA {
		ca = systemCA
	}
	if r.Send != nil {
		send = strconv.QuoteToASCII(r.Send.Path)
	}
	return []fact{
		{at + "url", urlText(r)}, {at + "user", strconv.QuoteToASCII(r.User)}, {at + "trust.host_key", together(quotedAll(keysText(r.Trust.HostKey)))},
		{at + "trust.ca", ca}, {at + "trust.pin", or(r.Trust.Pin)}, {at + "client_certificate", clientText(f.ClientCertificate)},
		{at + "legacy", together(quotedAll(r.Legacy))}, {at + "send.path", send},
	}
}

// contents are all files that are held.
func (f *facts) contents() (list []*content) {
	list = append(list, f.Certificate, f.Recovery)
	for i := range f.AccessKeys {
		list = append(list, &f.AccessKeys[i])
	}
	for _, r := range f.Remotes {
		list = append(list, r.CA, r.ClientCertificate)
	}
	return slices.DeleteFunc(list, func(c *content) bool { return c == nil })
}

// remotesLeft are the approved remotes without those that are gone: as they are proposed, if nothing that is guarded of one differs.
func (f *facts) remotesLeft(proposed map[string]remoteFacts) map[string]remoteFacts {
	left := map[string]remoteFacts{}
	for name, known := range f.Remotes {
		now, there := proposed[name]
		if !there {
			continue
		}
		if left[name] = known; slices.Equal(known.list(name), now.list(name)) {
			left[name] = now
		}
	}
	return left
}

// keysText are host keys without their comments, which prove nothing and may be long.
func keysText(lines []string) (list []string) {
	for _, line := range lines {
		list = append(list, transport.KeyOf(line))
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

// clientText names each certificate of a file as `openssl x509 -fingerprint -sha256` does, in their order.
func clientText(c *content) string {
	if c == nil {
		return none
	}
	var list []string
	for block, rest := pem.Decode(c.Text); block != nil; block, rest = pem.Decode(rest) {
		list = append(list, fmt.Sprintf("sha256:%x", sha256.Sum256(block.Bytes)))
	}
	return strings.Join(list, ", ")
}

// fileText names a file as sha256sum does.
func fileText(c *content) string {
	if c == nil {
		return none
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
