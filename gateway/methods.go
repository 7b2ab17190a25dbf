package gateway

import (
	"strings"

	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// methods is how a user logs in: by a key, by a password, or by either, each of them alone or with a second thing after it.
type methods struct{ key, password way }

// way is one method: whether it is the user's, and what is asked for after its first step.
type way struct {
	open bool
	then string // "", "password" or "totp"
}

const methodsHint = "key, password, key+password, key+totp, password+totp, or one with a key and one without: key,password+totp"

// parseMethods reads what operators write.
func parseMethods(text string) (m methods, err error) {
	for _, one := range strings.Split(text, ",") {
		first, then, _ := strings.Cut(one, "+")
		w := &m.password
		if first == "key" {
			w = &m.key
		}
		right := one == "key" || one == "password" || one == "key+password" || one == "key+totp" || one == "password+totp"
		if !right || w.open {
			return methods{}, &No{Text: "no way to log in: " + plain(text), Hint: "--login " + methodsHint, Wrong: true}
		}
		*w = way{open: true, then: then}
	}
	return m, nil
}

// methodsOf are a user's. One of the first version comes in by whatever it has.
func methodsOf(u *indexer.User) methods {
	if u.Methods == "" {
		return methods{key: way{open: len(u.PublicKeys) > 0}, password: way{open: u.PasswordHash != ""}}
	}
	m, err := parseMethods(u.Methods)
	if err != nil { // of a later version: better nobody than one without his second factor
		return methods{}
	}
	return m
}

func (m methods) String() string {
	var list []string
	for _, w := range []struct {
		way
		first string
	}{{m.key, "key"}, {m.password, "password"}} {
		if w.open && w.then != "" {
			w.first += "+" + w.then
		}
		if w.open {
			list = append(list, w.first)
		}
	}
	return strings.Join(list, ",")
}

// asks says whether any way takes a password, or a code.
func (m methods) asks(what string) bool {
	return m.key.open && m.key.then == what || m.password.open && (m.password.then == what || what == "password")
}

// next is what is asked of one who has proven so much by his first step; more is false when it is enough.
func (m methods) next(so transport.Progress) (ask transport.Question, more bool) {
	w, done := m.password, so.Code
	if so.Key {
		w = m.key
	}
	if w.then == "password" {
		ask, done = transport.AskPassword, so.Password
	} else {
		ask = transport.AskCode
	}
	return ask, w.then != "" && !done
}

// expects says whether an answer to this question is the next step of this user's login. It is asked for users that are there.
func (v *visit) expects(ask transport.Question) bool {
	if !v.So.Key && !v.So.Password {
		return ask == transport.AskPassword && v.methods.password.open
	}
	if v.So.Key && !v.methods.key.open || !v.So.Key && !v.methods.password.open {
		return false // taken away meanwhile
	}
	next, more := v.methods.next(v.So)
	if !more { // all is proven: only an old password keeps him out
		return ask == transport.AskNewPassword && v.So.Password
	}
	return ask == next
}
