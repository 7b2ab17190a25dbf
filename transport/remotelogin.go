package transport

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"regexp"
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
	log      *slog.Logger

	mu       sync.Mutex
	answered bool
	told     []string // the weak algorithms that the log has
}

var (
	errQuestion = errors.New("the server asks for something else than a password")
	errPassword = errors.New("the server does not take the password")
)

func newSSHLogin(r *config.Remote, log *slog.Logger) (*sshLogin, error) {
	l := &sshLogin{log: log.With("remote", r.Name)}
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

// answer answers a keyboard-interactive server: the password to one question for it whose answer is not shown, and nothing
// else.
func (l *sshLogin) answer(_, _ string, questions []string, shown []bool) ([]string, error) {
	switch {
	case len(questions) == 0:
		return nil, nil
	case len(questions) > 1 || shown[0] || !asksPassword(questions[0]):
		return nil, errQuestion
	}
	password, err := l.once()
	return []string{password}, err
}

var (
	// passwordWords are in questions for a password, in the languages of banks that we may meet.
	passwordWords = regexp.MustCompile(`(?i)passw|passphrase|l(?:ö|o)senord|kennwort|passord|adgangskode|salasana|mot de passe|wachtwoord|contrase(?:ñ|n)a|senha|has(?:ł|l)o`)
	// otherWords are in questions for what only looks like one: a code that is used once, or a new password.
	otherWords = regexp.MustCompile(`(?i)passcode|one.?time|\botp\b|token|eng(?:å|a)ngs|einmal|\b(?:new|nytt|neues|ny|nyt|uusi)\b`)
)

// asksPassword tells whether a question is one for the password. Some servers ask without a word.
func asksPassword(question string) bool {
	question = strings.TrimSpace(question)
	return question == "" || passwordWords.MatchString(question) && !otherWords.MatchString(question)
}

// tellingSigner tells when the server has us sign with a weak algorithm.
type tellingSigner struct {
	ssh.MultiAlgorithmSigner
	login *sshLogin
}

func (s tellingSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s.login.tell([]string{algorithm})
	return s.MultiAlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}

// tell writes a line to the log for the weak ones among some algorithms that are about to be used.
func (l *sshLogin) tell(used []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	weak := names(weakAlgorithms())
	slices.Sort(used)
	used = slices.DeleteFunc(slices.Compact(used), func(a string) bool { return !slices.Contains(weak, a) || slices.Contains(l.told, a) })
	if len(used) > 0 {
		l.told = append(l.told, used...)
		l.log.Warn(weakWords+strings.Join(used, ", "), "step", stepLogin)
	}
}

// agreed are the algorithms of a connection.
func agreed(client *ssh.Client) []string {
	known, ok := client.Conn.(ssh.AlgorithmsConnMetadata)
	if !ok {
		return nil
	}
	a := known.Algorithms()
	return []string{a.KeyExchange, a.HostKey, a.Read.Cipher, a.Write.Cipher, a.Read.MAC, a.Write.MAC}
}

// chosen are the algorithms on which we agree with a server, given its first words: its name and, still in clear, what it
// offers. The library tells them only after the login, when a password has gone over them already.
func chosen(ours ssh.Algorithms, heard []byte) (used []string) {
	name := regexp.MustCompile(`(?m)^SSH-[^\n]*\n`).FindIndex(heard)
	if name == nil || len(heard) < name[1]+5 {
		return nil
	}
	packet := heard[name[1]:]
	length, padding := int64(binary.BigEndian.Uint32(packet)), int64(packet[4])
	if length+4 > int64(len(packet)) || length-padding < 1 {
		return nil
	}
	var offer struct { // RFC 4253, 7.1
		Cookie                  [16]byte `sshtype:"20"`
		KeyExchanges, HostKeys  []string
		CiphersOut, CiphersIn   []string
		MACsOut, MACsIn         []string
		CompressOut, CompressIn []string
		LanguageOut, LanguageIn []string
		Guessed                 bool
		Reserved                uint32
	}
	if ssh.Unmarshal(packet[5:4+length-padding], &offer) != nil {
		return nil
	}
	first := func(ours, theirs []string) string { // our order decides
		i := slices.IndexFunc(ours, func(a string) bool { return slices.Contains(theirs, a) })
		if i < 0 {
			return ""
		}
		return ours[i]
	}
	used = []string{first(ours.KeyExchanges, offer.KeyExchanges), first(ours.HostKeys, offer.HostKeys)}
	for _, way := range [][2][]string{{offer.CiphersOut, offer.MACsOut}, {offer.CiphersIn, offer.MACsIn}} {
		cipher := first(ours.Ciphers, way[0])
		used = append(used, cipher)
		if !strings.Contains(cipher, "gcm") && !strings.Contains(cipher, "poly1305") { // these need no MAC
			used = append(used, first(ours.MACs, way[1]))
		}
	}
	return used
}
