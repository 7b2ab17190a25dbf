package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxFile  = 4 << 20 // bytes of one file
	maxDepth = 64      // nesting of its lists and mappings; we use 5
)

var errNotAFile = errors.New("not a regular file")

// readFile reads a regular file up to the bound. It looks before it opens, since opening a named pipe would wait for
// ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: a directory, not a file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, errNotAFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return data, nil
}

// parse gives the one mapping that a file must be; nil after having noted why it is not.
func (l *loading) parse(file string, data []byte) *yaml.Node {
	if len(data) > maxFile {
		l.mistake(file, 1, "the file is longer than 4 MiB")
		return nil
	}
	if line, ok := notUTF8(data); !ok {
		l.mistake(file, line, "not UTF-8 text")
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		l.mistake(file, 1, err.Error())
		return nil
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		l.list = append(l.list, Mistake{File: file, Line: 1, Text: "the file is empty",
			Hint: "`sealgate init DIR` writes a complete one"})
		return nil
	case err != nil:
		l.syntax(file, data, err)
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		l.mistake(file, second.Line, "a second YAML document begins here; a configuration is one document")
		return nil
	case !errors.Is(err, io.EOF):
		l.syntax(file, data, err)
		return nil
	}
	root := &first
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		l.mistake(file, max(root.Line, 1), kindOf(root)+", but keys with values are wanted (data_dir: ./data)")
		return nil
	}
	return root
}

// notUTF8 finds the line of the first byte that is not UTF-8.
func notUTF8(data []byte) (line int, ok bool) {
	if utf8.Valid(data) {
		return 0, true
	}
	line = 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return line, false
}

// syntax turns a YAML error into the line to look at and words for people who do not know YAML's grammar. It never
// shows what stands there: it may be a secret, pasted in the wrong place.
func (l *loading) syntax(file string, data []byte, err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		l.mistake(file, 1, "not YAML: "+err.Error())
		return
	}
	line, begun := max(e.Mark.Line, 1), e.ContextMark.Line
	at := byteAt(data, e.Mark.Line, e.Mark.Column)
	text := "not YAML: " + e.Message
	switch msg := e.Message; {
	case strings.Contains(msg, "tab character"), strings.Contains(msg, "cannot start any token") && at == '\t':
		text = "a tab; YAML is indented with spaces"
	case strings.Contains(msg, "cannot start any token"):
		text = fmt.Sprintf("a value cannot begin with %c; write it in quotes", at)
	case strings.Contains(msg, "mapping values are not allowed"):
		text = "a second colon in one value, or wrong indentation; a value with a colon is written in quotes"
	case strings.Contains(msg, "expected ':'") && begun > 0:
		line, text = begun, "a key without a colon behind it"
	case strings.Contains(msg, "did not find expected key"), strings.Contains(msg, "expected '-'"):
		text = "the indentation does not fit the lines above"
	case strings.Contains(msg, "unexpected end of stream") && begun > 0:
		line, text = begun, "a quote is opened here and never closed"
	case strings.Contains(msg, "did not find expected ','") && begun > 0:
		text = fmt.Sprintf("the bracket opened on line %d is not closed, or a comma is missing", begun)
	case strings.Contains(msg, "expected node content"):
		text = "a value is missing, or a bracket is not closed"
	case strings.Contains(msg, "unknown escape"):
		text = "a backslash in double quotes; write the value in single quotes"
	case strings.Contains(msg, "unknown anchor"):
		text = "an alias of something that is not there; a value that begins with * is written in quotes"
	case strings.Contains(msg, "max depth"):
		text = "lists and mappings are nested too deeply"
	}
	l.mistake(file, line, text)
}

// byteAt is the byte at a line and column (both from 1); a space if there is none, or none that can be shown.
func byteAt(data []byte, line, column int) byte {
	for ; line > 1; line-- {
		_, rest, ok := bytes.Cut(data, []byte("\n"))
		if !ok {
			return ' '
		}
		data = rest
	}
	if column < 1 || column > len(data) || data[column-1] >= utf8.RuneSelf {
		return ' '
	}
	return data[column-1]
}

// kindOf names what a node is, for sentences that go on with what is wanted.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "no value"
	}
	return "a single value"
}
