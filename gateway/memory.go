package gateway

import (
	"net/netip"
	"sync"

	"github.com/sealgate/sealgate/config"
)

// uploadMemory is what an open upload may hold beside its bytes: the inspector, and what it unpacks, the block of payments
// that it fills.
const uploadMemory = 256 << 10

// budget bounds what uploads hold in memory: all of them, those of one account, those from one address. Whoever opens
// thousands of files, or writes far ahead of a gap, meets his own share first.
type budget struct {
	mu        sync.Mutex
	total     int64
	accounts  map[string]int64
	addresses map[netip.Addr]int64
}

// take takes n bytes and says whether they were left; giving back (n < 0) always works. The poller has no address: what it
// fetches for all the accounts is not one sender's.
func (b *budget) take(n int64, account string, addr netip.Addr, limits config.Limits) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	total, ofAccount, ofAddress := b.total+n, b.accounts[account]+n, b.addresses[addr]+n
	if n > 0 && (total > limits.Memory || ofAccount > limits.MemoryPerAccount || ofAddress > limits.MemoryPerAddress && addr.IsValid()) {
		return false
	}
	b.total = total
	if b.accounts[account] = ofAccount; ofAccount == 0 {
		delete(b.accounts, account)
	}
	if b.addresses[addr] = ofAddress; ofAddress == 0 {
		delete(b.addresses, addr)
	}
	return true
}

// used is what all uploads hold now.
func (b *budget) used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}
