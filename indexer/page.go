package indexer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// The form of a sealed page, 4,096 bytes like the page itself; SQLite leaves the last 32 bytes of each page unused.
//
//	   12 bytes  nonce, random
//	4,064 bytes  AES-256-GCM ciphertext of the page's first 4,064 bytes
//	   16 bytes  tag
//	    4 bytes  epoch, big-endian, random for each opening of the database
//
// The key of an epoch is derive("sealgate page", epoch, database key) of secret.go: random nonces are safe for some 2^32
// pages under one key, and a busy account writes that many in a year, but not in one epoch. The additional data is the
// kind of file (1 main, 2 write-ahead log, 3 journal) and the page's number (log: the frame's; journal: the offset),
// so that no page can be put in another's place. What this cannot see: a whole file, or a page, put back to an earlier
// state of its own (the ledger's head in the customers' receipts shows that), and the files' sizes.
const (
	pageSize    = 4096
	reserved    = 32
	nonceSize   = 12
	pageBody    = pageSize - reserved
	frameHeader = 24
	walHeader   = 32

	mainFile    = 1
	logFile     = 2
	journalFile = 3

	epochPages = 1 << 30 // pages after which a new epoch begins
	epochsKept = 64      // ciphers of earlier epochs that stay in memory (about 1 KiB each)
)

// pageKey seals and opens one database's pages. Safe for concurrent use.
type pageKey struct {
	mu     sync.RWMutex
	secret [32]byte // zeroed by forget
	epochs map[uint32]cipher.AEAD
	frames cipher.Block // for the headers of the log's frames
	gone   bool

	epoch   uint32
	current cipher.AEAD
	sealed  atomic.Uint32 // pages sealed in this epoch
	failed  atomic.Bool   // some page did not open
	logEnd  atomic.Int64  // the frame of the log that was written last: how long the log is just now
}

// blankKey is the key of a locked database: it opens nothing before learn.
func blankKey() *pageKey { return &pageKey{epochs: make(map[uint32]cipher.AEAD), gone: true} }

// newPageKey prepares the ciphers of a database.
func newPageKey(key *Key) (*pageKey, error) {
	k := blankKey()
	return k, k.learn(key)
}

// learn takes the key, at first or after forget.
func (k *pageKey) learn(key *Key) error {
	var sub Key
	defer clear(sub[:])
	derive(&sub, "sealgate log frame headers", 0, key)
	frames, err := aes.NewCipher(sub[:])
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.secret, k.frames, k.gone = *key, frames, false
	k.mu.Unlock()
	k.failed.Store(false)
	k.logEnd.Store(0)
	if !k.turn() {
		return errKeyGone
	}
	return nil
}

// forgotten says whether the key is not there, or not any more.
func (k *pageKey) forgotten() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.gone
}

// forget zeroes the secret and the ciphers; no page can be sealed or opened afterwards. It waits for pages under way.
func (k *pageKey) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.secret[:])
	k.current = nil
	k.wipeEpochs()
	if k.frames != nil {
		wipe(k.frames)
	}
	k.frames, k.gone = nil, true
}

// wipeEpochs wipes the ciphers of all epochs but the current one. The caller holds the lock.
func (k *pageKey) wipeEpochs() {
	for epoch, aead := range k.epochs {
		if aead != k.current {
			wipe(aead)
			delete(k.epochs, epoch)
		}
	}
}

// turn begins a new epoch.
func (k *pageKey) turn() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	var b [4]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	epoch := binary.BigEndian.Uint32(b[:])
	aead := k.derive(epoch)
	if aead == nil {
		return false
	}
	k.epoch, k.current = epoch, aead
	k.sealed.Store(0)
	return true
}

// derive makes the cipher of an epoch and keeps it. The caller holds the lock.
func (k *pageKey) derive(epoch uint32) cipher.AEAD {
	if k.gone {
		return nil
	}
	if a := k.epochs[epoch]; a != nil {
		return a
	}
	var sub Key
	defer clear(sub[:])
	derive(&sub, "sealgate page", epoch, &k.secret)
	aead, err := newGCM(&sub)
	if err != nil {
		return nil
	}
	if len(k.epochs) >= epochsKept {
		k.wipeEpochs() // they come back as their pages are read: 2 µs each
	}
	k.epochs[epoch] = aead
	return aead
}

func pageData(kind byte, no uint64) (ad [9]byte) {
	ad[0] = kind
	binary.BigEndian.PutUint64(ad[1:], no)
	return ad
}

// seal puts the sealed form of a page into sealed, which must not be the page itself.
func (k *pageKey) seal(kind byte, no uint64, plain, sealed []byte) bool {
	if k.sealed.Add(1) >= epochPages && !k.turn() {
		return false
	}
	if kind == logFile {
		k.logEnd.Store(int64(no))
	}
	k.mu.RLock() // held to the end: a cipher that is wiped meanwhile would seal garbage
	defer k.mu.RUnlock()
	if k.current == nil {
		return false
	}
	ad := pageData(kind, no)
	nonce := sealed[:nonceSize]
	rand.Read(nonce)
	k.current.Seal(sealed[nonceSize:nonceSize], nonce, plain[:pageBody], ad[:])
	binary.BigEndian.PutUint32(sealed[pageSize-4:], k.epoch)
	return true
}

// open puts the page into plain; false when it is not what was sealed under this key, kind and number.
func (k *pageKey) open(kind byte, no uint64, sealed, plain []byte) bool {
	epoch := binary.BigEndian.Uint32(sealed[pageSize-4:])
	k.mu.RLock()
	if aead := k.epochs[epoch]; aead != nil {
		defer k.mu.RUnlock()
		return k.openWith(aead, kind, no, sealed, plain)
	}
	k.mu.RUnlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	aead := k.derive(epoch)
	return aead != nil && k.openWith(aead, kind, no, sealed, plain)
}

// openWith opens a page with its epoch's cipher. The caller holds the lock, or a reader's share of it.
func (k *pageKey) openWith(aead cipher.AEAD, kind byte, no uint64, sealed, plain []byte) bool {
	ad := pageData(kind, no)
	if _, err := aead.Open(plain[:0:pageBody], sealed[:nonceSize], sealed[nonceSize:pageSize-4], ad[:]); err != nil {
		k.failed.Store(true)
		return false
	}
	clear(plain[pageBody:])
	return true
}

// header enciphers (or deciphers) the salts and checksums of a log frame's header in place, bytes 8 to 23: one AES
// block, tweaked with the frame's number, the page's number and the commit size. The checksums are computed over
// plaintext and would say something about it; SQLite compares salts and checksums, so a changed header ends the log.
// false: the key was forgotten.
func (k *pageKey) header(frame uint64, h []byte, seal bool) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	block := k.frames
	if block == nil {
		clear(h)
		return false
	}
	var tweak [16]byte
	binary.BigEndian.PutUint64(tweak[:], frame)
	copy(tweak[8:], h[:8])
	block.Encrypt(tweak[:], tweak[:])
	for i := range tweak {
		h[8+i] ^= tweak[i]
	}
	if seal {
		block.Encrypt(h[8:frameHeader], h[8:frameHeader])
	} else {
		block.Decrypt(h[8:frameHeader], h[8:frameHeader])
	}
	for i := range tweak {
		h[8+i] ^= tweak[i]
	}
	return true
}
