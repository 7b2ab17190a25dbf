package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing wrong (or doubtful) in the configuration, where it stands and what to write instead.
type Mistake struct {
	// File is the file as given to Load, or, for an included one, relative to the same directory.
	File string
	// Line counts from 1.
	Line int
	// Text is the key and what is wrong: accounts[acme].after_indexing: "sael" is not delete or seal.
	Text string
	// Hint says what to do, if Text does not; often empty.
	Hint string
}

// String is one line, FILE:LINE: TEXT, and a second one with the hint if there is one.
func (m Mistake) String() string { return m.line("") }

// Warning is String for what is doubtful only.
func (m Mistake) Warning() string { return m.line("warning: ") }

func (m Mistake) line(kind string) string {
	s := fmt.Sprintf("%s:%d: %s%s", m.File, m.Line, kind, m.Text)
	if m.Hint != "" {
		s += "\n  hint: " + m.Hint
	}
	return s
}

// Mistakes is the error of a configuration that was read but cannot be taken: all that is wrong with it, in the order
// of the files and their lines.
type Mistakes struct {
	List []Mistake
	// DataDir is absolute, "" if not even that can be told: where a gateway that runs on, with the configuration that it
	// has, may be found.
	DataDir string
	// Files are all files that were read, or should have been: another configuration may come of a change of any.
	Files []string
}

// mistakesShown bounds what Error prints: beyond it something general is wrong, and the first lines say it.
const mistakesShown = 100

// Error prints every mistake on a line of its own.
func (m *Mistakes) Error() string {
	var b strings.Builder
	for i, one := range m.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == mistakesShown {
			fmt.Fprintf(&b, "and %d more", len(m.List)-i)
			break
		}
		b.WriteString(one.String())
	}
	return b.String()
}

// Summary counts the mistakes: "4 mistakes in sealgate.yaml", "2 mistakes in 2 files".
func (m *Mistakes) Summary() string {
	files := map[string]bool{}
	for _, one := range m.List {
		files[one.File] = true
	}
	noun := "mistakes"
	if len(m.List) == 1 {
		noun = "mistake"
	}
	if len(files) > 1 {
		return fmt.Sprintf("%d %s in %d files", len(m.List), noun, len(files))
	}
	for f := range files {
		return fmt.Sprintf("%d %s in %s", len(m.List), noun, f)
	}
	return "no mistakes"
}

// inOrder sorts by the order in which the files were read, then by line; equal lines stay as they are.
func inOrder(list []Mistake, files []string) []Mistake {
	rank := map[string]int{}
	for i, f := range files {
		rank[f] = i
	}
	slices.SortStableFunc(list, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return list
}
