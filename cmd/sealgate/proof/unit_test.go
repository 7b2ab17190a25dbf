package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnit: the systemd unit starts a command that there is, with flags that it has, and systemd finds nothing wrong with the rest.
func TestUnit(t *testing.T) {
	const path = "../../../packaging/systemd/sealgate.service"
	unit, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	starts := regexp.MustCompile(`(?m)^Exec\w+=/usr/bin/sealgate (.+)$`).FindAllStringSubmatch(string(unit), -1)
	if len(starts) == 0 {
		t.Fatal("the unit starts no sealgate")
	}
	for _, start := range starts {
		words := strings.Fields(start[1])
		help := output(t, bin, words[0], "-h")
		if !strings.Contains(help, "Usage: sealgate "+words[0]) {
			t.Errorf("%s is no command", words[0])
		}
		for _, word := range words[1:] {
			if strings.HasPrefix(word, "-") && !regexp.MustCompile(`(?m)^ +(\S+, )?`+word+`\b`).MatchString(help) {
				t.Errorf("%s has no %s", words[0], word)
			}
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT RUN in part: no systemd-analyze here")
	}
	here := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(here, []byte(strings.ReplaceAll(string(unit), "/usr/bin/sealgate", bin)), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := output(t, "systemd-analyze", "verify", "--man=no", here); said != "" {
		t.Errorf("systemd-analyze verify: %s", said)
	}
}
