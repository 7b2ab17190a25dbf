package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// check looks at what the walk could not see: files, and values that depend on each other. It makes paths absolute and
// fills the defaults that are not constants. What is empty here was noted by the walk, or is left out.
func (l *loading) check(c *Config) {
	l.listen(c.SFTP.Listen)
	l.dataDir(&c.DataDir)
	l.unlockKey(c)
	l.operators(c)
	l.hostKeys(&c.SFTP)
	if _, ok := l.places["accounts"]; len(c.Accounts) == 0 && !l.wrong("accounts") {
		p := place{file: c.File, line: 1, show: "accounts"}
		if ok {
			p = l.places["accounts"]
		}
		l.warn(p, "there are none, so nobody can log in", "")
	}
	first := map[string]int{} // by lower-case id
	for i, a := range c.Accounts {
		at := fmt.Sprintf("accounts.%d", i)
		if j, twice := first[strings.ToLower(a.ID)]; twice && a.ID != "" {
			l.sameID(i, j, a.ID, c.Accounts[j].ID)
		} else {
			first[strings.ToLower(a.ID)] = i
		}
		l.account(at, a)
	}
	l.overlaps(c)
}

// wrong reports whether a mistake was noted at a key itself.
func (l *loading) wrong(at string) bool {
	p := l.places[at]
	return slices.ContainsFunc(l.list, func(m Mistake) bool {
		return m.File == p.file && m.Line == p.line && strings.HasPrefix(m.Text, p.show+": ")
	})
}

// sameID notes two accounts that would share a folder: on a disk that does not tell cases apart, Acme is acme.
func (l *loading) sameID(i, j int, id, other string) {
	p, q := l.places[fmt.Sprintf("accounts.%d.id", i)], l.places[fmt.Sprintf("accounts.%d.id", j)]
	where := fmt.Sprintf("on line %d", q.line)
	if p.file != q.file {
		where = fmt.Sprintf("in %s:%d", q.file, q.line)
	}
	switch {
	case p == q:
		l.note(p, "is there twice, by an alias")
	case id == other:
		l.note(p, "is there twice, first "+where)
	default:
		l.note(p, fmt.Sprintf("differs only in case from %s %s; both would be one folder", other, where))
	}
}

// account checks one account.
func (l *loading) account(at string, a *Account) {
	if a.ID != "" && !idForm.MatchString(a.ID) {
		l.note(l.places[at+".id"], shown(a.ID)+" is not an id: a-z A-Z 0-9 . _ -, at most 64, beginning with a letter or digit")
	}
	if a.Name == "" {
		a.Name = a.ID
	}
	if certificate, ok := l.places[at+".certificate"]; !ok {
		if a.AfterIndexing == "seal" {
			l.note(l.places[at+".after_indexing"], "seal needs a certificate: FILE")
		}
		for _, reason := range Reasons() {
			if a.Policy[reason] == "hold" {
				l.note(l.places[at+".policy."+reason], "hold needs a certificate, since a held file is always sealed")
			}
		}
		if a.Protected() {
			l.note(l.places[at+".protect_database"], "needs a certificate, which it is protected by")
		}
		if len(a.AccessKeys) > 0 {
			l.note(l.places[at+".access_keys"], "need a certificate beside them")
		}
		if p, ok := l.places[at+".recovery_certificate"]; ok {
			l.note(p, "needs a certificate beside it")
		}
	} else if a.Certificate != "" {
		a.Certificate = l.certificate(certificate, a.Certificate,
			"make a new one: sealgate cert new "+a.ID+" --out new")
	}
	if recovery, ok := l.places[at+".recovery_certificate"]; ok && a.RecoveryCertificate != "" {
		a.RecoveryCertificate = l.certificate(recovery, a.RecoveryCertificate, "")
	}
	for i, key := range a.AccessKeys {
		if key != "" {
			a.AccessKeys[i] = l.certificate(l.places[fmt.Sprintf("%s.access_keys.%d", at, i)], key, "")
		}
	}
	names := map[string]bool{}
	for i, r := range a.Remotes {
		at := fmt.Sprintf("%s.remotes.%d", at, i)
		if names[strings.ToLower(r.Name)] && r.Name != "" {
			l.note(l.places[at+".name"], "is there twice")
		}
		names[strings.ToLower(r.Name)] = true
		l.remote(at, a, r)
	}
	if a.Expect != nil {
		l.expect(at+".expect", a.Expect)
	}
	if key, ok := l.places[at+".bgc_seal_key_file"]; ok && a.BGCSealKeyFile != "" {
		a.BGCSealKeyFile = l.sealKey(key, a.BGCSealKeyFile)
	}
	if p, ok := l.places[at+".user_ca"]; ok && a.UserCA != "" {
		a.UserCA = l.userCA(p, a.UserCA)
	}
	l.networks(at+".allow_from", a.AllowFrom)
	l.networks(at+".deny_from", a.DenyFrom)
	for i, glob := range a.PartialNames {
		p, ok := l.places[fmt.Sprintf("%s.partial_names.%d", at, i)]
		if ok && glob != "" {
			l.partialName(p, glob)
		}
	}
}

// partialName checks a glob of names under which clients upload before they rename.
func (l *loading) partialName(p place, glob string) {
	_, err := path.Match(glob, "")
	switch {
	case err != nil:
		l.note(p, shown(glob)+" is not a pattern; a [ needs its ]")
	case strings.Contains(glob, "/"):
		l.note(p, shown(glob)+" has a slash, and names have none")
	case strings.Trim(glob, "*") == "":
		l.note(p, shown(glob)+" is every name, so that no upload would ever be complete")
	}
}

// listen checks HOST:PORT. A name as host is looked up at the start, not here.
func (l *loading) listen(address string) {
	if address == "" {
		return
	}
	p := l.places["sftp.listen"]
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.note(p, shown(address)+" is not ADDRESS:PORT, like 127.0.0.1:2022 or [::1]:2022")
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || !plainInt.MatchString(port) || n > 65535 {
		l.note(p, shown(port)+" is not a port, 0 to 65535")
	}
	_, err = netip.ParseAddr(host)
	allDigits := strings.Trim(host, "0123456789.") == "" // 127.0.0.256 is no host name
	if host != "" && err != nil && (allDigits || !hostName.MatchString(host)) {
		l.note(p, shown(host)+" is neither an address nor a host name")
	}
}
