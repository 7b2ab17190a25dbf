package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestMentions takes every command that the program's own texts (hints, errors, lines of the log) and the pages tell somebody to type: it
// exists, and takes these flags and arguments. What is only named, without any of them, need only be there; so may the pages name a flag.
func TestMentions(t *testing.T) {
	said := map[string]int{}
	var files []string
	for _, pattern := range []string{"*.go", "../../[gcvti]*/*.go", "../../docs/*", "../../*.md", "../../packaging/*"} {
		list, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, list...)
	}
	for _, file := range files {
		read := pageSays
		switch {
		case strings.HasSuffix(file, "_test.go"):
			continue
		case strings.HasSuffix(file, ".go"):
			read = programSays
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a folder
		}
		for _, words := range read(t, string(text)) {
			said[filepath.Dir(file)]++
			if err := mentioned(words, strings.HasSuffix(file, ".go")); err != nil {
				t.Errorf("%s: %q: %v", file, strings.Join(words, " "), err)
			}
		}
	}
	for where, least := range map[string]int{".": 55, "../../gateway": 40, "../../indexer": 4, "../../config": 2, "../../docs": 130, "../..": 50} {
		if said[where] < least {
			t.Errorf("%s: only %d commands found, of at least %d", where, said[where], least)
		}
	}
}

// mentioned is an error if a command line cannot be right; whole: also if a line that has flags lacks an argument.
func mentioned(words []string, whole bool) error {
	found, err := parsed(words)
	var named *pflag.ValueRequiredError // the flag that a line ends with
	if err != nil && !errors.Is(err, pflag.ErrHelp) && (whole || !errors.As(err, &named)) {
		return err
	}
	flags := found.Flags()
	if found.Args == nil || flags.NArg() == 0 && !(whole && flags.NFlag() > 0) {
		return nil
	}
	return found.Args(found, flags.Args())
}

var (
	inText = regexp.MustCompile(`\bsealgate( [^\s;,"` + "`" + `)|>]*[^\s;,:."` + "`" + `)|>])+`)
	// noCommand: the program's name, and labels of what is hashed.
	noCommand = regexp.MustCompile(`^sealgate (X|COMMAND|\{\{\.Version\}\}|access key|approved|at|change\.txt|file|handover|in|is|ledger 1|log|next|page|piece|receipt|record|runs|segments?|v1)( |$)`)
	verb      = regexp.MustCompile(`%(\[\d\])?[a-z]`)
	prose     = regexp.MustCompile(`^[a-z]+$`)
)

// programSays are the commands in the strings of a Go file, with an X for what is put in. The examples of the helps have a test of their own.
func programSays(t *testing.T, text string) (lines [][]string) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			called, _ := n.Fun.(*ast.Ident)
			return called == nil || called.Name != "examples"
		case *ast.BinaryExpr, *ast.BasicLit:
			for _, mention := range inText.FindAllString(joined(n.(ast.Expr)), -1) {
				if !noCommand.MatchString(mention) {
					lines = append(lines, withoutSentence(strings.Fields(mention)))
				}
			}
			return false
		}
		return true
	})
	return lines
}

// joined is a string that is put together by +.
func joined(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return verb.ReplaceAllString(text, "X")
		}
	case *ast.BinaryExpr:
		return joined(e.X) + joined(e.Y)
	}
	return "X"
}

// withoutSentence ends a command where the sentence that it stands in goes on. What is to be put in has capitals or signs, the words of a
// sentence have none, unless they are a flag's value.
func withoutSentence(words []string) []string {
	for i := 1; i < len(words); i++ {
		found, rest, err := newTool().commands().Find(words[1 : i+1])
		if err != nil || len(rest) == 0 || found.HasSubCommands() || !prose.MatchString(words[i]) {
			continue
		}
		if flag := found.Flags().Lookup(strings.TrimPrefix(words[i-1], "--")); flag == nil || flag.NoOptDefVal != "" {
			return words[:i]
		}
	}
	return words
}

var code = regexp.MustCompile("(?m)^(?:    |\t)(.*)$|`([^`\n]+)`")

// pageSays are the commands in a page: lines of code, and words in the midst of a sentence that are set as code, there with or without sealgate
// before them.
func pageSays(_ *testing.T, page string) (lines [][]string) {
	names := newTool().commands().Commands()
	for _, m := range code.FindAllStringSubmatch(page, -1) {
		line, _, _ := strings.Cut(m[1]+m[2], " #")
		for _, part := range regexp.MustCompile(`\||&&|;`).Split(line, -1) {
			words := wordsOf(part)
			if len(words) > 1 && m[2] != "" && m[2] != "user locked" && slices.ContainsFunc(names, func(c *cobra.Command) bool { return c.Name() == words[0] }) {
				words = append([]string{"sealgate"}, words...)
			}
			if len(words) > 1 && words[0] == "sealgate" && !noCommand.MatchString(strings.Join(words, " ")) {
				lines = append(lines, words)
			}
		}
	}
	return lines
}
