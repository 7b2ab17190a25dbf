package config

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// unknown notes a key that is not ours, with the key that was probably meant.
func (l *loading) unknown(p place, key string, t reflect.Type, known []field) {
	if t == includedType && slices.ContainsFunc(fieldsOf(configType), func(f field) bool { return f.key == key }) {
		l.note(p, "belongs to the main file; an included file has only accounts")
		return
	}
	if key == "<<" {
		l.note(p, "merge keys are not read; write the keys out")
		return
	}
	what := "unknown key"
	if t == policyType {
		what = "unknown reason"
	}
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.key
	}
	if best := Nearest(key, names); best != "" {
		l.note(p, what+"; did you mean "+best+"?")
		return
	}
	l.list = append(l.list, Mistake{File: p.file, Line: p.line, Text: p.show + ": " + what,
		Hint: "known here: " + strings.Join(names, ", ")})
}

// Nearest is the known word that a mistyped one was probably to be; "" if none is near.
func Nearest(word string, known []string) string {
	same := strings.NewReplacer("-", "_")
	best, least := "", 4 // further away than three letters is something else
	for _, k := range known {
		if d := distance(same.Replace(strings.ToLower(word)), same.Replace(k)); d < least && d < len(k) {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters must be changed, added or taken out to make a of b (Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// wanted says what to write for a key that must be there.
func (f field) wanted() string {
	if len(f.one) > 0 {
		return "write " + alternatives(f.one)
	}
	return "for example " + f.need
}

// sample is an example to end a sentence with, or nothing.
func (f field) sample() string {
	if f.need != "" {
		return ": " + f.need
	}
	if f.def != "" {
		return ": " + f.def
	}
	return ""
}

// alternatives joins two words or more: "a or b", "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func wantedKind(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "keys with values are"
	case yaml.SequenceNode:
		return "a list is"
	}
	return "a single value is"
}

// shownKey is a key as it can be printed.
func shownKey(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && plainKey.MatchString(n.Value) {
		return n.Value
	}
	if n.Kind == yaml.ScalarNode {
		return shown(n.Value)
	}
	return "(a key that is not a word)"
}

// join makes a path of two parts, of which the first may be empty.
func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}
