package vault

import (
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password hash: argon2id over 19 MiB, twice, in one lane
// (OWASP's second choice): 30 ms, and a login flood does not fill the memory.
const (
	hashMemory = 19456 // KiB
	hashTime   = 2
	hashLanes  = 1
	saltSize   = 16
	hashSize   = 32

	maxPassword = 1024 // bytes
)

// DummyHash is the hash of a password that nobody knows. Checking against it
// costs what every other check costs, so that an unknown name takes as long to
// refuse as a known one.
const DummyHash = "$argon2id$v=19$m=19456,t=2,p=1$c2VhbGdhdGUtZHVtbXkxMg$jO0eB2PqvXj3kpDqC9rVfRrWm0sGq1M0y3bY1b1qk7Y"

var errPHC = errors.New("vault: not a password hash made here")

// HashPassword returns the PHC string of a password: argon2id, v=19, m=19456,
// t=2, p=1, a random salt of 16 bytes and a hash of 32.
func HashPassword(pw []byte) (string, error) {
	if len(pw) == 0 || len(pw) > maxPassword {
		return "", fmt.Errorf("vault: a password has 1 to 1024 bytes, not %d", len(pw))
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	p := phc{memory: hashMemory, time: hashTime, lanes: hashLanes, salt: salt}
	p.hash = p.compute(pw, hashSize)
	return p.String(), nil
}

// CheckPassword says whether the password is the hash's. An error means that
// the hash is unreadable or dearer than any we make (64 MiB, 10 passes, 4
// lanes): the database does not decide how much memory a login takes.
// It takes 19 MiB and about 30 ms; the caller bounds how many run at once.
func CheckPassword(hash string, pw []byte) (ok bool, err error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	if len(pw) > maxPassword {
		pw = pw[:0]
	}
	return subtle.ConstantTimeCompare(p.compute(pw, len(p.hash)), p.hash) == 1, nil
}

// PasswordOutdated says whether a hash was made with less effort than we spend
// today, so that the password should be hashed anew when it is next known.
func PasswordOutdated(hash string) bool {
	p, err := parsePHC(hash)
	return err == nil && (p.memory < hashMemory || p.time < hashTime)
}

// phc is a parsed "$argon2id$v=19$m=M,t=T,p=P$SALT$HASH".
type phc struct {
	memory, time uint32
	lanes        uint8
	salt, hash   []byte
}

func (p *phc) compute(pw []byte, size int) []byte {
	return argon2.IDKey(pw, p.salt, p.time, p.memory, p.lanes, uint32(size))
}

// String writes the one form that parsePHC reads.
func (p *phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", p.memory, p.time, p.lanes,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.hash))
}

func parsePHC(s string) (*phc, error) {
	if len(s) > 256 {
		return nil, errPHC
	}
	part := strings.Split(s, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != "v=19" {
		return nil, errPHC
	}
	cost := strings.Split(part[3], ",")
	if len(cost) != 3 {
		return nil, errPHC
	}
	var v [3]uint64
	for i, bound := range [3]struct {
		name     string
		min, max uint64
	}{{"m=", 8, 64 << 10}, {"t=", 1, 10}, {"p=", 1, 4}} {
		digits, ok := strings.CutPrefix(cost[i], bound.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || n < bound.min || n > bound.max || strconv.FormatUint(n, 10) != digits {
			return nil, errPHC
		}
		v[i] = n
	}
	p := &phc{memory: uint32(v[0]), time: uint32(v[1]), lanes: uint8(v[2])}
	var err error
	b64 := base64.RawStdEncoding.Strict()
	if p.salt, err = b64.DecodeString(part[4]); err != nil || len(p.salt) < 8 || len(p.salt) > 64 {
		return nil, errPHC
	}
	if p.hash, err = b64.DecodeString(part[5]); err != nil || len(p.hash) < 16 || len(p.hash) > 64 || p.memory < 8*uint32(p.lanes) {
		return nil, errPHC
	}
	if p.String() != s { // base64 that skips line breaks, say
		return nil, errPHC
	}
	return p, nil
}

//go:embed words.txt
var words string // 512 short words, a line each

// NewPassword makes a password for people: four of 512 words and a number of
// two digits, "quiet-otter-maple-lamp-17". There are 6.2e12 of them (42 bits).
func NewPassword() string {
	list := strings.Fields(words)
	var b strings.Builder
	for range 4 {
		b.WriteString(list[below(len(list))])
		b.WriteByte('-')
	}
	return b.String() + strconv.Itoa(10+below(90))
}

// below returns a number from 0 to n-1, every one as likely.
func below(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return int(v.Int64())
}
