package config

import (
	"bytes"
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

//go:embed init.yaml
var initYAML string

// plainValue is what YAML reads as the same string with and without quotes; see also boolWords.
var plainValue = regexp.MustCompile(`^[A-Za-z./][A-Za-z0-9._/+-]*( [A-Za-z0-9._/+-]+)*$`)

// TemplateValues are what differs between new configurations. A value left empty is that of the demo.
type TemplateValues struct {
	DataDir       string // ./data
	UnlockKeyFile string // ./unlock.key
	Listen        string // 127.0.0.1:2022
	HostKey       string // ./host_ed25519
	Account       string // acme
	Name          string // none: the account's id
	Certificate   string // ./acme.crt, of the account's id
	AccessKey     string // ./acme.access.crt; "none" for an account without
	Say           string // all
}

// Template writes a new configuration with one account that seals: every key is there, the optional ones behind a #
// with their defaults. The values are taken as they are; Load finds what is wrong with them.
func Template(v TemplateValues) []byte {
	for _, d := range []struct {
		value *string
		def   string
	}{
		{&v.DataDir, "./data"}, {&v.UnlockKeyFile, "./unlock.key"}, {&v.Listen, "127.0.0.1:2022"},
		{&v.HostKey, "./host_ed25519"}, {&v.Account, "acme"}, {&v.Certificate, "./" + or(v.Account, "acme") + ".crt"},
		{&v.AccessKey, "./" + or(v.Account, "acme") + ".access.crt"}, {&v.Say, "all"},
	} {
		*d.value = or(*d.value, d.def)
	}
	if v.AccessKey == "none" {
		v.AccessKey = ""
	}
	for _, s := range []*string{&v.DataDir, &v.UnlockKeyFile, &v.Listen, &v.HostKey, &v.Account, &v.Name, &v.Certificate,
		&v.AccessKey, &v.Say} {
		*s = quoted(*s)
	}
	var b bytes.Buffer
	// Neither can fail: the template is embedded and has no functions, the buffer takes everything.
	_ = template.Must(template.New("init.yaml").Parse(initYAML)).Execute(&b, v)
	return b.Bytes()
}

func or(value, def string) string {
	if value == "" {
		return def
	}
	return value
}

// quoted is a value as YAML reads it back. "" stays nothing, for the template to test.
func quoted(s string) string {
	host, port, colon := strings.Cut(s, ":") // 127.0.0.1:2022 reads better without quotes, and is no number
	address := colon && strings.Count(host, ".") > 0 && plainInt.MatchString(port) && strings.Trim(host, "0123456789.") == ""
	if s == "" || address || plainValue.MatchString(s) && !boolWords.MatchString(s) && notNumber(s) {
		return s
	}
	return strconv.Quote(s)
}

// notNumber is false for what YAML might read as a number or as null: .5, .inf, .nan, null.
func notNumber(s string) bool {
	l := strings.ToLower(s)
	return l != "null" && (l[0] != '.' || len(l) > 1 && l[1] == '/')
}
