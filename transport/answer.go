package transport

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pkg/sftp"
)

// What clients are told: a sentence, fit for any terminal, under a status code of the protocol.

// told is an error that a client reads: a sentence under an SFTP status code.
type told struct {
	sentence string
	code     error
	quiet    bool // not worth a line on stderr: an answer, not a refusal
}

func (t *told) Error() string { return t.sentence }

// Unwrap gives the status code to the protocol library, which takes the code from it and the text from Error.
func (t *told) Unwrap() error { return t.code }

func failure(sentence string) error {
	return &told{sentence: oneLine(sentence), code: sftp.ErrSSHFxFailure}
}

func denied(sentence string) error {
	return &told{sentence: oneLine(sentence), code: sftp.ErrSSHFxPermissionDenied}
}

func missing(name string) error {
	return &told{sentence: oneLine(printable(name) + ": no such file or folder"), code: sftp.ErrSSHFxNoSuchFile, quiet: true}
}

func quietly(sentence string) error {
	return &told{sentence: oneLine(sentence), code: sftp.ErrSSHFxFailure, quiet: true}
}

func unsupported(sentence string) error {
	return &told{sentence: oneLine(sentence), code: sftp.ErrSSHFxOpUnsupported, quiet: true}
}

// isQuiet says whether an error is an answer rather than a refusal that a person should see.
func isQuiet(err error) bool {
	var t *told
	return errors.As(err, &t) && t.quiet
}

// sentenceOf is what a client may read of an error of the house: the refusal's sentence, or that it was us.
func sentenceOf(name string, err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return failure("not taken " + printable(name) + ": the server could not store it. Nothing of it was kept; send it again later.")
	}
	if refusal.Permission {
		return denied(refusal.Sentence)
	}
	return failure(refusal.Sentence)
}

// resumable says whether what has arrived is still there after a refusal.
func resumable(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) && refusal.Resumable
}

// printable makes a client's name fit for a sentence: ASCII, one line, some 60 bytes.
func printable(name string) string {
	const most = 60
	var b strings.Builder
	for i := 0; i < len(name); {
		if b.Len() > most-8 && len(name)-i > 8 {
			b.WriteString("...")
			break
		}
		c, n := utf8.DecodeRuneInString(name[i:])
		if c < 0x20 || c >= 0x7f || c == '\\' {
			spell(&b, c, name[i:i+n])
		} else {
			b.WriteByte(name[i])
		}
		i += n
	}
	return b.String()
}

// spell writes out a character that must not be shown as it is, \x1b or \u202e; of what is no UTF-8 each byte.
func spell(b *strings.Builder, c rune, raw string) {
	switch {
	case c == utf8.RuneError || c < utf8.RuneSelf:
		for _, octet := range []byte(raw) {
			fmt.Fprintf(b, `\x%02x`, octet)
		}
	case c <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, c)
	default:
		fmt.Fprintf(b, `\U%08x`, c)
	}
}

// oneLine makes any text fit for the channel's stderr and a status: ASCII, one line, at most 200 bytes.
func oneLine(text string) string {
	const most = 200
	b := make([]byte, 0, min(len(text), most))
	for i := 0; i < len(text) && len(b) < most; i++ {
		c := text[i]
		if c < 0x20 || c >= 0x7f {
			c = '?'
		}
		b = append(b, c)
	}
	return string(b)
}
