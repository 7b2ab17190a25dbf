package vault

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"errors"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PasswordRule is what a new password must be like.
type PasswordRule string

// The rules. Whichever it is, a password is not one of the commonest, and not the login.
const (
	RuleLong    PasswordRule = "long"    // at least 12 characters, of any kind: a sentence will do
	RuleClassic PasswordRule = "classic" // at least 8, of them 2 digits and 2 letters: what older agreements ask for
)

// common holds the ten thousand passwords that are used most, and the six
// hundred commonest first names: of each the first commonSize bytes of its
// SHA-256, in order. Only which words are common is taken from anywhere (the
// frequencies that zxcvbn 4.4.2 counts), and of the words nothing is kept.
// TestCommon -common FILE makes it anew from a list, a word a line.
//
//go:embed common.bin
var common []byte

const commonSize = 5

// CheckNewPassword says in one sentence what is wrong with a password that
// somebody wants to have, or nil.
func (r PasswordRule) CheckNewPassword(login string, password []byte) error {
	pw := string(password)
	letters, digits := 0, 0
	for _, c := range pw {
		if unicode.IsLetter(c) {
			letters++
		}
		if unicode.IsDigit(c) {
			digits++
		}
	}
	n := utf8.RuneCountInString(pw)
	switch {
	case !utf8.ValidString(pw) || strings.ContainsFunc(pw, unicode.IsControl):
		return errors.New("a password is text without control characters")
	case len(pw) > maxPassword:
		return errors.New("a password has at most 1024 bytes")
	case r == RuleClassic && (n < 8 || letters < 2 || digits < 2):
		return errors.New("a password has at least 8 characters, of them 2 letters and 2 digits")
	case r != RuleClassic && n < 12:
		return errors.New("a password has at least 12 characters; a few words are easy to remember")
	case isLogin(pw, login):
		return errors.New("the login is in the password; take another")
	case isCommon(pw):
		return errors.New("that password is one of the commonest, or hardly more; take another")
	}
	return nil
}

// isLogin reports whether a password is the login with decoration.
func isLogin(pw, login string) bool {
	if login == "" { // it is not known to whoever sets the password
		return false
	}
	pw, login = strings.ToLower(pw), strings.ToLower(login)
	if utf8.RuneCountInString(login) < 4 { // "kim" is in many words; alone it is too short anyway
		return core(pw) == login
	}
	return strings.Contains(pw, login)
}

// isCommon reports whether a password is one of the commonest, as it is or with what people put around it to please a
// rule: capitals, digits and signs before and after, the same again, letters of leet.
func isCommon(pw string) bool {
	pw = strings.ToLower(pw)
	if isRun(pw) {
		return true
	}
	plain := strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace
	for _, word := range []string{pw, core(pw), plain(core(pw)), core(plain(pw))} {
		if unit := once(word); listed(word) || listed(unit) || isRun(unit) && len(unit) > 1 {
			return true
		}
	}
	return false
}

// core is a password without the digits and signs before and after its letters.
func core(pw string) string {
	return strings.TrimFunc(pw, func(r rune) bool { return !unicode.IsLetter(r) })
}

// once is the piece of which a word is a repetition; the word itself if it is none.
func once(word string) string {
	for n := 1; n <= len(word)/2; n++ {
		if len(word)%n == 0 && strings.Repeat(word[:n], len(word)/n) == word {
			return word[:n]
		}
	}
	return word
}

// isRun reports whether each character is as far from the last: aaaaaaaa, 123456789012, zyxwvuts.
func isRun(s string) bool {
	if len(s) < 2 {
		return len(s) == 1
	}
	step := (int(s[1]) - int(s[0]) + 10) % 10
	if step != 0 && step != 1 && step != 9 {
		return false
	}
	for i := 2; i < len(s); i++ {
		if (int(s[i])-int(s[i-1])+10)%10 != step {
			return false
		}
	}
	return true
}

func listed(word string) bool {
	if word == "" {
		return false
	}
	key := commonKey(word)
	i := sort.Search(len(common)/commonSize, func(i int) bool {
		return bytes.Compare(common[i*commonSize:(i+1)*commonSize], key) >= 0
	})
	return i < len(common)/commonSize && bytes.Equal(common[i*commonSize:(i+1)*commonSize], key)
}

func commonKey(word string) []byte {
	sum := sha256.Sum256([]byte(word))
	return sum[:commonSize]
}
