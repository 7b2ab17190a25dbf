package transport

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/sealgate/sealgate/config"
)

// sshLogin is how to log in to one server: with a key, a password, or both. It answers for the password once: a server that
// refused it would count a second try as another failure, and one that asks a second question asks for something else.
type sshLogin struct {
	key      ssh.MultiAlgorithmSigner
	password string

	mu       sync.Mutex
	answered bool
	signed   []string // the algorithms that the key signed with
}

var (
	errQuestion = errors.New("the server asks for more than a password")
	errPassword = errors.New("the server does not take the password")
)

func newSSHLogin(r *config.Remote) (*sshLogin, error) {
	l := &sshLogin{}
	var err error
	if r.KeyFile != "" {
		if l.key, err = readSigner(r); err != nil {
			return nil, err
		}
	}
	if r.PasswordFile != "" {
		if l.password, err = secret(r.PasswordFile); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *sshLogin) methods() (methods []ssh.AuthMethod) {
	l.answered = false
	if l.key != nil {
		methods = append(methods, ssh.PublicKeys(tellingSigner{l.key, l}))
	}
	if l.password != "" {
		methods = append(methods, ssh.PasswordCallback(l.once), ssh.KeyboardInteractive(l.answer))
	}
	return methods
}

// once gives the password, the first time.
func (l *sshLogin) once() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answered {
		return "", errPassword
	}
	l.answered = true
	return l.password, nil
}

// answer answers a keyboard-interactive server: the password to one question whose answer is not shown, and nothing else.
func (l *sshLogin) answer(_, _ string, questions []string, shown []bool) ([]string, error) {
	switch {
	case len(questions) == 0:
		return nil, nil
	case len(questions) > 1 || shown[0]:
		return nil, errQuestion
	}
	password, err := l.once()
	return []string{password}, err
}

// tellingSigner notes with which algorithm the server had us sign.
type tellingSigner struct {
	ssh.MultiAlgorithmSigner
	login *sshLogin
}

func (s tellingSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s.login.mu.Lock()
	s.login.signed = append(s.login.signed, algorithm)
	s.login.mu.Unlock()
	return s.MultiAlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}

// tellSSH writes a line to the log for each weak algorithm that a session uses.
func tellSSH(log *slog.Logger, r *config.Remote, client *ssh.Client, login *sshLogin) {
	used := slices.Clone(login.signed)
	if known, ok := client.Conn.(ssh.AlgorithmsConnMetadata); ok {
		a := known.Algorithms()
		used = append(used, a.KeyExchange, a.HostKey, a.Read.Cipher, a.Write.Cipher, a.Read.MAC, a.Write.MAC)
	}
	slices.Sort(used)
	weak := names(weakAlgorithms())
	used = slices.DeleteFunc(slices.Compact(used), func(a string) bool { return !slices.Contains(weak, a) })
	if len(used) > 0 {
		log.Warn("logged in with weak algorithms: "+strings.Join(used, ", "), "remote", r.Name, "step", stepLogin)
	}
}
