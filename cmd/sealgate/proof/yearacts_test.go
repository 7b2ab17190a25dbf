package proof

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// act is something that an operator does, with what he is told and the exit status.
type act func(t *testing.T) (talk string, code int)

// operates does what operators do. While the daemon lives, nothing of it fails.
func (y *year) operates(t *testing.T) {
	run := func(args ...string) act {
		return func(*testing.T) (string, int) { return y.runs(append(args, "-c", y.config)...) }
	}
	acts := map[string]act{
		"unlock":   run(append([]string{"unlock", "acme"}, y.acmeKeys()[:4]...)...),
		"lock":     run("lock", "acme"),
		"files":    run("files", "--account", "bolag"),
		"payments": run("payments", "--account", "bolag", "--name", "aktiebolag"),
		"ledger":   run("ledger", "radera"),
		"status":   run("status", "--account", "radera"),
		"verify":   run("verify"),
		"poll":     y.polls, "send": y.puts, "decide": y.decides, "rotate": y.rotates, "reload": y.reloads, "user": y.logins,
	}
	names := slices.Collect(maps.Keys(acts))
	for !y.over.Load() && !t.Failed() {
		name, life := names[rand.IntN(len(names))], y.life.Load()
		talk, code := acts[name](t)
		if lived := life%2 == 1 && life == y.life.Load(); lived && code != 0 && !y.mayFail(name, talk) {
			t.Errorf("%s: exit %d: %s", name, code, talk)
		}
		y.mu.Lock()
		y.did[name]++
		y.mu.Unlock()
	}
}

// mayFail says whether a living gateway rightly says no.
func (y *year) mayFail(act, talk string) bool {
	switch act {
	case "unlock", "lock":
		return strings.Contains(talk, "is not protected")
	case "status":
		return true // it also tells what is the matter
	}
	return false
}

func (y *year) runs(args ...string) (talk string, code int) {
	out, talk, code := y.command("", args...)
	return out + talk, code
}

// polls lays a file into the customer's own server and has it fetched.
func (y *year) polls(t *testing.T) (string, int) {
	content := crashFile(t, rand.IntN(4))
	y.b.note("fetched", sum(content), acknowledged) // it is, when it is gone there
	y.c.put(t, fmt.Sprintf("%x.xml", sum(content)[:8]), content)
	return y.runs("poll", "kund", "-c", y.config)
}

// puts puts a file into the outbox.
func (y *year) puts(t *testing.T) (string, int) {
	content := make([]byte, 1000+rand.IntN(100_000))
	rand.NewChaCha8([32]byte{byte(len(y.sent)), byte(len(y.sent) >> 8)}).Read(content)
	talk, code := y.runs("send", "bolag", save(t, y.dir, "statement.bin", content), "-c", y.config)
	y.sent[sum(content)] = code == 0
	return talk, code
}

// decides ends the waiting of a held file.
func (y *year) decides(t *testing.T) (string, int) {
	out, talk, code := y.command("", "files", "--verdict", "held", "--account", "bolag", "--json", "-c", y.config)
	first, _, some := strings.Cut(out, "\n")
	if code != 0 || !some {
		return talk, code
	}
	_, id, _ := strings.Cut(first, `"id":"`)
	_, sha, _ := strings.Cut(first, `"sha256":"`)
	what := []string{"release", "refuse"}[rand.IntN(2)]
	talk, code = y.runs(what, id[:26], "--reason", "so it goes", "-c", y.config)
	if what == "release" {
		n := y.released[sha[:64]]
		if n[1]++; code == 0 {
			n[0]++
		}
		y.released[sha[:64]] = n
	}
	return talk, code
}

// rotates gives bolag another certificate.
func (y *year) rotates(t *testing.T) (string, int) {
	from := y.log.len()
	y.mu.Lock()
	y.newCertificate()
	y.configure()
	y.mu.Unlock()
	life := y.life.Load()
	eventually(t, "the certificate is loaded", func() bool {
		return strings.Contains(y.log.since(from), "config loaded") || life%2 == 0 || y.life.Load() != life
	})
	return y.runs("cert", "rotate", "bolag", y.certificate(y.crt)+".crt", "--key", y.certificate(y.crt-1)+".key", "-c", y.config)
}

// reloads changes the configuration, and says so to the daemon, if there is one.
func (y *year) reloads(*testing.T) (string, int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.ghost = !y.ghost
	y.configure()
	if y.life.Load()%2 == 1 {
		y.cmd.Process.Signal(syscall.SIGHUP)
	}
	return "", 0
}

// logins makes a login and takes it away.
func (y *year) logins(*testing.T) (string, int) {
	if out, talk, code := y.command(y.pass+"\n", "user", "add", "radera", "gast", "--password-stdin", "-c", y.config); code != 0 && !strings.Contains(talk, "already") {
		return out + talk, code
	}
	return y.runs("user", "remove", "radera", "gast", "--yes", "-c", y.config)
}
