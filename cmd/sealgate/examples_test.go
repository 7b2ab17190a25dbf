package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestExamples takes every example of every help as its command would: it exists, and takes these flags and arguments. That a path
// for output is no "-" by mistake, and what the examples print, the scripts tell.
func TestExamples(t *testing.T) {
	examples := 0
	for _, c := range below(newTool().commands()) {
		for line := range strings.Lines(c.Example) {
			for _, part := range regexp.MustCompile(`\||&&|;`).Split(line, -1) {
				words := wordsOf(part)
				if len(words) == 0 || words[0] != "sealgate" {
					continue
				}
				examples++
				found, err := parsed(words)
				if err == nil && found.Args != nil {
					err = found.Args(found, found.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s -h: %q: %v", c.CommandPath(), strings.TrimSpace(part), err)
				}
			}
		}
	}
	if examples < 50 {
		t.Errorf("only %d examples found", examples)
	}
}

// parsed finds a line's command, and gives it the line's flags.
func parsed(words []string) (*cobra.Command, error) {
	root := newTool().commands() // flags of an earlier line must not stay set
	root.InitDefaultVersionFlag()
	found, rest, err := root.Find(words[1:])
	if err == nil {
		err = found.ParseFlags(rest)
	}
	return found, err
}

func below(c *cobra.Command) (list []*cobra.Command) {
	list = append(list, c)
	for _, sub := range c.Commands() {
		list = append(list, below(sub)...)
	}
	return list
}

// wordsOf splits a line as a shell does, as far as examples need it: quotes hold words together, > and < end the command.
func wordsOf(line string) (words []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(line, -1) {
		if strings.HasPrefix(w, ">") || strings.HasPrefix(w, "<") || strings.HasPrefix(w, "#") {
			break
		}
		words = append(words, strings.Trim(w, `'"`))
	}
	return words
}
