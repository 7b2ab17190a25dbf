package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// Examine is the part of the check that needs cryptography, lent by the caller. Each function gets an absolute path of
// a file that is there; its error becomes a mistake at the line of the key. A nil function leaves its part out, and
// then a file that this process may not read is no mistake either: commands that only ask the daemon need not read it.
type Examine struct {
	// Certificate looks at certificate and access_keys: do they parse, are they of use for encryption, do they run out?
	// A warning is a sentence without the key and the file: "expires on 2026-12-01, in 10 days".
	Certificate func(path string) (warning string, err error)
	// Untrusted: a remote without trust is no mistake, as for the command that shows what to trust.
	Untrusted bool
	// Remote looks at a remote whose values are right by themselves: do its keys and certificates parse?
	Remote func(r *Remote) (warning string, err error)
	// KeyElsewhere: the unlock key is given in another way, so unlock_key_file is not looked at.
	KeyElsewhere bool
	// UnlockKey looks at unlock_key_file.
	UnlockKey func(path string) error
	// SealKey looks at bgc_seal_key_file.
	SealKey func(path string) error
	// UserCA looks at user_ca.
	UserCA func(path string) error
	// Operators looks at operators.
	Operators func(path string) (warning string, err error)
	// HostKeys looks at the last of host_keys, beside those before it, which are good.
	HostKeys func(s SFTP) error
}

// maxIncluded bounds how many files may be included.
const maxIncluded = 10_000

// included is what an included file may hold.
type included struct {
	Accounts []*Account `yaml:"accounts"`
}

var (
	configType   = reflect.TypeFor[Config]()
	includedType = reflect.TypeFor[included]()
)

// loading is one run of Load.
type loading struct {
	examine  Examine
	files    []string
	list     []Mistake
	warnings []Mistake
	found    string           // data_dir, absolute, as soon as it is known
	looked   []string         // at files of keys and certificates
	places   map[string]place // by path in the tree: "accounts.0.certificate"
	accounts int              // in the files walked so far
	visits   int
}

// Find gives the file that commands take without -c: ./sealgate.yaml, or else /etc/sealgate/sealgate.yaml. If neither
// is there it is the first, so that the error names the place where people look.
func Find() string { return find("sealgate.yaml", "/etc/sealgate/sealgate.yaml") }

// find gives the first that is there, whether or not it may be read: the error is to say which one may not. A working folder in which this
// user may not even look, as root's is to the gateway's own, holds none for him.
func find(here, system string) string {
	if _, err := os.Lstat(here); err == nil {
		return here
	}
	if _, err := os.Lstat(system); !errors.Is(err, fs.ErrNotExist) {
		return system
	}
	return here
}

// Load reads and checks a configuration with all that it includes. A configuration with mistakes gives a *Mistakes,
// which has all of them; a file that cannot be read gives another error.
func Load(path string, examine Examine) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	l := &loading{examine: examine, files: []string{path}, places: map[string]place{}}
	root := l.parse(path, data)
	if root == nil {
		return nil, l.mistakes()
	}
	tree := l.mapping(root, configType, "", place{file: path, line: 1})
	l.include(tree)
	if written, _ := tree["data_dir"].(string); written != "" {
		l.found = l.absolute(l.places["data_dir"], written)
	}
	c, err := decode(tree)
	if err != nil {
		if len(l.list) > 0 { // the walk has said it better
			return nil, l.mistakes()
		}
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	c.File, c.KeyElsewhere = path, examine.KeyElsewhere
	l.check(c)
	if len(l.list) > 0 {
		return nil, l.mistakes()
	}
	c.Files = l.files
	c.Warnings = inOrder(l.warnings, l.files)
	return c, nil
}

// decode makes the struct of a tree whose every value the walk let through. viper is asked to be exact: were the walk
// and the struct ever to differ, it is an error here and not a setting that is silently not read.
func decode(tree map[string]any) (*Config, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	v.SetConfigType("yaml")
	if err := v.MergeConfigMap(tree); err != nil {
		return nil, err
	}
	var c Config
	err := v.UnmarshalExact(&c, func(d *mapstructure.DecoderConfig) {
		d.TagName = "yaml"
		d.WeaklyTypedInput = false
		d.DecodeHook = mapstructure.DecodeHookFuncType(decodeUnits)
	})
	return &c, err
}

// include reads the files that the globs name and adds their accounts to the tree.
func (l *loading) include(tree map[string]any) {
	list, _ := tree["accounts"].([]any)
	l.accounts = len(list)
	globs, _ := tree["include"].([]any)
	for i, g := range globs {
		glob, _ := g.(string)
		if glob == "" { // noted already
			continue
		}
		p := l.places[fmt.Sprintf("include.%d", i)]
		for _, file := range l.matches(glob, p) {
			data, err := readFile(file)
			if err != nil {
				l.note(p, reading(file, err))
				continue
			}
			l.files = append(l.files, file)
			root := l.parse(file, data)
			if root == nil {
				continue
			}
			more := l.mapping(root, includedType, "", place{file: file, line: 1})
			accounts, _ := more["accounts"].([]any)
			list = append(list, accounts...)
			l.accounts = len(list)
		}
	}
	if list != nil {
		tree["accounts"] = list
	}
}

// matches gives the files that a glob names, in the order of their names. Wildcards are allowed in the last part only:
// so it reads one directory, and an operator can see which.
func (l *loading) matches(glob string, p place) []string {
	dir, pattern := filepath.Split(glob)
	if strings.ContainsAny(dir, "*?[") {
		l.note(p, shown(glob)+" has a wildcard before its last part")
		return nil
	}
	if _, err := filepath.Match(pattern, ""); err != nil || pattern == "" {
		l.note(p, shown(glob)+" is not a pattern for files, like accounts.d/*.yaml")
		return nil
	}
	dir = beside(p.file, dir)
	if !strings.ContainsAny(pattern, `*?[\`) {
		return l.notYet([]string{filepath.Join(dir, pattern)}, p)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.note(p, reading(dir, err))
		return nil
	}
	var found []string
	for _, e := range entries {
		ok, _ := filepath.Match(pattern, e.Name())
		if ok && (e.Name()[0] != '.' || pattern[0] == '.') {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	if len(found) == 0 {
		l.warn(p, shown(glob)+" matches no file", "a gateway that runs reads files as they come")
	}
	return l.notYet(found, p)
}

// notYet leaves out what was read already (an account in it would be there twice) and bounds the rest.
func (l *loading) notYet(found []string, p place) []string {
	read := map[string]bool{}
	for _, f := range l.files {
		read[filepath.Clean(f)] = true
	}
	var list []string
	for _, f := range found {
		if !read[f] {
			list = append(list, f)
		}
	}
	if len(l.files)+len(list) > maxIncluded {
		l.note(p, fmt.Sprintf("more than %d files", maxIncluded))
		return nil
	}
	return list
}

// beside makes a path written in a file relative to where that file is, as its name was given.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(file), path)
}

func (l *loading) mistake(file string, line int, text string) {
	l.list = append(l.list, Mistake{File: file, Line: line, Text: text})
}

func (l *loading) note(p place, text string) { l.mistake(p.file, p.line, p.show+": "+text) }

func (l *loading) warn(p place, text, hint string) {
	l.warnings = append(l.warnings, Mistake{File: p.file, Line: p.line, Text: p.show + ": " + text, Hint: hint})
}

func (l *loading) mistakes() *Mistakes {
	return &Mistakes{List: inOrder(l.list, l.files), DataDir: l.found, Files: slices.Concat(l.files, l.looked)}
}
