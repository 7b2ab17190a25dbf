package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const manualFile = "../docs/configuration.md"

const manualHead = `<!-- Made from the comments in config/config.go: go test ./config -run TestManual -update -->
# What can be set in sealgate.yaml, and how?

One file, ` + "`./sealgate.yaml`, or else `/etc/sealgate/sealgate.yaml`, or what `-c FILE` names. `sealgate init DIR`" + ` writes
one with every key in it. ` + "`sealgate check`" + ` reads it as the gateway does and reports every mistake at once:

` + "```" + `
sealgate.yaml:9: accounts[acme].after_indexing: "sael" is not delete or seal
sealgate.yaml:11: accounts[acme].max_filesize: unknown key; did you mean max_file_size?
sealgate.yaml:13: accounts[acme].duplicates.window: 30 has no unit; write 30d or 12h
` + "```" + `

A file with a mistake is not taken: the gateway does not start with it, and one that runs keeps the configuration that it
has. Warnings keep nothing from starting.

The least that works:

` + "```yaml\n%s```" + `

How values are written:

- **Durations** are whole numbers with a unit, s m h d: ` + "`90s`, `10m`, `30d`, `1h30m`" + `.
- **Sizes** are whole numbers with a unit, B KiB MiB GiB TiB kB MB GB: ` + "`512MiB`" + `.
- **Texts** that YAML takes for something else (` + "`no`, `0123`, `1e3`" + `) stand in quotes. Keys are case-sensitive.
- **Files** with a relative path are relative to the file that names them. Secrets (the unlock key, host keys, seal keys) are refused
  if anybody but their owner may read them.
- Anchors and aliases are read, merge keys (` + "`<<`" + `) are not. A file has at most 4 MiB and is one YAML document.
`

// section is a struct of the configuration, under the key where it stands.
type section struct {
	key string
	typ reflect.Type
}

func sections() []section {
	return []section{{"", configType}, {"sftp", reflect.TypeFor[SFTP]()}, {"sftp.limits", reflect.TypeFor[Limits]()},
		{"accounts", accountType}, {"accounts[].duplicates", reflect.TypeFor[Duplicates]()},
		{"accounts[].passwords", reflect.TypeFor[Passwords]()},
		{"accounts[].remotes", reflect.TypeFor[Remote]()}, {"accounts[].remotes[].trust", reflect.TypeFor[Trust]()},
		{"accounts[].remotes[].fetch", reflect.TypeFor[Fetch]()}, {"accounts[].remotes[].send", reflect.TypeFor[Send]()},
		{"accounts[].expect, accounts[].remotes[].expect", reflect.TypeFor[Expect]()}}
}

// TestManual renders the operators' page from the struct's comments and compares it with the one in docs.
func TestManual(t *testing.T) {
	page := renderManual(t)
	if *update {
		if err := os.WriteFile(manualFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(manualFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(text), page); d != "" {
		t.Errorf("run with -update; -docs +comments:\n%s", d)
	}
	// The examples of the manual are those of the tests.
	ux, err := os.ReadFile("testdata/ux-error-1.want")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(ux)) {
		if strings.HasPrefix(line, "sealgate.yaml:") && !strings.Contains(page, line) {
			t.Errorf("not in the manual: %s", line)
		}
	}
}

func renderManual(t *testing.T) string {
	t.Helper()
	types, fields := map[string]string{}, map[string]string{}
	for _, source := range []string{"config.go", "remotes.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		comments(file, types, fields)
	}
	least, err := os.ReadFile("testdata/good-smallest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, manualHead, least)
	for _, s := range sections() {
		name := s.typ.Name()
		if s.key == "" {
			b.WriteString("\n## The top level\n\n")
		} else {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.key, types[name])
		}
		b.WriteString("| key | value | default | example | meaning |\n|---|---|---|---|---|\n")
		for f := range s.typ.Fields() {
			if key := f.Tag.Get("yaml"); key != "-" {
				def, example := defaultAndExample(f)
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", key, valueWords(f), def, example, meaning(t, f.Name, fields[name+"."+f.Name]))
			}
		}
	}
	fmt.Fprintf(&b, "\n## accounts[].policy\n\n%s\n\n| reason | default | meaning |\n|---|---|---|\n", types["Policy"])
	meanings := reasonComments(t)
	for _, reason := range Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", reason, defaultPolicy(reason), meanings[reason])
	}
	b.WriteString("\nAn account without a certificate cannot hold: what would be held by default is rejected.\n")
	return b.String()
}

// comments adds the comments of the types, and of their fields as Type.Field, each in one line.
func comments(file *ast.File, types, fields map[string]string) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		spec := g.Specs[0].(*ast.TypeSpec)
		types[spec.Name.Name] = oneLine(g.Doc.Text())
		for _, start := range []string{" is ", " are ", " "} {
			types[spec.Name.Name] = strings.TrimPrefix(types[spec.Name.Name], spec.Name.Name+start)
		}
		types[spec.Name.Name] = capital(types[spec.Name.Name])
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				fields[spec.Name.Name+"."+f.Names[0].Name] = oneLine(f.Doc.Text())
			}
		}
	}
}

// reasonComments gives the comments behind the reasons in func Reasons.
func reasonComments(t *testing.T) map[string]string {
	t.Helper()
	source, err := os.ReadFile("config.go")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t\t"([a-z-]+)", +// (.*)$`).FindAllSubmatch(source, -1) {
		list[string(m[1])] = string(m[2])
	}
	if len(list) != len(Reasons()) {
		t.Fatalf("%d reasons have a comment", len(list))
	}
	return list
}

// meaning is a field's comment without the Go name that it begins with.
func meaning(t *testing.T, name, comment string) string {
	t.Helper()
	rest, ok := strings.CutPrefix(comment, name)
	if !ok || len(rest) < 10 {
		t.Fatalf("%s: the comment of a field begins with its name: %q", name, comment)
	}
	for _, link := range []string{":", " is ", " are ", " says ", " "} {
		if after, ok := strings.CutPrefix(rest, link); ok {
			return capital(strings.ReplaceAll(strings.TrimSpace(after), "|", "\\|"))
		}
	}
	return capital(rest)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func valueWords(f reflect.StructField) string {
	least := ""
	if m := f.Tag.Get("min"); m != "" {
		least = ", at least " + m
	}
	switch kind := f.Type.Kind(); {
	case f.Tag.Get("one") != "":
		return "`" + strings.Join(strings.Fields(f.Tag.Get("one")), "` or `") + "`"
	case f.Type == durationType:
		return "duration" + least
	case kind == reflect.Int64:
		return "size" + least
	case kind == reflect.Int:
		return "number" + least
	case kind == reflect.Struct || kind == reflect.Pointer || f.Type == policyType:
		return "keys, see below"
	case kind == reflect.Slice && f.Type.Elem().Kind() == reflect.Pointer:
		return "list, see below"
	case kind == reflect.Slice:
		if f.Tag.Get("or") != "" {
			return "text, or list of texts"
		}
		return "list of texts"
	}
	return "text"
}

func defaultAndExample(f reflect.StructField) (def, example string) {
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	if need := f.Tag.Get("need"); need != "" {
		return "**must be set**", code(need)
	}
	if s := f.Tag.Get("default"); s != "" && f.Tag.Get("eg") != "" {
		return code(s), code(f.Tag.Get("eg"))
	} else if s != "" {
		return code(s), code(exampleOf(s, f.Tag.Get("one")))
	}
	return "", code(f.Tag.Get("eg"))
}

// exampleOf is another value than the default: the last alternative, or twice the number.
func exampleOf(def, one string) string {
	if words := strings.Fields(one); len(words) > 0 {
		return words[len(words)-1]
	}
	m := regexp.MustCompile(`^([0-9]+)([A-Za-z]*)$`).FindStringSubmatch(def)
	if m == nil {
		return `["*.part", "~*"]`
	}
	if m[1] == "512" {
		return "1GiB"
	}
	n, _ := strconv.Atoi(m[1])
	return strconv.Itoa(2*n) + m[2]
}
