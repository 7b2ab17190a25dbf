package proof

import (
	"regexp"
	"syscall"
	"testing"
)

// TestStopLetsUploadsEnd: after SIGTERM a running upload goes on to its OK, nobody new is let in, and what was
// acknowledged is there afterwards.
func TestStopLetsUploadsEnd(t *testing.T) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	content := pain001(t, 1<<20)
	f, err := s.Create("/inbox/late.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content[:500_000]); err != nil {
		t.Fatal(err)
	}
	g.cmd.Process.Signal(syscall.SIGTERM)
	if _, err := g.log.wait(0, regexp.MustCompile(`\bstopping\b`), g.exited); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody new is let in", func() bool {
		n, err := g.door().open()
		if err == nil {
			n.close()
		}
		return err != nil
	})
	if _, err := f.Write(content[500_000:]); err != nil {
		t.Errorf("write after SIGTERM: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("close after SIGTERM: %v", err)
	}
	s.close()
	g.stop()
	g.start()
	g.taken(t, "late.xml", sum(content))
}
