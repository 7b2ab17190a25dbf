package proof

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// finding is a line of ssh-audit: "(mac) NAME -- [warn] TEXT", or a further "`- [warn] TEXT" below one.
var finding = regexp.MustCompile(`^(?:\((\w+)\) (\S+) +--|\s*` + "`-" + `) \[(\w+)\] (.*)`)

// TestAudit: ssh-audit finds nothing wrong with the door as `sealgate init` makes it, and warns of nothing but what the README names.
func TestAudit(t *testing.T) {
	need(t, "ssh-audit")
	g := newGateway(t, options{})
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "ssh-audit", "-n", "-p", g.port, g.host).Output() // its exit status tells of warnings as well
	algorithm, seen, warned := "", 0, 0
	for line := range strings.Lines(string(out)) {
		m := finding.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		if seen++; m[2] != "" {
			algorithm = m[2]
		}
		switch m[3] {
		case "fail":
			t.Errorf("%s: %s", algorithm, m[4])
		case "warn":
			if warned++; !bytes.Contains(readme, []byte("`"+algorithm+"`")) {
				t.Errorf("the README does not name %s: %s", algorithm, m[4])
			}
		}
	}
	if seen < 12 || !bytes.Contains(out, []byte("SSH-2.0-Sealgate")) {
		t.Errorf("it saw %d things (%v):\n%s", seen, err, out)
	}
	t.Logf("%d findings, %d of them warnings", seen, warned)
}
