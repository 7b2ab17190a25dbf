package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealgate/sealgate/gateway"
)

// TestRotationLeavesSession: at its end a rotation locks an account that it has unlocked itself, and leaves it open where somebody else has
// unlocked it, before or meanwhile.
func TestRotationLeavesSession(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gw")
	file := filepath.Join(dir, "sealgate.yaml")
	run := func(args ...string) {
		t.Helper()
		if tool, _, talk := newTestTool(t); tool.run(t.Context(), args) != exitYes {
			t.Fatalf("%v: %s", args, talk)
		}
	}
	run("init", dir)
	text, err := os.ReadFile(file)
	text = []byte(strings.Replace(string(text), "#protect_database: false", "protect_database: true", 1))
	if err := errors.Join(err, os.WriteFile(file, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	run("protect", "acme", "-c", file)
	tool, _, _ := newTestTool(t)
	tool.configFile = file
	client, cfg, err := tool.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	o := &opening{keyFile: filepath.Join(dir, "keys/acme.key"), accessFile: filepath.Join(dir, "keys/acme.access")}
	k, err := tool.accountKey(t.Context(), client, "acme", o)
	if err != nil {
		t.Fatal(err)
	}
	_, account, err := inForce(t.Context(), client, cfg, "acme")
	if err != nil {
		t.Fatal(err)
	}
	unlock := func() {
		t.Helper()
		q := gateway.AccountKey{Account: "acme", For: 10 * time.Minute, Key: k.own, Opened: k.opened}
		if _, err := client.UnlockAccount(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	lock := func() {
		t.Helper()
		if _, err := client.LockAccount(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	nothing := func() {}
	for _, c := range []struct {
		name              string
		before, meanwhile func()
		open              bool
	}{
		{"nobody", nothing, nothing, false},
		{"unlocked before", unlock, nothing, true},
		{"unlocked meanwhile", nothing, unlock, true},
		{"unlocked before, and once more", unlock, unlock, true},
		{"unlocked before, and locked meanwhile", unlock, lock, false},
	} {
		for _, rotated := range []bool{true, false} {
			lock()
			c.before()
			end, err := tool.unlockedFor(t.Context(), client, account, o, k.key)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			c.meanwhile()
			if err := end(rotated); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			s, err := client.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(s.Accounts, func(a gateway.AccountStatus) bool { return a.ID == "acme" })
			if open := s.Accounts[at].UnlockedUntil != ""; open != c.open {
				t.Errorf("%s, rotated %v: it is open: %v", c.name, rotated, open)
			}
		}
	}
}
