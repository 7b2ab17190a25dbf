package indexer

import (
	"crypto/rand"
	"errors"
)

// Handover is how the key of a protected account's database is brought into this process: sealed to a key pair that was made for this
// once, through whatever buffers there are on the way, into an array that is zeroed.
type Handover struct {
	Public  []byte
	private Key
}

// ErrHandover: the key was sealed to another handover.
var ErrHandover = errors.New("the key was not sealed to this handover")

const handoverLabel = "sealgate handover"

// NewHandover makes the pair. Forget it, or Open.
func NewHandover() (*Handover, error) {
	h := new(Handover)
	rand.Read(h.private[:]) // never fails (crypto/rand)
	var err error
	h.Public, err = publicHalf(&h.private)
	return h, err
}

// HandOver seals a key to a handover's public half.
func HandOver(public []byte, key *Key) ([]byte, error) { return sealBox(public, handoverLabel, key) }

// Open puts the key that was brought into key, and forgets the pair. ErrHandover.
func (h *Handover) Open(box []byte, key *Key) error {
	defer h.Forget()
	if err := openBox(&h.private, handoverLabel, box, key); err != nil {
		return ErrHandover
	}
	return nil
}

// Forget zeroes the private half.
func (h *Handover) Forget() { clear(h.private[:]) }
