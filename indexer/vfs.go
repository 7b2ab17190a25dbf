package indexer

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo linux LDFLAGS: -Wl,--unresolved-symbols=ignore-in-object-files
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include "vfs.h"
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"unsafe"
)

// registerVFS makes the VFS "sealgate" known to SQLite. It may be called as often as one likes.
//
// The linker flag above is needed because SQLite's functions are in another package's objects (mattn/go-sqlite3's):
// they are there when the program is linked, but not yet when this package's own objects are looked at.
func registerVFS() error {
	if rc := C.sealgate_vfs(); rc != C.SG_OK {
		return fmt.Errorf("this SQLite cannot take the page encryption (code %d)", int(rc))
	}
	return nil
}

// zeroFreed has SQLite zero, for as long as this process lives, whatever it frees: pages that it has read, and all that it made of them.
func zeroFreed() error {
	if err := registerVFS(); err != nil {
		return err
	}
	C.sealgate_zero_freed()
	return nil
}

// stir has SQLite forget what it has drawn last: the key of a list of names, perhaps (randomblob).
func stir() { C.sealgate_stir() }

// keyOf finds the keys behind a handle that came through SQLite; nil when the database was closed meanwhile.
func keyOf(h C.uintptr_t) (k *pageKey) {
	defer func() {
		if recover() != nil { // cgo.Handle panics on a handle that is not (or no longer) one
			k = nil
		}
	}()
	k, _ = cgo.Handle(h).Value().(*pageKey)
	return k
}

func pageAt(p *C.uchar) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), pageSize) }

//export knownKey
func knownKey(h C.uintptr_t) C.int { return truth(keyOf(h) != nil) }

//export holdsKey
func holdsKey(h C.uintptr_t) C.int {
	k := keyOf(h)
	return truth(k != nil && !k.forgotten())
}

//export sealPage
func sealPage(h C.uintptr_t, kind C.int, no C.int64_t, plain, sealed *C.uchar) C.int {
	k := keyOf(h)
	return truth(k != nil && k.seal(byte(kind), uint64(no), pageAt(plain), pageAt(sealed)))
}

//export openPage
func openPage(h C.uintptr_t, kind C.int, no C.int64_t, sealed, plain *C.uchar) C.int {
	switch k := keyOf(h); {
	case k != nil && k.open(byte(kind), uint64(no), pageAt(sealed), pageAt(plain)):
		return C.SG_OK
	case k == nil || k.forgotten():
		return C.SG_IOERR_AUTH
	}
	return C.SG_IOERR_DATA
}

//export sealHeader
func sealHeader(h C.uintptr_t, no C.int64_t, header *C.uchar) C.int {
	k := keyOf(h)
	return truth(k != nil && k.header(uint64(no), unsafe.Slice((*byte)(unsafe.Pointer(header)), frameHeader), true))
}

//export openHeader
func openHeader(h C.uintptr_t, no C.int64_t, header *C.uchar) C.int {
	k := keyOf(h)
	return truth(k != nil && k.header(uint64(no), unsafe.Slice((*byte)(unsafe.Pointer(header)), frameHeader), false))
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
