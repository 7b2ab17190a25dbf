package transport

import (
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what a client may call things. They are generous: file systems stop at 255 bytes a name too.
const (
	longestName = 255
	longestPath = 2048
	deepestPath = 16
)

// edge is the one canonicaliser of client paths. Everything behind it sees only what it returns: absolute, cleaned, valid
// UTF-8 without control or formatting characters. edge(edge(x)) equals edge(x). The result is a key of a map and words in
// an answer; it is never joined to a path on disk.
func edge(p string) (string, error) {
	if len(p) > longestPath {
		return "", failure("refused: the path is longer than " + strconv.Itoa(longestPath) + " bytes. Use a shorter name.")
	}
	if !utf8.ValidString(p) {
		return "", failure("refused " + printable(p) + ": the name is not valid UTF-8. Use a plain name.")
	}
	for _, r := range p {
		if r == '\\' || !unicode.IsGraphic(r) {
			return "", failure("refused " + printable(p) + ": the name has a control character or a backslash. Use a plain name.")
		}
	}
	clean := path.Clean("/" + p)
	parts := strings.Split(clean, "/")
	if len(parts) > deepestPath {
		return "", failure("refused " + printable(p) + ": more than " + strconv.Itoa(deepestPath-1) + " folders deep.")
	}
	for _, part := range parts {
		if len(part) > longestName {
			return "", failure("refused " + printable(part) + ": the name is longer than " + strconv.Itoa(longestName) + " bytes.")
		}
	}
	return clean, nil
}

// area is the part of the tree that a path lies in.
type area int

const (
	nowhere  area = iota // a path that does not exist and cannot be made
	root                 // "/"
	inbox                // "/inbox" and below
	receipts             // "/receipts" and the files in it
	outbox               // "/outbox" and below
)

// place is a client path, understood.
type place struct {
	area area
	rest string // below the area's folder, "" for the folder itself
	path string // the whole cleaned path
}

// locate cleans a path and says where it lies.
func locate(p string) (place, error) {
	clean, err := edge(p)
	if err != nil {
		return place{}, err
	}
	if clean == "/" {
		return place{area: root, path: clean}, nil
	}
	top, rest, _ := strings.Cut(clean[1:], "/")
	at := place{rest: rest, path: clean}
	switch top {
	case "inbox":
		at.area = inbox
	case "receipts":
		at.area = receipts
	case "outbox":
		at.area = outbox
	}
	return at, nil
}

// matches says whether a base name fits one of the account's patterns for names of uploads under way.
func matches(patterns []string, name string) bool {
	base := path.Base(name)
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, base); ok && err == nil {
			return true
		}
	}
	return false
}
