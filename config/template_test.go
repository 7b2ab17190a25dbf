package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	text := Template(TemplateValues{})
	c := load(t, string(text))
	for _, w := range c.Warnings {
		// The transcript of the first five minutes shows it on line 2.
		if w.Line != 2 || !strings.HasPrefix(w.Text, "unlock_key_file: on the same disk") {
			t.Error(w.Warning())
		}
	}
	a := c.Account("acme")
	if a == nil || a.AfterIndexing != "seal" || a.Say != "all" || len(a.AccessKeys) != 1 || c.SFTP.Listen != "127.0.0.1:2022" {
		t.Errorf("%+v", a)
	}

	// Without their # the optional settings say what is so anyway. A # before prose has a space behind it.
	settings := regexp.MustCompile(`(?m)^( *)#([a-z])`).ReplaceAllString(string(text), "$1$2")
	settings = strings.Replace(settings, "\ninclude: [accounts.d/*.yaml]", "", 1)
	if err := os.WriteFile("sealgate.yaml", []byte(settings), 0o640); err != nil {
		t.Fatal(err)
	}
	same, err := Load("sealgate.yaml", examine())
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range Reasons() {
		if got, want := same.Account("acme").Policy[reason], a.PolicyFor(reason); got != want {
			t.Errorf("policy %s: %q, want %q", reason, got, want)
		}
	}
	same.Account("acme").Policy = nil
	same.Warnings, c.Warnings = nil, nil
	if d := cmp.Diff(c, same); d != "" {
		t.Errorf("-defaults +template:\n%s", d)
	}
	for _, key := range allKeys() {
		if !regexp.MustCompile(`(?m)[ #{\n-]` + key + `:`).Match(append([]byte("\n"), text...)) {
			t.Errorf("%s is not in the template", key)
		}
	}
}

// allKeys are the yaml keys of the configuration.
func allKeys() []string {
	var keys []string
	for _, s := range sections() {
		for _, f := range fieldsOf(s.typ) {
			keys = append(keys, f.key)
		}
	}
	return append(keys, Reasons()...)
}

func TestTemplateValues(t *testing.T) {
	for _, name := range []string{"Acme AB", "no", "null", "7", ".5", ".inf", "a: b", "a #b", "#", "- x", "{", "*", "&a", "é", `"`, `\`,
		"1e3", "2026-11-21", "0x10", "!x", "'", "a\"b", "x ", "~", "%", "@", "=", "<<", ".", "/", "a:b", "1:2", "1.1:1", "TRUE"} {
		t.Run(name, func(t *testing.T) {
			a := load(t, string(Template(TemplateValues{Name: name, AccessKey: "none"}))).Account("acme")
			if a.Name != name || len(a.AccessKeys) != 0 {
				t.Errorf("it became %q", a.Name)
			}
		})
	}
	text := string(Template(TemplateValues{Account: "7", Certificate: "./acme.crt", AccessKey: "./acme.access.crt",
		Listen: "[::1]:22", HostKey: "./host_second", DataDir: "/var/lib/gate", UnlockKeyFile: "credential:unlock.key", Say: "refusals"}))
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	c := load(t, text)
	if a := c.Account("7"); a == nil || a.Say != "refusals" || c.SFTP.Listen != "[::1]:22" || c.DataDir != "/var/lib/gate" {
		t.Errorf("%s", text)
	}
}
