package indexer

import (
	"encoding/binary"
	"math/bits"
)

// nameKey is the secret key of the names' hashes, one of each account, drawn when its tables are made.
type nameKey [2]uint64

// readNameKey leaves no copy of it on the stack, as a result would.
func readNameKey(b []byte, k *nameKey) (ok bool) {
	if len(b) != 16 {
		return false
	}
	k[0], k[1] = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return true
}

// hashName is the 64-bit hash of a folded name: SipHash-2-4 (Aumasson, Bernstein 2012). A name whose hash the account has
// is not stored again, so a name that shared it with another would not be found. Hence a hash with a secret key, and not
// hashKey: nobody who does not know the key can make two names of the same hash, or see that he has; by chance, one
// account in 37 million with a million names has two. It is stored: it must never change.
func hashName(k *nameKey, name []byte) uint64 {
	v0, v1 := k[0]^0x736f6d6570736575, k[1]^0x646f72616e646f6d
	v2, v3 := k[0]^0x6c7967656e657261, k[1]^0x7465646279746573
	length := uint64(len(name)) << 56
	for ; len(name) >= 8; name = name[8:] {
		m := binary.LittleEndian.Uint64(name)
		v3 ^= m
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	for i, c := range name {
		length |= uint64(c) << (8 * i)
	}
	v3 ^= length
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= length
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0, v2 = v0+v1, v2+v3
	v1, v3 = bits.RotateLeft64(v1, 13)^v0, bits.RotateLeft64(v3, 16)^v2
	v0 = bits.RotateLeft64(v0, 32)
	v2, v0 = v2+v1, v0+v3
	v1, v3 = bits.RotateLeft64(v1, 17)^v2, bits.RotateLeft64(v3, 21)^v0
	return v0, v1, bits.RotateLeft64(v2, 32), v3
}
