package formats

import (
	"hash/maphash"
	"strings"
)

// idSet remembers the end-to-end ids of a file by hashes of 64 bits, so that one that comes again is found. It grows with
// the file, to 4 MiB at most: ids behind the first maxIDs are not looked at. That two different ids have one hash happens in less
// than one of ten million files that are full.
type idSet struct {
	seed  maphash.Seed
	slots []uint64 // 0 is free; a power of two of them, at most half full
	held  int
}

// maxIDs is how many end-to-end ids of a file are remembered.
const maxIDs = 1 << 18

// again remembers an id and tells whether it has come before. "" and NOTPROVIDED are no ids.
func (s *idSet) again(id []byte) bool {
	if len(id) == 0 || s.held >= maxIDs {
		return false
	}
	if len(id) == len(notProvided) && strings.EqualFold(string(id), notProvided) {
		return false
	}
	if 2*s.held >= len(s.slots) {
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

// find is where a hash is, or belongs.
func (s *idSet) find(hash uint64) uint64 {
	last := uint64(len(s.slots) - 1)
	at := hash & last
	for s.slots[at] != 0 && s.slots[at] != hash {
		at = (at + 1) & last
	}
	return at
}

func (s *idSet) grow() {
	old := s.slots
	if old == nil {
		s.seed = maphash.MakeSeed()
	}
	s.slots = make([]uint64, max(512, 4*len(old))) // 512, 2048 ... 524,288: few steps, for each moves all
	for _, hash := range old {
		if hash != 0 {
			s.slots[s.find(hash)] = hash
		}
	}
}
