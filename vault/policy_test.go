package vault

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var commonList = flag.String("common", "", "make common.bin from this `file`, a word a line")

// TestCommon makes the list of the commonest passwords, when asked to, and looks whether it is in order.
func TestCommon(t *testing.T) {
	if *commonList != "" {
		text, err := os.ReadFile(*commonList)
		if err != nil {
			t.Fatal(err)
		}
		var keys [][]byte
		for word := range strings.Lines(strings.ToLower(string(text))) {
			keys = append(keys, commonKey(strings.TrimSuffix(word, "\n")))
		}
		slices.SortFunc(keys, bytes.Compare)
		keys = slices.CompactFunc(keys, bytes.Equal)
		if err := os.WriteFile("common.bin", bytes.Join(keys, nil), 0o644); err != nil {
			t.Fatal(err)
		}
		common = bytes.Join(keys, nil)
	}
	if n := len(common) / commonSize; n < 10_000 || len(common)%commonSize != 0 {
		t.Fatalf("%d words", n)
	}
	for i := commonSize; i < len(common); i += commonSize {
		if bytes.Compare(common[i-commonSize:i], common[i:i+commonSize]) >= 0 {
			t.Fatalf("out of order at %d", i)
		}
	}
}

func TestPasswordRules(t *testing.T) {
	for _, test := range []struct {
		rule            PasswordRule
		login, pw, want string // part of the sentence; "" if it is taken
	}{
		{RuleLong, "anna", "quiet-otter-maple-lamp-17", ""},
		{RuleLong, "anna", "correct horse battery", ""},
		{RuleLong, "anna", "räksmörgåsar", ""}, // 12 characters, 15 bytes
		{RuleLong, "anna", "räksmörgåsa", "at least 12"},
		{RuleLong, "anna", "", "at least 12"},
		{RuleLong, "anna", "7hq2kd9xm4", "at least 12"},
		{RuleLong, "anna", strings.Repeat("ab9 ", 300), "at most 1024"},
		{RuleLong, "anna", "quiet-otter\x00maple", "control"},
		{RuleLong, "anna", "quiet-otter-\xff\xfe", "control"},
		{RuleLong, "payroll", "payroll-gothenburg-2", "the login"},
		{RuleLong, "payroll", "My-PAYROLL-at-acme", "the login"},
		{RuleLong, "kim", "kim-2026-11-21", "the login"},
		{RuleLong, "kim", "skimmed-otter-maple", ""},
		{RuleLong, "anna", "password1234", "commonest"},
		{RuleLong, "anna", "PassWord2026!", "commonest"},
		{RuleLong, "anna", "P@ssw0rd2026!", "commonest"},
		{RuleLong, "anna", "passwordpassword", "commonest"},
		{RuleLong, "anna", "123456789012", "commonest"},
		{RuleLong, "anna", "aaaaaaaaaaaaaaa", "commonest"},
		{RuleLong, "anna", "210987654321", "commonest"},
		{RuleLong, "anna", "qwertyuiop12", "commonest"},
		{RuleLong, "anna", "michael-1987", "commonest"},
		{RuleLong, "anna", "123123123123", "commonest"},
		{RuleLong, "anna", "1q2w3e4r5t6y", "commonest"},
		{RuleLong, "anna", "839201749362", ""},
		{RuleLong, "", "839201749362", ""},
		{RuleClassic, "anna", "kqzv7h2m", ""},
		{RuleClassic, "anna", "kqzvahbm", "2 letters and 2 digits"},
		{RuleClassic, "anna", "kqzvahb2", "2 letters and 2 digits"},
		{RuleClassic, "anna", "k3847261", "2 letters and 2 digits"},
		{RuleClassic, "anna", "kqz7h2m", "at least 8"},
		{RuleClassic, "anna", "dragon12", "commonest"},
		{RuleClassic, "anna", "anna2026", "the login"},
	} {
		err := test.rule.CheckNewPassword(test.login, []byte(test.pw))
		if got := ""; test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			if err != nil {
				got = err.Error()
			}
			t.Errorf("%s, %q: %q, want %q", test.rule, test.pw, got, test.want)
		}
	}
	for range 1000 {
		if pw := NewPassword(); RuleLong.CheckNewPassword("anna", []byte(pw)) != nil || RuleClassic.CheckNewPassword("anna", []byte(pw)) != nil {
			t.Errorf("we make %q and would not take it", pw)
		}
	}
}

// TestOutdated: a hash with weaker parameters than ours is to be made anew, ours and dearer ones are not.
func TestOutdated(t *testing.T) {
	ours, err := HashPassword([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for hash, want := range map[string]bool{
		ours: false,
		strings.Replace(ours, "m=19456", "m=8192", 1):  true,
		strings.Replace(ours, "t=2", "t=1", 1):         true,
		strings.Replace(ours, "t=2", "t=3", 1):         false,
		strings.Replace(ours, "m=19456", "m=65536", 1): false,
		"nonsense": false,
	} {
		if got := PasswordOutdated(hash); got != want {
			t.Errorf("%s: %v", hash, got)
		}
	}
}
