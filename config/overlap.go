package config

import (
	"fmt"
	"regexp"
	"strings"
)

// overlaps warns of a remote that would take what another one takes: such a file goes to the one that looks first.
func (l *loading) overlaps(c *Config) {
	type fetching struct {
		*Remote
		at string
	}
	logins := map[string][]fetching{} // by server and user
	for i, a := range c.Accounts {
		for k, r := range a.Remotes {
			_, address, _ := r.Server()
			if address == "" || r.Fetch == nil {
				continue
			}
			one, login := fetching{r, fmt.Sprintf("accounts.%d.remotes.%d", i, k)}, strings.ToLower(address)+" "+r.User
			for _, other := range logins[login] {
				if name := bothTake(r, other.Remote); name != "" {
					first := l.places[other.at]
					l.warn(l.places[one.at+".fetch"], fmt.Sprintf("takes files like %s from where %s (%s:%d) takes them too",
						shown(name), first.show, first.file, first.line), "each goes to the one that looks first; let match, ignore or the folder tell them apart")
					break
				}
			}
			logins[login] = append(logins[login], one)
		}
	}
}

// bothTake gives a name that two remotes of one login would both take, "" if none comes to mind: it is no proof that there is none.
func bothTake(a, b *Remote) string {
	if !a.looksInto(b.Whole("")) && !b.looksInto(a.Whole("")) {
		return ""
	}
	for _, x := range a.Fetch.Match {
		for _, y := range b.Fetch.Match {
			for _, name := range []string{like(x, "x"), like(y, "x"), like(x, like(y, "x")), like(y, like(x, "x"))} {
				if a.Fetch.Takes(name) && b.Fetch.Takes(name) {
					return name
				}
			}
		}
	}
	return ""
}

// looksInto tells whether this remote's looks come to a whole folder. Where a login begins, only the server knows.
func (r *Remote) looksInto(folder string) bool {
	own := r.Whole("")
	return folder == own || own != "" && r.Fetch.Folders == "yes" && strings.HasPrefix(folder, strings.TrimSuffix(own, "/")+"/")
}

// globParts are the parts of a glob that do not stand for themselves.
var globParts = regexp.MustCompile(`\\.|\[[^^\]][^\]]*\]|[*?]`)

// like is a name that a glob matches, mostly, with a text in the place of each star.
func like(glob, star string) string {
	return globParts.ReplaceAllStringFunc(glob, func(part string) string {
		switch part[0] {
		case '*':
			return star
		case '?':
			return "x"
		}
		return string([]rune(part)[1]) // what is escaped, or the first of a class
	})
}
