package config

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// fetching is a remote that is fetched from, with what is needed to see who else comes there. A hub may have thousands on one login, and every
// command reads the configuration.
type fetching struct {
	*Remote
	account, at   string
	login, folder string // server and user; whole
}

// overlaps warns of a remote that would take what another one takes: such a file goes to the one that looks first.
func (l *loading) overlaps(c *Config) {
	var all []*fetching
	there := map[[2]string][]*fetching{} // by login and folder
	for i, a := range c.Accounts {
		for k, r := range a.Remotes {
			if _, address, _ := r.Server(); address != "" && r.Fetch != nil {
				one := &fetching{r, a.ID, fmt.Sprintf("accounts.%d.remotes.%d", i, k), strings.ToLower(address) + " " + r.User, r.Whole("")}
				place := [2]string{one.login, one.folder}
				all, there[place] = append(all, one), append(there[place], one)
			}
		}
	}
	for _, one := range all {
		if other, name := one.besides(there); other != nil {
			p := l.places[other.at]
			l.warn(l.places[one.at+".fetch"], fmt.Sprintf("takes files like %s from where %s (%s:%d) takes them too",
				shown(name), p.show, p.file, p.line), "each goes to the one that looks first; let match, ignore or the folder tell them apart")
		}
	}
}

// besides gives a remote that takes what this one takes, and a name that both would: one before it in the same folder, or one that comes
// down to it from a folder above. Where a login begins, only the server knows.
func (f *fetching) besides(there map[[2]string][]*fetching) (*fetching, string) {
	for folder := f.folder; ; folder = path.Dir(folder) {
		for _, other := range there[[2]string{f.login, folder}] {
			if other == f { // those behind it meet it themselves
				break
			}
			if folder != f.folder && (other.Fetch.Folders != "yes" || other.Puts(f.folder)) {
				continue
			}
			if f.account != other.account && f.Fetch.After == "keep" && other.Fetch.After == "keep" { // each has all of it
				continue
			}
			if name := bothTake(f.Fetch, other.Fetch); name != "" {
				return other, name
			}
		}
		if folder == path.Dir(folder) {
			return nil, ""
		}
	}
}

// bothTake gives a name that both would take, "" if none comes to mind: it is no proof that there is none.
func bothTake(a, b *Fetch) string {
	for _, x := range a.Match {
		for _, y := range b.Match {
			if apart(x, y) {
				continue
			}
			for _, name := range []string{like(x, "x"), like(y, "x"), like(x, like(y, "x")), like(y, like(x, "x"))} {
				if a.Takes(name) && b.Takes(name) {
					return name
				}
			}
		}
	}
	return ""
}

// apart tells at once of most globs that match no name in common: they begin or end with other letters.
func apart(x, y string) bool {
	const parts = `*?[]\`
	begin, other := x+"*", y+"*"
	begin, other = begin[:strings.IndexAny(begin, parts)], other[:strings.IndexAny(other, parts)]
	end, another := x[strings.LastIndexAny(x, parts)+1:], y[strings.LastIndexAny(y, parts)+1:]
	return !strings.HasPrefix(begin, other) && !strings.HasPrefix(other, begin) || !strings.HasSuffix(end, another) && !strings.HasSuffix(another, end)
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
