package formats

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestNames: files are asked for by what Names lists, and nothing else is ever said of a file.
func TestNames(t *testing.T) {
	said := map[string]bool{}
	for _, data := range testdata(t) {
		said[inspect(data, whole(data)).Facts.Format] = true
	}
	got, want := slices.Sorted(maps.Keys(said)), Names()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the test files are\n%q, the list is\n%q", got, want)
	}
}

// TestFindingCodes: files are asked for by what FindingCodes lists: every code that stands in the source, each once. One that the
// source gives no more stays listed, since rows have it: then it is added to given here.
func TestFindingCodes(t *testing.T) {
	sources, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, source := range sources {
		if name := source.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			codesOf(t, name, given)
		}
	}
	got, want := slices.Sorted(maps.Keys(given)), FindingCodes()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the source gives\n%q, the list is\n%q", got, want)
	}
	for name, data := range testdata(t) {
		for _, code := range inspect(data, whole(data)).Facts.FindingCodes {
			if !slices.Contains(want, code) {
				t.Errorf("%s: %s is not listed", name, code)
			}
		}
	}
}

// codesOf reads the codes in a source file's calls.
func codesOf(t *testing.T, name string, given map[string]bool) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"finds", "finding", "notes"}, method.Sel.Name) {
			return true
		}
		switch code := call.Args[0].(type) {
		case *ast.BasicLit:
			given[written(t, code)] = true
		case *ast.BinaryExpr: // checkNumber's
			for _, kind := range []string{"bankgiro", "plusgiro"} {
				given[kind+written(t, code.Y)] = true
			}
		case *ast.Ident: // handed on by notes
			if code.Name != "code" {
				t.Errorf("%s: which code is %s?", set.Position(code.Pos()), code.Name)
			}
		default:
			t.Errorf("%s: a finding's code is written out where it is given", set.Position(code.Pos()))
		}
		return true
	})
}

// written is the text of a string that is written out.
func written(t *testing.T, e ast.Expr) string {
	t.Helper()
	text, err := strconv.Unquote(e.(*ast.BasicLit).Value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
