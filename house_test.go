// Package sealgate_test holds the house to its laws (docs/house.md): which room knows which, who holds which key, and
// what nobody does.
package sealgate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sealgate/sealgate/"

// knows is the staircase: arrows only go down. A room that is not listed may know no sister.
var knows = map[string][]string{
	"cmd/sealgate":    {"config", "gateway", "indexer", "indexer/formats", "transport", "vault"},
	"gateway":         {"config", "transport", "indexer", "indexer/formats", "vault"},
	"transport":       {"config"},
	"indexer":         {"indexer/formats"},
	"indexer/formats": {}, "vault": {}, "config": {},
}

// keys says which room alone may import a library.
var keys = map[string][]string{
	"github.com/spf13/viper":          {"config"},
	"github.com/mattn/go-sqlite3":     {"indexer"},
	"database/sql":                    {"indexer"},
	"github.com/pkg/sftp":             {"transport"},
	"golang.org/x/crypto/ssh":         {"transport"},
	"github.com/jlaffaye/ftp":         {"transport"},
	"github.com/fsnotify/fsnotify":    {"transport"},
	"crypto/aes":                      {"vault", "indexer"}, // indexer: the pages of its databases
	"crypto/cipher":                   {"vault", "indexer"},
	"crypto/ecdh":                     {"vault", "indexer"},   // indexer: the boxes of a protected account's keys
	"crypto/ed25519":                  {"vault", "transport"}, // transport: host keys
	"crypto/rsa":                      {"vault"},
	"golang.org/x/crypto/argon2":      {"vault"},
	"github.com/spf13/cobra":          {"cmd/sealgate"},
	"rsc.io/qr":                       {"cmd/sealgate"},
	"flag":                            {"cmd/sealgate"},
	"log":                             {},
	"os/exec":                         {},
	"text/template":                   {"config", "cmd/sealgate"},
	"github.com/stretchr/testify":     {},
	"github.com/google/go-cmp/cmp":    {},
	"github.com/rogpeppe/go-internal": {},
}

// calls that only cmd may make.
var calls = map[string][]string{
	"os":      {"Exit"},
	"signal":  {"Notify", "NotifyContext", "Ignore"},
	"context": {"Background", "TODO"},
	"log":     {"Fatal", "Fatalf", "Fatalln", "Panic"},
	// What opens files is only ever in the operator's own process.
	"vault": {"PrivateKey", "ReadPrivateKey", "ParsePrivateKey", "AccessKey", "ReadAccessKey", "ParseAccessKey", "OpenSealed"},
}

func TestHouseLaws(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		checkFile(t, path)
		return nil
	})
	if err != nil || files < 30 {
		t.Fatalf("%d files read: %v", files, err)
	}
}

func checkFile(t *testing.T, path string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		t.Error(err)
		return
	}
	room := filepath.ToSlash(filepath.Dir(path))
	if slices.Contains([]string{"util", "utils", "common", "models", "helpers", "mock", "manager"}, file.Name.Name) {
		t.Errorf("%s: package %s: a room has one job and is called after it", path, file.Name.Name)
	}
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if sister, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(knows[room], sister) {
			t.Errorf("%s: %s may not know %s", path, room, sister)
		}
		for library, rooms := range keys {
			if (imported == library || library != "log" && strings.HasPrefix(imported, library+"/")) && !slices.Contains(rooms, room) {
				t.Errorf("%s: only %v holds the key to %s", path, rooms, imported)
			}
		}
	}
	checkSize(t, set, path, file)
	for _, decl := range file.Decls {
		checkDecl(t, set, room, decl)
	}
}

// checkSize: a file over 400 lines or a function over 80 gives its reason in its first comment.
func checkSize(t *testing.T, set *token.FileSet, path string, file *ast.File) {
	if lines := set.Position(file.End()).Line; lines > 400 && !explains(file.Comments) {
		t.Errorf("%s: %d lines and no \"Long because\" in a comment", path, lines)
	}
}

func explains(groups []*ast.CommentGroup) bool {
	return slices.ContainsFunc(groups, func(g *ast.CommentGroup) bool {
		return g != nil && strings.Contains(strings.Join(strings.Fields(g.Text()), " "), "Long because")
	})
}

func checkDecl(t *testing.T, set *token.FileSet, room string, decl ast.Decl) {
	at := func(n ast.Node) token.Position { return set.Position(n.Pos()) }
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.Name == "init" && d.Recv == nil {
			t.Errorf("%s: no init: nothing happens before main", at(d))
		}
		if lines := set.Position(d.End()).Line - at(d).Line; lines > 80 && !explains([]*ast.CommentGroup{d.Doc}) {
			t.Errorf("%s: %s has %d lines and no \"Long because\" in its comment", at(d), d.Name.Name, lines)
		}
		if d.Name.IsExported() && d.Doc == nil && d.Recv == nil {
			t.Errorf("%s: %s has no comment", at(d), d.Name.Name)
		}
		if !strings.HasPrefix(room, "cmd/") {
			checkCalls(t, set, d)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if typ, ok := spec.(*ast.TypeSpec); ok && typ.Name.IsExported() && d.Doc == nil && typ.Doc == nil {
				t.Errorf("%s: %s has no comment", at(typ), typ.Name.Name)
			}
		}
	}
}

func checkCalls(t *testing.T, set *token.FileSet, f *ast.FuncDecl) {
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Obj == nil && slices.Contains(calls[pkg.Name], sel.Sel.Name) {
				t.Errorf("%s: only cmd calls %s.%s", set.Position(n.Pos()), pkg.Name, sel.Sel.Name)
			}
		}
		return true
	})
}
