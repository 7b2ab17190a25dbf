package transport

import (
	"errors"
	"strings"

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

// printable makes a client's name fit for a sentence: ASCII, one line, at most 60 bytes.
func printable(name string) string {
	const most, hexdigits = 60, "0123456789abcdef"
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if b.Len() > most-8 && len(name)-i > 8 {
			b.WriteString("...")
			break
		}
		c := name[i]
		if c < 0x20 || c >= 0x7f || c == '\\' {
			b.WriteString(`\x`)
			b.WriteByte(hexdigits[c>>4])
			b.WriteByte(hexdigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
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
