package transport

import (
	"context"
	"errors"
	"time"

	"golang.org/x/crypto/ssh"
)

// guestKey is where a login's outcome travels in ssh.Permissions. Nothing else carries it: what a callback leaves behind
// elsewhere may belong to a key that was only offered (CVE-2024-45337). What is proven by one step of several travels in the
// callbacks that are made for the next, after the step was taken.
type guestKey struct{}

const (
	// longestLogin bounds a login's name before it is looked up.
	longestLogin = 255
	// mostQuestions bounds one dialogue: a password, a code, and some tries at a new password.
	mostQuestions = 6
)

var errLogin = errors.New("not let in")

// login is the login of one connection.
type login struct {
	ctx    context.Context
	door   *SFTP
	c      *connection
	warned bool // a lock-out is said once a connection, not once for each key of an agent
}

// serverConfig is the shared configuration with the callbacks of one connection, which need its context and address.
func (s *SFTP) serverConfig(ctx context.Context, c *connection) *ssh.ServerConfig {
	server := *s.server
	l := &login{ctx: ctx, door: s, c: c}
	first := l.callbacks(&More{Ask: AskPassword})
	server.PasswordCallback = first.PasswordCallback
	server.KeyboardInteractiveCallback = first.KeyboardInteractiveCallback // some clients offer nothing but this, and mean a password
	server.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		_, err := l.key(meta, key, false)
		return nil, err // only a question so far: whoever may come in is decided below
	}
	server.VerifiedPublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
		return l.key(meta, key, true)
	}
	return &server
}

// callbacks are those for what is asked next.
func (l *login) callbacks(more *More) (next ssh.ServerAuthCallbacks) {
	next.KeyboardInteractiveCallback = func(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		return l.dialogue(meta, ask, *more)
	}
	if more.Ask == AskPassword {
		next.PasswordCallback = func(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			guest, err := l.admit(meta, LoginTry{So: more.So, Ask: AskPassword, Password: password})
			return l.outcome(meta, guest, err)
		}
	}
	return next
}

// key offers a key or a user certificate to the house.
func (l *login) key(meta ssh.ConnMetadata, key ssh.PublicKey, proven bool) (*ssh.Permissions, error) {
	try := LoginTry{PublicKey: key.Marshal(), Proven: proven}
	if cert, ok := key.(*ssh.Certificate); ok {
		var err error
		if try.Authority, err = vouched(cert, l.door.house.Trusts, meta.User(), l.c.addr, time.Now()); err != nil {
			l.door.log.Debug("certificate refused", "door", "sftp", "addr", l.c.addr, "err", err.Error())
			return nil, errLogin
		}
	}
	guest, err := l.admit(meta, try)
	if err == nil && !proven {
		return nil, nil
	}
	return l.outcome(meta, guest, err)
}

// dialogue asks what the house wants to know, one question after the other, in one keyboard-interactive exchange.
func (l *login) dialogue(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge, more More) (*ssh.Permissions, error) {
	for range mostQuestions {
		try, err := answer(ask, more)
		if err != nil {
			return nil, errLogin
		}
		guest, err := l.admit(meta, try)
		next := (*More)(nil)
		if !errors.As(err, &next) {
			return l.outcome(meta, guest, err)
		}
		more = *next
	}
	return nil, errLogin
}

// answer puts one question to the client.
func answer(ask ssh.KeyboardInteractiveChallenge, more More) (LoginTry, error) {
	try := LoginTry{So: more.So, Ask: more.Ask}
	say, questions, echo := oneLine(more.Say), []string{"Password: "}, []bool{false}
	switch more.Ask {
	case AskCode:
		questions = []string{"Code: "}
	case AskNewPassword:
		questions, echo = []string{"New password: ", "New password again: "}, []bool{false, false}
	}
	for {
		answers, err := ask("", say, questions, echo)
		switch {
		case err != nil:
			return try, err
		case len(answers) != len(questions):
			return try, errLogin
		}
		switch more.Ask {
		case AskPassword:
			try.Password = []byte(answers[0])
		case AskCode:
			try.Code = answers[0]
		case AskNewPassword:
			if answers[0] != answers[1] {
				if say == notTheSame { // twice: whoever it is has had his chance
					return try, errLogin
				}
				say = notTheSame
				continue
			}
			try.NewPassword = []byte(answers[0])
		}
		return try, nil
	}
}

const notTheSame = "the two are not the same."

// admit asks the house.
func (l *login) admit(meta ssh.ConnMetadata, try LoginTry) (Guest, error) {
	if len(meta.User()) > longestLogin {
		return Guest{}, errLogin
	}
	try.Door, try.Login, try.Addr = "sftp", meta.User(), l.c.addr
	try.Client = string(meta.ClientVersion())
	guest, err := l.door.house.Admit(l.ctx, try)
	var refusal *Refusal
	var more *More
	if try.Password != nil && err != nil && !errors.As(err, &refusal) && !errors.As(err, &more) { // not paused, and not right so far
		l.c.guesses.Add(1)
	}
	return guest, err
}

// outcome is what the library is told of Admit's answer.
func (l *login) outcome(meta ssh.ConnMetadata, guest Guest, err error) (*ssh.Permissions, error) {
	var refusal *Refusal
	var more *More
	switch {
	case errors.As(err, &more):
		if early, ok := meta.(ssh.ServerPreAuthConn); ok && more.Ask == AskNewPassword {
			// Whoever cannot be asked (curl, a batch) is told at least.
			early.SendAuthBanner("sealgate: " + oneLine(more.Say) + "\r\n")
		}
		return nil, &ssh.PartialSuccessError{Next: l.callbacks(more)}
	case errors.As(err, &refusal) && !l.warned:
		l.warned = true
		return nil, &ssh.BannerError{Err: errLogin, Message: "sealgate: " + oneLine(refusal.Sentence) + "\r\n"}
	case err != nil:
		return nil, errLogin
	}
	return &ssh.Permissions{ExtraData: map[any]any{guestKey{}: guest}}, nil
}
