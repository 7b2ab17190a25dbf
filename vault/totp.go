package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The codes of the second factor are those of RFC 6238 as every app makes them: HMAC-SHA-1, 30 seconds, 6 digits.
// SHA-1 is as good as any here: HMAC needs no collision resistance.
const (
	codeStep      = 30 // seconds
	codeDigits    = 6
	codeDrift     = 1 // steps that a clock may be off, either way
	secretSize    = 20
	recoveryCodes = 10
	recoverySize  = 16 // bytes of a recovery code's hash

	factorVersion = 1
)

var errFactor = errors.New("vault: the second factor does not open: damaged, of another user, or of another unlock key")

// SecondFactor is what a user's codes are checked against. It is kept sealed
// (SealFactor), and sealed anew after each use: a code is good once.
type SecondFactor struct {
	secret   [secretSize]byte
	last     uint64 // step of the code used last
	recovery [][recoverySize]byte
}

// NewSecondFactor makes a secret and ten recovery codes, which are known to nobody but their owner from then on.
func NewSecondFactor() (f *SecondFactor, codes []string) {
	f = &SecondFactor{}
	rand.Read(f.secret[:]) // never fails
	for range recoveryCodes {
		code := strings.ToLower(rand.Text()[:12]) // 60 bits: no guess at its hash will do
		f.recovery = append(f.recovery, recoveryHash(code))
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:])
	}
	return f, codes
}

// URI is what an app is told, by a QR code or by hand: otpauth://totp/...
func (f *SecondFactor) URI(issuer, login string) string {
	label := url.PathEscape(issuer + ":" + login)
	return fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d", label, f.Secret(),
		strings.ReplaceAll(url.QueryEscape(issuer), "+", "%20"), codeDigits, codeStep)
}

// Secret is the secret as apps take it by hand: base32.
func (f *SecondFactor) Secret() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(f.secret[:])
}

// Left is how many recovery codes have not been used.
func (f *SecondFactor) Left() int { return len(f.recovery) }

// Use takes a code if it is right at this time and was not used: six digits of an app, or a recovery code. After true
// the factor has changed, and is to be kept before anybody is let in.
func (f *SecondFactor) Use(code string, now time.Time) bool {
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, strings.ToLower(code))
	step := uint64(now.Unix()) / codeStep
	good := uint64(0)
	for s := step - codeDrift; s <= step+codeDrift; s++ {
		right := totp(f.secret[:], s, codeDigits)
		if subtle.ConstantTimeCompare([]byte(right), []byte(code)) == 1 && s > f.last {
			good = s
		}
	}
	if good > 0 {
		f.last = good
		return true
	}
	hash, found := recoveryHash(code), -1
	for i, h := range f.recovery {
		if subtle.ConstantTimeCompare(h[:], hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	f.recovery = append(f.recovery[:found:found], f.recovery[found+1:]...)
	return true
}

// totp is the code of a step (RFC 4226, 5.3).
func totp(secret []byte, step uint64, digits int) string {
	h := hmac.New(sha1.New, secret)
	h.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	code := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	modulus := uint32(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, code%modulus)
}

func recoveryHash(code string) (out [recoverySize]byte) {
	sum := sha256.Sum256([]byte(code))
	copy(out[:], sum[:])
	return out
}

// SealFactor gives a user's second factor in the form in which it is kept:
//
//	nonce (12 bytes) ‖ AES-256-GCM of
//	    version 1 (1 byte) ‖ secret (20) ‖ step of the last code (8, big-endian) ‖ SHA-256 of each recovery code (16 each, cut)
//	under HKDF(key of the user index, "sealgate v1 second factor"), with the user's id as additional data.
//
// That key outlives a change of the unlock key, as users and their apps do.
// The database is encrypted too; this lock is for whoever reads the opened database, a backup of it or a dump.
func (k *UnlockKey) SealFactor(user string, f *SecondFactor) ([]byte, error) {
	aead, err := k.factorCipher()
	if err != nil {
		return nil, err
	}
	plain := append([]byte{factorVersion}, f.secret[:]...)
	plain = binary.BigEndian.AppendUint64(plain, f.last)
	for _, h := range f.recovery {
		plain = append(plain, h[:]...)
	}
	return aead.Seal(nil, nil, plain, []byte(user)), nil
}

// OpenFactor is the reverse of SealFactor.
func (k *UnlockKey) OpenFactor(user string, sealed []byte) (*SecondFactor, error) {
	aead, err := k.factorCipher()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(user))
	if err != nil || len(plain) < 1+secretSize+8 || plain[0] != factorVersion || (len(plain)-1-secretSize-8)%recoverySize != 0 {
		return nil, errFactor
	}
	f := &SecondFactor{last: binary.BigEndian.Uint64(plain[1+secretSize:])}
	copy(f.secret[:], plain[1:])
	for rest := plain[1+secretSize+8:]; len(rest) > 0; rest = rest[recoverySize:] {
		f.recovery = append(f.recovery, [recoverySize]byte(rest[:recoverySize]))
	}
	return f, nil
}

func (k *UnlockKey) factorCipher() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.pepper[:], nil, "sealgate v1 second factor", 32)
	if err != nil {
		return nil, fmt.Errorf("vault: second factor: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("vault: second factor: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
