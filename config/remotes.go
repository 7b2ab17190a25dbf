package config

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // at and by name zones, on machines without them too
)

// Remote is a customer's server, which the gateway fetches files from, delivers to, or both.
type Remote struct {
	// Name names the remote in commands and logs; unique in its account, of the form of an account's id.
	Name string `yaml:"name" need:"acme-ftps"`
	// URL is the server and the folder there: sftp://, ftps:// (TLS from the first byte) or ftpes:// (TLS by AUTH TLS). Plain
	// ftp:// is not spoken. The port, if left out, is 22, 990 or 21.
	URL string `yaml:"url" need:"ftps://files.acme.example:990/out"`
	// User is the login there.
	User string `yaml:"user" need:"sealgate"`
	// PasswordFile has the password on its first line, mode 0600. SFTP also answers keyboard-interactive with it.
	PasswordFile string `yaml:"password_file" eg:"./secrets/acme-ftps"`
	// KeyFile is an OpenSSH private key to log in with (SFTP), or the key of client_certificate (FTPS), mode 0600.
	KeyFile string `yaml:"key_file" eg:"./secrets/acme-sftp.key"`
	// PassphraseFile has the passphrase of key_file on its first line, mode 0600.
	PassphraseFile string `yaml:"passphrase_file" eg:"./secrets/acme-sftp.pass"`
	// ClientCertificate is a PEM file with the certificate to show to an FTPS server that wants one; key_file is its key.
	ClientCertificate string `yaml:"client_certificate" eg:"./secrets/acme-ftps.crt"`
	// Trust says by what the server is known. Without it nothing is connected to.
	Trust Trust `yaml:"trust" need:"{ca: ./acme-ca.pem}"`
	// Legacy are weak algorithms that this one old server still needs (SSH names, like ssh-rsa or
	// diffie-hellman-group14-sha1; for FTPS: tls1.0, tls1.1). Each login with one is told in the log. For FTPS also
	// no-close-notify: this server never ends a data connection as TLS demands.
	Legacy []string `yaml:"legacy" eg:"[ssh-rsa]"`
	// Silence is how long the server may say nothing before the connection is given up.
	Silence time.Duration `yaml:"silence" default:"30s" min:"1s"`
	// Fetch says which files are taken from it, and when.
	Fetch *Fetch `yaml:"fetch"`
	// Send says where receipts and what is in the account's outbox are delivered to.
	Send *Send `yaml:"send"`
	// Expect says by when a file should have come from it.
	Expect *Expect `yaml:"expect"`
}

// Trust is by what a server is known: host_key for SFTP; ca or pin, or both, for FTPS.
type Trust struct {
	// HostKey is the server's public key ("ssh-ed25519 AAAA...") or its fingerprint ("SHA256:..."), or several of them.
	HostKey []string `yaml:"host_key" or:"text" eg:"['SHA256:uNiVztksCsDhcc0u9e8BrmcPGN0FcZkKrYwy5BxjVdw']"`
	// CA is a PEM file with the certificates that may sign the server's, or the word system: those of this machine.
	CA string `yaml:"ca" eg:"./acme-ca.pem"`
	// Pin is sha256: and the hash of the server's certificate (DER) in hex. With ca, both must be right.
	Pin string `yaml:"pin" eg:"sha256:0c7d...9e"`
}

// Fetch says which files are taken from a remote, when, and what becomes of them there.
type Fetch struct {
	// Match are globs of names to take, without folders.
	Match []string `yaml:"match" or:"text" default:"['*']" eg:"'*.xml'"`
	// Ignore are globs of names to leave, without folders: hidden files, and those still being written.
	Ignore []string `yaml:"ignore" or:"text" default:"['.*', '*.part', '*.tmp', '*.filepart', '*.partial']" eg:"['.*', '*.bak']"`
	// Every is how often the remote is looked at; about, so that many remotes do not go at once. Either every or at.
	Every time.Duration `yaml:"every" eg:"1m" min:"5s"`
	// At are times of day at which it is looked at, in zone.
	At []string `yaml:"at" or:"text" eg:"['06:30', '12:00']"`
	// Zone is the time zone of at.
	Zone string `yaml:"zone" default:"Europe/Stockholm" eg:"UTC"`
	// Folders: the folders in it are looked at too, ten deep.
	Folders string `yaml:"folders" default:"no" one:"yes no"`
	// Largest: longer files are left there and told in the log; max_file_size if left out.
	Largest int64 `yaml:"largest" eg:"200MiB" min:"1B"`
	// Oldest: older files are left there; all are taken if left out.
	Oldest time.Duration `yaml:"oldest" eg:"14d" min:"1m"`
	// Ready: when a file is whole. looks: two looks found the same size and time. renamed: at once, since the customer renames
	// into place. *.done: when a file of that name stands beside it, * being the file's name; the marker goes with it.
	Ready string `yaml:"ready" default:"looks" eg:"'*.done'"`
	// After: what becomes of a file there once it is safe here: delete, keep, or rename:FOLDER.
	After string `yaml:"after" need:"delete"`
}

// Send says where things are delivered to.
type Send struct {
	// Path is the folder there.
	Path string `yaml:"path" need:"/in"`
	// Receipts: a receipt of each file that came in by any door is delivered.
	Receipts string `yaml:"receipts" default:"yes" one:"yes no"`
}

// Expect says by when a file should have come; if none has, one warning is given before that time and one after. A file
// counts when it was accepted or is held.
type Expect struct {
	// By is the time of day by which the gateway has it.
	By string `yaml:"by" need:"'16:00'"`
	// Since is the time of day from which on a file counts for the next such day: midnight, or the evening before (18:00 for a
	// file of the night that must be there by 06:30). What comes on a day between, as on a Saturday, counts for the next one.
	Since string `yaml:"since" default:"00:00" eg:"'18:00'"`
	// Days: which days: bank days of calendar, monday to friday, or all.
	Days string `yaml:"days" default:"bank" one:"bank weekdays all"`
	// Calendar is whose bank days: SE (Swedish) or TARGET (the euro's).
	Calendar string `yaml:"calendar" default:"SE" one:"SE TARGET"`
	// Zone is the time zone of by and since.
	Zone string `yaml:"zone" default:"Europe/Stockholm" eg:"UTC"`
	// Warn is how long before that the first warning is given.
	Warn time.Duration `yaml:"warn" default:"30m" min:"1m"`
}

// Schemes of a remote's URL.
const (
	SchemeSFTP  = "sftp"
	SchemeFTPS  = "ftps"  // TLS from the first byte
	SchemeFTPES = "ftpes" // TLS after AUTH TLS
)

// Server is what a remote's URL says: which protocol, HOST:PORT, and the folder ("" for the one that the login begins in).
func (r *Remote) Server() (scheme, address, folder string) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return "", "", "" // Load refused it
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{SchemeSFTP: "22", SchemeFTPS: "990", SchemeFTPES: "21"}[u.Scheme]
	}
	folder = u.Path
	if folder != "/" {
		folder = strings.TrimSuffix(folder, "/")
	}
	return u.Scheme, net.JoinHostPort(u.Hostname(), port), folder
}

// Whole is a folder of this remote as its server knows it; "" is that of the URL. It begins with a slash, unless only the
// server knows where the login begins.
func (r *Remote) Whole(folder string) string {
	_, _, base := r.Server()
	if path.IsAbs(folder) {
		return path.Clean(folder)
	}
	return path.Join(base, folder)
}

// Puts tells whether the gateway itself puts things into this folder of the remote: what it has delivered there, or moved
// away, is not to be fetched.
func (r *Remote) Puts(folder string) bool {
	moved, moves := "", false
	if r.Fetch != nil {
		moved, moves = strings.CutPrefix(r.Fetch.After, "rename:")
	}
	whole := r.Whole(folder)
	return moves && moved != "" && r.Whole(moved) == whole || r.Send != nil && r.Whole(r.Send.Path) == whole
}

// Takes tells whether a file of this plain name is one to fetch.
func (f *Fetch) Takes(name string) bool {
	matches := func(glob string) bool {
		ok, _ := path.Match(glob, name) // Load refused bad globs
		return ok
	}
	return slices.ContainsFunc(f.Match, matches) && !slices.ContainsFunc(f.Ignore, matches)
}

var (
	clockForm = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	pinForm   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	hostForm  = regexp.MustCompile(`^(SHA256:[A-Za-z0-9+/]{43}|(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*)( .*)?$`)
)

// remote checks one remote of an account.
func (l *loading) remote(at string, a *Account, r *Remote) {
	p := l.places[at]
	if r.Name != "" && !idForm.MatchString(r.Name) {
		l.note(l.places[at+".name"], shown(r.Name)+" is not a name: a-z A-Z 0-9 . _ -, at most 64, beginning with a letter or digit")
	}
	scheme := l.remoteURL(at, r)
	l.remoteSecrets(at, r, scheme)
	l.trust(at, r, scheme)
	if r.Fetch == nil && r.Send == nil && !l.tried(at+".fetch") && !l.tried(at+".send") {
		l.note(p, "has neither fetch nor send, so there is nothing to do with it")
	}
	if r.Fetch != nil {
		l.fetch(at+".fetch", a, r.Fetch)
	}
	if r.Send != nil && r.Send.Path != "" && !cleanFolder(r.Send.Path) {
		l.note(l.places[at+".send.path"], shown(r.Send.Path)+" is not a folder, written like /in")
	}
	if r.Fetch != nil && scheme != "" && r.Puts("") {
		l.note(p, "fetches from the folder that it delivers to or moves files to, so it would fetch those again")
	}
	if r.Expect != nil {
		l.expect(at+".expect", r.Expect)
		if r.Fetch == nil && !l.tried(at+".fetch") {
			l.note(l.places[at+".expect"], "nothing is fetched from this remote, so nothing can come from it")
		}
	}
	if scheme != "" && l.examine.Remote != nil && !l.wrongBelow(at) {
		if warning, err := l.examine.Remote(r); err != nil {
			l.note(p, err.Error())
		} else if warning != "" {
			l.warn(p, warning, "")
		}
	}
}

func (l *loading) tried(at string) bool { _, ok := l.places[at]; return ok }

// remoteURL checks the URL and gives its scheme, "" if it is wrong.
func (l *loading) remoteURL(at string, r *Remote) string {
	if r.URL == "" {
		return ""
	}
	p := l.places[at+".url"]
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		l.note(p, shown(r.URL)+" is not a URL, like ftps://files.acme.example/out")
	case u.Scheme == "ftp":
		l.note(p, "plain ftp sends passwords and payments in clear; use sftp://, ftps:// or ftpes://")
	case u.Scheme != SchemeSFTP && u.Scheme != SchemeFTPS && u.Scheme != SchemeFTPES:
		l.note(p, shown(u.Scheme)+" is not sftp, ftps or ftpes")
	case u.User != nil:
		l.note(p, "has a login in it; write user: and password_file:") // not shown: it may hold a password
	case u.RawQuery != "" || u.Fragment != "":
		l.note(p, shown(r.URL)+" has something behind its folder; take it out, or write %3F and %23")
	case !hostName.MatchString(u.Hostname()) && net.ParseIP(u.Hostname()) == nil:
		l.note(p, shown(u.Hostname())+" is neither an address nor a host name")
	case u.Port() != "" && !portNumber(u.Port()):
		l.note(p, shown(u.Port())+" is not a port, 1 to 65535")
	case u.Path != "" && u.Path != "/" && !cleanFolder(strings.TrimSuffix(u.Path, "/")):
		l.note(p, shown(u.Path)+" is not a folder, written like /out")
	default:
		return u.Scheme
	}
	return ""
}

func portNumber(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && plainInt.MatchString(s)
}

// cleanFolder tells whether a folder is written in one way only.
func cleanFolder(s string) bool { return s == path.Clean(s) && !strings.HasPrefix(s, "..") && s != "." }

// remoteSecrets checks how to log in.
func (l *loading) remoteSecrets(at string, r *Remote, scheme string) {
	for _, s := range []struct {
		key  string
		file *string
	}{{"password_file", &r.PasswordFile}, {"key_file", &r.KeyFile}, {"passphrase_file", &r.PassphraseFile}} {
		if written := *s.file; written != "" {
			p := l.places[at+"."+s.key]
			*s.file = l.absolute(p, written)
			l.file(p, written, *s.file, 0o077, l.examine.Remote != nil)
		}
	}
	if written := r.ClientCertificate; written != "" {
		p := l.places[at+".client_certificate"]
		r.ClientCertificate = l.absolute(p, written)
		l.file(p, written, r.ClientCertificate, 0, l.examine.Remote != nil)
	}
	switch p := l.places[at]; {
	case scheme == SchemeSFTP && r.ClientCertificate != "":
		l.note(l.places[at+".client_certificate"], "is for ftps and ftpes; sftp logs in with key_file")
	case scheme != "" && scheme != SchemeSFTP && (r.ClientCertificate == "") != (r.KeyFile == ""):
		l.note(p, "client_certificate and key_file belong together")
	case r.PassphraseFile != "" && r.KeyFile == "":
		l.note(l.places[at+".passphrase_file"], "needs a key_file beside it")
	case scheme == SchemeSFTP && r.PasswordFile == "" && r.KeyFile == "" && !l.tried(at+".password_file") && !l.tried(at+".key_file"):
		l.note(p, "has no password_file and no key_file, so nobody can log in")
	case scheme != "" && scheme != SchemeSFTP && r.PasswordFile == "" && r.ClientCertificate == "" && !l.tried(at+".password_file"):
		l.note(p, "has no password_file, so nobody can log in")
	}
}

// trust checks by what the server is known.
func (l *loading) trust(at string, r *Remote, scheme string) {
	t, at := &r.Trust, at+".trust"
	p := l.places[at]
	if !l.tried(at) || scheme == "" || l.examine.Untrusted {
		return // noted: it is missing, or the URL is wrong
	}
	for i, key := range t.HostKey {
		if key != "" && !hostForm.MatchString(key) {
			l.note(l.places[fmt.Sprintf("%s.host_key.%d", at, i)], shown(key)+` is neither a public key ("ssh-ed25519 AAAA...") nor a fingerprint ("SHA256:...")`)
		}
	}
	if t.Pin != "" && !pinForm.MatchString(t.Pin) {
		l.note(l.places[at+".pin"], shown(t.Pin)+" is not sha256: and 64 hex digits in lower case")
	}
	if t.CA != "" && t.CA != "system" {
		place, written := l.places[at+".ca"], t.CA
		t.CA = l.absolute(place, written)
		l.file(place, written, t.CA, 0, l.examine.Remote != nil)
	}
	const more = "; `sealgate remotes test` shows what the server shows, ready to paste"
	switch tls := t.CA != "" || t.Pin != "" || l.tried(at+".ca") || l.tried(at+".pin"); {
	case scheme == SchemeSFTP && tls:
		l.note(p, "ca and pin are for ftps and ftpes; sftp servers are known by their host_key")
	case scheme == SchemeSFTP && len(t.HostKey) == 0 && !l.tried(at+".host_key"):
		l.note(p, "has no host_key"+more)
	case scheme != SchemeSFTP && len(t.HostKey) > 0:
		l.note(p, "host_key is for sftp; ftps servers are known by ca or pin")
	case scheme != SchemeSFTP && !tls:
		l.note(p, "has neither ca nor pin"+more)
	}
}

func (l *loading) fetch(at string, a *Account, f *Fetch) {
	p := l.places[at]
	for key, globs := range map[string][]string{"match": f.Match, "ignore": f.Ignore} {
		for i, glob := range globs {
			place, ok := l.places[fmt.Sprintf("%s.%s.%d", at, key, i)]
			_, err := path.Match(glob, "")
			switch {
			case !ok || glob == "":
			case err != nil:
				l.note(place, shown(glob)+" is not a pattern; a [ needs its ]")
			case strings.Contains(glob, "/"):
				l.note(place, shown(glob)+" has a slash, and names have none")
			}
		}
	}
	every, at2 := l.tried(at+".every"), l.tried(at+".at")
	if every == at2 {
		l.note(p, "needs either every or at")
	}
	for i, clock := range f.At {
		l.clock(fmt.Sprintf("%s.at.%d", at, i), clock)
	}
	l.zone(at+".zone", f.Zone)
	if f.Largest == 0 || f.Largest > a.MaxFileSize {
		f.Largest = a.MaxFileSize
	}
	if r := f.Ready; r != "looks" && r != "renamed" && (strings.Count(r, "*") != 1 || r == "*" || strings.Contains(r, "/")) {
		l.note(l.places[at+".ready"], shown(r)+" is not looks, renamed, or a name with one *, like *.done")
	}
	folder, rename := strings.CutPrefix(f.After, "rename:")
	switch {
	case f.After == "" || f.After == "delete" || f.After == "keep":
	case !rename:
		l.note(l.places[at+".after"], shown(f.After)+" is not delete, keep or rename:FOLDER")
	case !cleanFolder(folder) || folder == "":
		l.note(l.places[at+".after"], shown(folder)+" is not a folder, written like done or /archive")
	}
}

func (l *loading) expect(at string, e *Expect) {
	if e.By != "" {
		l.clock(at+".by", e.By)
	}
	l.clock(at+".since", e.Since)
	if e.By == e.Since && e.By != "" {
		l.note(l.places[at+".by"], "is the time of since, so a late file could not be told from the next day's")
	}
	l.zone(at+".zone", e.Zone)
}

func (l *loading) clock(at, s string) {
	if s != "" && !clockForm.MatchString(s) {
		l.note(l.places[at], shown(s)+" is not a time of day, like 16:00")
	}
}

func (l *loading) zone(at, name string) {
	if _, err := time.LoadLocation(name); err != nil && name != "" {
		l.note(l.places[at], shown(name)+" is not a time zone, like Europe/Stockholm or UTC")
	}
}

// wrongBelow reports whether a mistake was noted somewhere in a remote.
func (l *loading) wrongBelow(at string) bool {
	p := l.places[at]
	return slices.ContainsFunc(l.list, func(m Mistake) bool {
		return m.File == p.file && strings.HasPrefix(m.Text, p.show) // "accounts[acme].remotes[x]"
	})
}
