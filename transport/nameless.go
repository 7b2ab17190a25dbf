package transport

import (
	"errors"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pkg/sftp"
)

// plainName is a remote's name as the index keeps it: valid UTF-8. What is not is taken for ISO-8859-1, as old servers
// write it. "" if it holds what no name should.
func plainName(name string) string {
	if !utf8.ValidString(name) {
		var b strings.Builder
		for i := range len(name) {
			b.WriteRune(rune(name[i]))
		}
		name = b.String()
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) {
			return ""
		}
	}
	return name
}

// nameless takes a file's name, which is the customer's, out of what the server says of it: many say it back.
func nameless(err error, name string) error {
	var remote *RemoteError
	var reply *textproto.Error
	var status *sftp.StatusError
	text := ""
	switch {
	case !errors.As(err, &remote):
		return err
	case errors.As(err, &reply):
		text = remote.Err.Error()
	case errors.As(err, &status): // as it came: cut to its length, half a name may stand at its end
		text = "the server says " + strings.TrimPrefix(status.Error(), "sftp: ")
	default: // our own words
		return err
	}
	return &RemoteError{Step: remote.Step, Err: said{hide(text, name), remote.Err}}
}

// hide writes [name] for a path, and for each of its names.
func hide(text, name string) string {
	text = hideWord(hideWord(text, name), plainName(name))
	for part := range strings.SplitSeq(name, "/") {
		text = hideWord(hideWord(text, part), plainName(part))
	}
	return text
}

// hideWord writes [name] for a word wherever it is not a part of a longer one.
func hideWord(text, word string) string {
	if word == "" || word == "." {
		return text
	}
	var b strings.Builder
	for {
		i := strings.Index(text, word)
		if i < 0 {
			return b.String() + text
		}
		before, _ := utf8.DecodeLastRuneInString(b.String() + text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		b.WriteString(text[:i])
		if wordy(before) && wordy(rune(word[0])) || wordy(after) && wordy(rune(word[len(word)-1])) {
			b.WriteString(word)
		} else {
			b.WriteString("[name]")
		}
		text = text[i+len(word):]
	}
}

func wordy(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
