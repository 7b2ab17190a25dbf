package proof

import (
	"syscall"
	"testing"
)

// TestNothingIsOverwritten replays what today's servers were seen to do (truncated files under the final name, the
// original gone after a broken overwrite): OpenSSH's sftp is interrupted and killed in mid-upload, over nothing and
// over an accepted file.
func TestNothingIsOverwritten(t *testing.T) {
	need(t, "sftp")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		for _, over := range []bool{false, true} {
			name := map[bool]string{false: "new name", true: "over an accepted file"}[over] + ", " + sig.String()
			t.Run(name, func(t *testing.T) { broken(t, sig, over) })
		}
	}
}

func broken(t *testing.T, sig syscall.Signal, over bool) {
	g := newGateway(t, options{})
	s := g.door().sit(t)
	original := pain001(t, 8_000)
	var want []string
	if over {
		if err := s.push("m.xml", original); err != nil {
			t.Fatal(err)
		}
		want = []string{sum(original)}
	}
	d := newDesk(t, g.door())
	local := d.save("local.xml", pain001(t, 6_000_000))
	argv := append([]string{"sftp", "-q", "-l", "16000", "-P", d.port}, d.sshOptions()...)
	cmd, out := d.begin("put "+local+" /inbox/m.xml\n", append(argv, d.user+"@"+d.host)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The view shows how far the upload has come.
	eventually(t, "a part of the upload is at the server", func() bool {
		st, err := s.Stat("/inbox/m.xml")
		return err == nil && st.Size() > 1_000_000
	})
	cmd.Process.Signal(sig)
	cmd.Wait()
	if size := g.parked(t, "m.xml"); size < 1_000_000 || size >= 6_000_000 {
		t.Errorf("parked %d bytes\n%s", size, out)
	}
	g.taken(t, "m.xml", want...)
	// A restart drops what was parked; what was accepted before is there, openable, and nothing else.
	g.stop()
	g.start()
	g.taken(t, "m.xml", want...)
	g.tidy(t)
	for _, r := range with(g.files(), "accepted") {
		if got := g.openSealed(t, r.ID); string(got) != string(original) {
			t.Error("the file accepted first has changed")
		}
	}
	// The customer sends it again: taken.
	again := pain001(t, 100_000)
	if err := g.door().sit(t).push("m.xml", again); err != nil {
		t.Fatal(err)
	}
	g.taken(t, "m.xml", append(want, sum(again))...)
}

// TestPutSyncs: sshd syncs only when asked (put -f) and SFTPGo never; here a plain put of the real client is durable
// before it is answered.
func TestPutSyncs(t *testing.T) {
	need(t, "sftp")
	g := newGateway(t, options{})
	d := newDesk(t, g.door())
	for _, size := range []int{5_000, 500_000} {
		local := d.save("local.xml", pain001(t, size))
		x := g.trace(t, "-e", "trace=fsync,fdatasync")
		if o := d.sftpBatch(step{op: "put", local: local, remote: "/inbox/s.xml"}); o.code != 0 {
			t.Fatalf("exit %d\n%s", o.code, o.text)
		}
		syncs := 0
		for _, l := range x.detach(t) {
			if syncedFile.MatchString(l) || syncedFolder.MatchString(l) || syncedIndex.MatchString(l) {
				syncs++
			}
		}
		if syncs == 0 {
			t.Errorf("%d bytes were acknowledged without a sync", size)
		}
	}
}
