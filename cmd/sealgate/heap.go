package main

import (
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// The collector comes when the heap has grown by a fifth, the ballast counted: after some 30 MiB of garbage with one upload, after 40
// with eight. As Go has it, it would come when the heap has doubled: for one upload, with the gibibyte of garbage that the ssh library leaves
// for each one received, so often that collecting is a tenth of the work; for eight so late that each took half as much memory again.
const (
	ballast    = 128 << 20
	heapGrowth = 20 // per cent
)

// steadyHeap sets that, and returns the ballast, which is to be held as long as it shall count. It takes none of the machine's memory: nothing
// touches it, and what the allocator cleared of it, where something else had been before, is given back here.
func steadyHeap() (held []byte, err error) {
	held = make([]byte, ballast)
	debug.SetGCPercent(heapGrowth)
	return held, os.NewSyscallError("madvise", unix.Madvise(held, unix.MADV_DONTNEED))
}
