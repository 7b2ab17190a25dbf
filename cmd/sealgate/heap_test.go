package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// The ballast takes no memory, even where it comes to lie on what was used before.
func TestBallastTakesNoMemory(t *testing.T) {
	t.Cleanup(func() { debug.SetGCPercent(100) })
	used := bytes.Repeat([]byte{1}, ballast)
	if full := resident(t); full < ballast {
		t.Fatalf("%d bytes are resident with %d in use", full, len(used))
	}
	used = nil
	runtime.GC()
	held, err := steadyHeap()
	if err != nil {
		t.Fatal(err)
	}
	if now := resident(t); now >= ballast {
		t.Errorf("%d MiB are resident", now>>20)
	}
	runtime.KeepAlive(held)
}

// resident is the memory of this process, in bytes.
func resident(t *testing.T) (size int64) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var all int64
	if _, err := fmt.Sscan(string(text), &all, &size); err != nil {
		t.Fatal(err)
	}
	return size * int64(os.Getpagesize())
}
