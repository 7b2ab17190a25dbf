package transport

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// SignatureNamespace is what operators' signatures are made for: ssh-keygen -Y sign -n sealgate.
const SignatureNamespace = "sealgate"

// Bounds of what is read of operators and their signatures.
const (
	mostOperators    = 1000     // keys
	longestOperators = 1 << 20  // bytes of the file
	longestSignature = 64 << 10 // bytes, armoured
)

// Operators are those who may sign: the lines of a file of allowed signers (ssh-keygen(1)). Each line is one name and one key, so that two
// names are two persons; patterns and certificate authorities, which would blur that, are refused.
type Operators []operator

type operator struct {
	name          string
	key           ssh.PublicKey
	namespaces    []string // patterns; none: all
	after, before time.Time
}

// Signer is who has signed.
type Signer struct {
	Name string // as operators has it
	Key  string // "ssh-ed25519 SHA256:..."
}

var operatorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9@._+-]{0,99}$`)

// ReadOperators reads a file of allowed signers, with its text: at least two names.
func ReadOperators(path string) (Operators, []byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > longestOperators {
		err = fmt.Errorf("%s: longer than %d bytes", path, longestOperators)
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	o, err := ParseOperators(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return o, text, nil
}

// ParseOperators reads the text of such a file. Its errors are for operators.
func ParseOperators(text []byte) (Operators, error) {
	var list Operators
	names, no := map[string]bool{}, 0
	for line := range bytes.Lines(text) {
		no++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		o, err := parseOperator(string(line))
		if err == nil && slices.ContainsFunc(list, func(other operator) bool { return bytes.Equal(other.key.Marshal(), o.key.Marshal()) }) {
			err = errors.New("the key is there twice, so a signature by it would not tell whose it is")
		}
		if err == nil && len(list) == mostOperators {
			err = fmt.Errorf("more than %d keys", mostOperators)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", no, err)
		}
		list, names[o.name] = append(list, o), true
	}
	if len(names) < 2 {
		return nil, fmt.Errorf("names %d, and at least 2 must be there, each with a key: one signs what the other has signed", len(names))
	}
	return list, nil
}

// parseOperator reads NAME [OPTIONS] KEY-TYPE KEY [COMMENT].
func parseOperator(line string) (o operator, err error) {
	name, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	o.name = strings.Trim(name, `"`)
	switch {
	case strings.ContainsAny(name, ",*?!"):
		return o, fmt.Errorf("%s is a list or a pattern; write one name a line, so that two names are two persons", printable(name))
	case !operatorName.MatchString(o.name):
		return o, fmt.Errorf("%s is not a name: a-z A-Z 0-9 @ . _ + -, at most 100, beginning with a letter or digit", printable(name))
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(rest)))
	if err != nil {
		return o, errors.New(`not a line like "anna ssh-ed25519 AAAA..."`)
	}
	if o.key = key; strong(key) != nil {
		return o, strong(key)
	}
	seen := map[string]bool{}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		key, value = strings.ToLower(key), strings.Trim(value, `"`)
		if seen[key] {
			return o, fmt.Errorf("%s is there twice", printable(key))
		}
		seen[key] = true
		switch key {
		case "namespaces":
			o.namespaces = strings.Split(value, ",")
			if value == "" || strings.Contains(value, "!") {
				return o, errors.New("namespaces takes names and patterns, and no negated ones")
			}
		case "valid-after":
			o.after, err = signatureTime(value)
		case "valid-before":
			o.before, err = signatureTime(value)
		case "cert-authority":
			err = errors.New("cert-authority: certificates are not taken here; write the operators' own keys")
		default:
			err = fmt.Errorf("option %s is not known: namespaces, valid-after, valid-before", printable(key))
		}
		if err != nil {
			return o, err
		}
	}
	return o, nil
}

// signatureTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, of this machine's zone or with a Z.
func signatureTime(s string) (time.Time, error) {
	zone, digits := time.Local, s
	if rest, utc := strings.CutSuffix(s, "Z"); utc {
		zone, digits = time.UTC, rest
	}
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	at, err := time.ParseInLocation(layout, digits, zone)
	if layout == "" || err != nil {
		return time.Time{}, fmt.Errorf("%s is not a time, like 20271231 or 202712312359Z", printable(s))
	}
	return at, nil
}

// valid says why a key may not sign now; nil if it may.
func (o *operator) valid(now time.Time) error {
	ours := func(pattern string) bool { return globMatches(pattern, SignatureNamespace) }
	switch {
	case o.namespaces != nil && !slices.ContainsFunc(o.namespaces, ours):
		return fmt.Errorf("the namespaces of %s's key have no %q", o.name, SignatureNamespace)
	case !o.after.IsZero() && now.Before(o.after):
		return fmt.Errorf("%s's key is valid from %s on", o.name, o.after.Format(time.DateTime))
	case !o.before.IsZero() && now.After(o.before):
		return fmt.Errorf("%s's key was valid until %s", o.name, o.before.Format(time.DateTime))
	}
	return nil
}

// globMatches is OpenSSH's match_pattern: * is any run of characters, ? is one.
func globMatches(pattern, s string) bool {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	ok, err := regexp.MatchString("^(?s:"+expression+")$", s)
	return ok && err == nil
}

// Names are the operators' names, each once, in the order of the file.
func (o Operators) Names() (names []string) {
	for _, one := range o {
		if !slices.Contains(names, one.name) {
			names = append(names, one.name)
		}
	}
	return names
}

// Doubt says that fewer than two of them could sign now; "" if enough can.
func (o Operators) Doubt(now time.Time) string {
	able := Operators(slices.DeleteFunc(slices.Clone(o), func(one operator) bool { return one.valid(now) != nil })).Names()
	if len(able) >= 2 {
		return ""
	}
	return fmt.Sprintf("only %d of the names have a key that may sign now, and changes wait for 2: see valid-after, valid-before and namespaces", len(able))
}

// Verify says who has signed a text, as `ssh-keygen -Y sign -n sealgate` writes it. Of RSA the library takes only SHA-2, and of a security key
// only what it signed when it was touched. Its errors are for operators.
func (o Operators) Verify(text, armoured []byte, now time.Time) (Signer, error) {
	if len(armoured) > longestSignature {
		return Signer{}, errors.New("that is too long for a signature")
	}
	sig, err := sshsig.Unarmor(armoured)
	if err != nil {
		return Signer{}, errors.New("not an SSH signature, as ssh-keygen -Y sign makes it")
	}
	key := sig.PublicKey.Type() + " " + ssh.FingerprintSHA256(sig.PublicKey)
	at := slices.IndexFunc(o, func(one operator) bool { return bytes.Equal(one.key.Marshal(), sig.PublicKey.Marshal()) })
	if at < 0 {
		return Signer{}, fmt.Errorf("signed by a key that is not in operators: %s", key)
	}
	if err := o[at].valid(now); err != nil {
		return Signer{}, err
	}
	if sig.Namespace != SignatureNamespace {
		return Signer{}, fmt.Errorf("signed for namespace %s; sign with -n %s", printable(sig.Namespace), SignatureNamespace)
	}
	if err := sshsig.Verify(bytes.NewReader(text), sig, o[at].key, sig.HashAlgorithm, SignatureNamespace); err != nil {
		return Signer{}, errors.New("the signature does not fit what waits now")
	}
	return Signer{Name: o[at].name, Key: key}, nil
}
