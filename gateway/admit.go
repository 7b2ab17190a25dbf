package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sealgate/sealgate/config"
	"github.com/sealgate/sealgate/indexer"
	"github.com/sealgate/sealgate/transport"
)

// touchEvery is how exact "last login" is.
const touchEvery = time.Minute

// errNo is all that a client learns of a refused login.
var errNo = errors.New("login refused")

// visit is one step of a login, with what is known of the one who takes it.
type visit struct {
	transport.LoginTry
	user    *indexer.User // nil: there is none of this name
	account *account      // nil: there is none, or no user
	methods methods
	factor  [32]byte // if a code was proven: which second factor it would be of now
	who     string   // under what its wrong guesses are counted; "" for a key, which cannot be guessed
	where   string
}

// Admit takes one step of a login: it gives a guest, or *transport.More when the step was right and another is wanted. An
// unknown login costs as much as a wrong password, and is told the same; so is a user whom an operator must unlock.
func (g *Gateway) Admit(ctx context.Context, try transport.LoginTry) (transport.Guest, error) {
	v, err := g.visitOf(ctx, try)
	if err != nil {
		g.log.Error("login refused", "door", try.Door, "why", "registry", "err", err)
		return transport.Guest{}, errNo
	}
	if try.PublicKey != nil {
		if until := g.logins.locked(v.where); !until.IsZero() {
			return g.paused(v, until)
		}
		return g.admitKey(ctx, v)
	}
	pause, done, err := g.logins.approach(ctx, v.who, v.where, g.guessesAtOnce())
	switch {
	case err != nil: // the connection is gone
		return transport.Guest{}, errNo
	case !pause.address.IsZero():
		return g.paused(v, pause.address)
	}
	defer done()
	if !pause.login.IsZero() {
		return g.shutOut(ctx, v, pause.login)
	}
	if v, err = g.visitOf(ctx, try); err != nil { // anew: the guesses that were waited for may have locked the user
		g.log.Error("login refused", "door", try.Door, "why", "registry", "err", err)
		return transport.Guest{}, errNo
	}
	if try.Ask == transport.AskNewPassword {
		return g.admitNewPassword(ctx, v)
	}
	return g.admitSecret(ctx, v)
}

// guessesAtOnce is how many guesses at one login may be looked at at once: one, where a few lock some user, so that each sees what those
// before it were counted as. It is the same for all, or strangers could tell which logins are such a user's.
func (g *Gateway) guessesAtOnce() int {
	for a := range g.known() {
		if n := a.Passwords.LockAfter; n > 0 && n < triesOfUser {
			return 1
		}
	}
	return triesOfUser
}

// shutOut turns away a login that was guessed at too often, as a wrong guess at one that there is not: strangers in several networks
// may have paused the one and not the other, so that a word of it would tell which is which.
func (g *Gateway) shutOut(ctx context.Context, v *visit, until time.Time) (transport.Guest, error) {
	if v.Ask == transport.AskPassword {
		if _, err := g.checkPassword(ctx, nil, v.Password); err != nil {
			g.refused(v, "busy", 0, time.Time{})
			return transport.Guest{}, errNo
		}
	}
	if _, err := g.registry.Refused(ctx, "", g.now(), false, 0); err != nil {
		g.log.Debug("refused login not noted", "err", err)
	}
	g.logins.wrong("", v.where)
	g.refused(v, "locked", 0, until)
	return transport.Guest{}, errNo
}

// paused turns away an address that has guessed too often.
func (g *Gateway) paused(v *visit, until time.Time) (transport.Guest, error) {
	g.refused(v, "locked", 0, until)
	return transport.Guest{}, &transport.Refusal{Sentence: fmt.Sprintf(
		"too many wrong logins from your address; try again after %s UTC, or ask your contact.", until.UTC().Format("15:04"))}
}

// visitOf finds out who knocks, and under what his wrong guesses are counted: one tally over all addresses, whether there is
// such a login or not, or strangers could tell the one from the other by when they are paused.
func (g *Gateway) visitOf(ctx context.Context, try transport.LoginTry) (*visit, error) {
	blind := g.unlock.Blind(try.Login)
	v := &visit{LoginTry: try, where: "addr:" + network(try.Addr).String()}
	var err error
	if v.user, err = g.registry.UserByBlind(ctx, blind); err != nil && !errors.Is(err, indexer.ErrNotFound) {
		return nil, err
	}
	if v.user != nil {
		if v.account = g.out(v.user.Account); v.account == nil { // he learns so after he has proven who he is, and no stranger does
			v.account = g.account(v.user.Account)
		}
		v.methods = methodsOf(v.user)
		if try.So.Code {
			if v.factor, err = g.factorOf(v.user); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case try.PublicKey != nil: // a lock on it would only let strangers keep a customer out
	case try.So.Key: // ... and so would one on what is asked after it, were the strangers' guesses counted with these
		v.who = "after:" + string(blind[:])
	case v.barred() == notAllowed: // ... or those of strangers in networks that are kept out anyway
		v.who = "outside:" + string(blind[:])
	default:
		v.who = "user:" + string(blind[:])
	}
	return v, nil
}

// admitKey looks at a public key or a user certificate. Clients offer every key they have before the right one: a key that
// is not known is no guess, and says nothing about whether there is such a login.
func (g *Gateway) admitKey(ctx context.Context, v *visit) (transport.Guest, error) {
	if v.user == nil || !v.methods.key.open {
		return transport.Guest{}, errNo
	}
	if !hasKey(v.user.PublicKeys, v.PublicKey) && (v.account == nil || !hasKey(v.account.userCA, v.Authority)) {
		return transport.Guest{}, errNo
	}
	if why := v.barred(); why != "" {
		g.refused(v, why, 0, time.Time{})
		return transport.Guest{}, errNo
	}
	if !v.Proven {
		return transport.Guest{Account: v.user.Account, User: v.user.ID, Addr: v.Addr}, nil
	}
	with := v.PublicKey
	if v.Authority != nil {
		with = v.Authority
	}
	return g.goOn(ctx, v, transport.Progress{User: v.user.ID, Key: true, With: with})
}

// admitSecret looks at a password or a code. Whoever it is and whatever is wrong, a password is hashed, a row of the
// registry is looked for and written, and the try is counted.
func (g *Gateway) admitSecret(ctx context.Context, v *visit) (transport.Guest, error) {
	why := v.barred()
	switch {
	case why != "":
	case !v.expects(v.Ask):
		why = "not-this-way" // by a method that this user has not, or out of turn
	case !v.user.LockedAt.IsZero():
		why = "user-locked"
	}
	so, wrong := v.So, "wrong-code"
	var good bool
	var err error
	if v.Ask == transport.AskPassword {
		good, err = g.checkPassword(ctx, v.user, v.Password)
		so.Password, wrong = true, "wrong-password"
	} else if why == "" {
		good, so.Factor, err = g.useCode(ctx, v.user, v.Code)
		so.Code = true
	}
	if err != nil {
		g.refused(v, "busy", 0, time.Time{})
		return transport.Guest{}, errNo
	}
	if why == "" && good {
		if so.User = v.user.ID; v.Ask == transport.AskPassword {
			so.Set = v.user.PasswordAt
		}
		return g.goOn(ctx, v, so)
	}
	guess := why == "" // only one that could have come in counts towards a lock that an operator must lift
	if guess {
		why = wrong
	}
	g.wrong(ctx, v, why, guess)
	return transport.Guest{}, errNo
}

// goOn lets somebody in who has proven enough, or asks for the rest.
func (g *Gateway) goOn(ctx context.Context, v *visit, so transport.Progress) (transport.Guest, error) {
	if ask, more := v.methods.next(so); more {
		return transport.Guest{}, &transport.More{Ask: ask, So: so}
	}
	if v.account.fault != nil {
		g.refused(v, "out-of-service", 0, time.Time{})
		return transport.Guest{}, errOutOfService
	}
	if so.Password && g.stale(v) {
		say := "your password is too old and must be changed."
		if v.user.OneTime {
			say = "your password was made for one login and must be changed."
		}
		return transport.Guest{}, &transport.More{Ask: transport.AskNewPassword, So: so, Say: say}
	}
	return g.letIn(ctx, v, so)
}

// letIn is the end of a login that went well.
func (g *Gateway) letIn(ctx context.Context, v *visit, so transport.Progress) (transport.Guest, error) {
	g.logins.forget(v.who) // nobody's with a key: a robot must not wash away the guesses at its owner's password
	g.touch(ctx, v.user, so.Password || so.Code)
	g.learnName(ctx, v)
	entered := g.noteLogin(ctx, v, so)
	g.log.Debug("login", "account", v.user.Account, "door", v.Door, "user", v.user.ID, "addr", v.Addr)
	return transport.Guest{Account: v.user.Account, User: v.user.ID, Addr: v.Addr, Entered: entered}, nil
}

// wrong counts a wrong guess and writes it down. Also for an unknown login the registry is asked, so that it takes as long.
func (g *Gateway) wrong(ctx context.Context, v *visit, why string, guess bool) {
	id, lockAfter := "", 0
	if v.user != nil {
		id = v.user.ID
	}
	if v.account != nil {
		lockAfter = v.account.Passwords.LockAfter
	}
	locked, err := g.registry.Refused(ctx, id, g.now(), guess, lockAfter)
	if err != nil && v.user != nil {
		g.log.Error("refused login not noted", "user", id, "err", err)
	}
	tries, until := g.logins.wrong(v.who, v.where)
	g.refused(v, why, tries, until)
	g.noteRefusal(ctx, v, why, until)
	if locked {
		g.log.Warn("user locked", "account", v.user.Account, "user", id, "tries", lockAfter)
		g.noteLater(ctx, v.account, kindUserLocked, "sealgate", id)
	}
}

// notAllowed is why nobody gets in from a network that is kept out.
const notAllowed = "not-allowed"

// barred says why nobody could come in this way, whatever he proves; "" if somebody could.
func (v *visit) barred() string {
	switch {
	case v.user == nil:
		return "unknown-user"
	case v.account == nil:
		return "no-account"
	case !v.account.reach.admits(v.Addr), !reachOf(v.user).admits(v.Addr):
		return notAllowed
	case v.So.User != "" && v.So.User != v.user.ID:
		return "not-this-way"
	case v.So.Key && !hasKey(v.user.PublicKeys, v.So.With) && !hasKey(v.account.userCA, v.So.With), v.So.Password && !v.So.Set.Equal(v.user.PasswordAt),
		v.So.Code && v.So.Factor != v.factor:
		return "revoked" // since it was proven: whoever has it must not end his login with it
	}
	return ""
}

// Welcome says whether any account lets somebody in from an address.
func (g *Gateway) Welcome(addr netip.Addr) bool {
	none := true
	for a := range g.known() {
		if none = false; a.reach.admits(addr) {
			return true
		}
	}
	return none
}

// Trusts says whether any account takes the user certificates of an authority.
func (g *Gateway) Trusts(authority []byte) bool {
	for a := range g.known() {
		if hasKey(a.userCA, authority) {
			return true
		}
	}
	return false
}

// reach is from where one may log in.
type reach struct{ allow, deny []netip.Prefix }

// newReach reads lists of networks that were checked when they were written.
func newReach(allow, deny []string) (r reach) {
	parse := func(list []string) (out []netip.Prefix) {
		for _, s := range list {
			prefix, err := config.ParseNetwork(s)
			if err != nil { // of a later version, or damaged: what is not understood admits nobody, and bars everybody
				prefix = netip.Prefix{}
			}
			out = append(out, prefix)
		}
		return out
	}
	return reach{parse(allow), parse(deny)}
}

func reachOf(u *indexer.User) reach { return newReach(u.AllowFrom, u.DenyFrom) }

func (r reach) admits(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	in := func(p netip.Prefix) bool { return p.Contains(addr) }
	barred := slices.ContainsFunc(r.deny, func(p netip.Prefix) bool { return !p.IsValid() || in(p) })
	return !barred && (len(r.allow) == 0 || slices.ContainsFunc(r.allow, in))
}

func hasKey(keys [][]byte, offered []byte) bool {
	found := 0
	for _, key := range keys {
		found |= subtle.ConstantTimeCompare(key, offered)
	}
	return found == 1 && len(offered) > 0
}

// touch notes the time of a login, at most once in touchEvery, since each note is a write, and ends the count of wrong
// guesses if what they guessed at was given.
func (g *Gateway) touch(ctx context.Context, user *indexer.User, guessed bool) {
	now := g.now()
	if now.Sub(user.LastLogin).Abs() < touchEvery && (user.Failures == 0 || !guessed) {
		return
	}
	if err := g.registry.Touch(ctx, user.ID, now, guessed); err != nil {
		g.log.Error("last login not noted", "user", user.ID, "err", err)
	}
}

// refused writes the operator's line. The name that was typed is never in it: people type passwords there.
func (g *Gateway) refused(v *visit, why string, tries int, until time.Time) {
	var args []any
	if v.user != nil {
		args = append(args, "account", v.user.Account, "user", v.user.ID)
	}
	args = append(args, "door", v.Door, "addr", v.Addr, "why", why)
	if tries > 0 {
		args = append(args, "tries", tries)
	}
	if !until.IsZero() {
		args = append(args, "locked", until.Sub(g.now()).Round(time.Second))
	}
	client, _, _ := strings.Cut(strings.TrimPrefix(plain(v.Client), "SSH-2.0-"), " ")
	args = append(args, slog.String("client", client[:min(len(client), 60)]))
	g.log.Warn("login refused", args...)
}
