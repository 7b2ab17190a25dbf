package formats

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// idSet remembers the end-to-end ids of a file by hashes of 64 bits, so that one that comes again is found. It grows with
// the file, to 2.5 MiB at most: ids behind the first maxIDs are not looked at. That two different ids have one hash happens in less
// than one of ten million files that are full.
//
// It grows in few steps, each to eight times the ids: so what it leaves behind is little (an eighth), and what it moves. A table of
// a power of two, half full, took 5.3 MiB together with what it left behind.
type idSet struct {
	seed  maphash.Seed
	slots []uint64 // 0 is free; five for each four ids that there is room for
	held  int
}

const (
	maxIDs   = 1 << 18 // how many end-to-end ids of a file are remembered
	firstIDs = maxIDs >> 9
)

// again remembers an id and tells whether it has come before. "" and NOTPROVIDED are no ids.
func (s *idSet) again(id []byte) bool {
	if len(id) == 0 || s.held >= maxIDs {
		return false
	}
	if len(id) == len(notProvided) && strings.EqualFold(string(id), notProvided) {
		return false
	}
	if 5*s.held >= 4*len(s.slots) {
		s.grow()
	}
	hash := max(maphash.Bytes(s.seed, id), 1)
	at := s.find(hash)
	if s.slots[at] == hash {
		return true
	}
	s.slots[at] = hash
	s.held++
	return false
}

const notProvided = "NOTPROVIDED"

// find is where a hash is, or belongs: from its place on, by its highest bits, the first that is free.
func (s *idSet) find(hash uint64) int {
	place, _ := bits.Mul64(hash, uint64(len(s.slots)))
	at := int(place)
	for s.slots[at] != 0 && s.slots[at] != hash {
		if at++; at == len(s.slots) {
			at = 0
		}
	}
	return at
}

func (s *idSet) grow() {
	old := s.slots
	if old == nil {
		s.seed = maphash.MakeSeed()
	}
	s.slots = make([]uint64, max(firstIDs*5/4, 8*len(old)))
	for _, hash := range old {
		if hash != 0 {
			s.slots[s.find(hash)] = hash
		}
	}
}
