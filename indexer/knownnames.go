package indexer

import "database/sql"

const (
	// knownSlots bounds what is kept in memory of the account's names: 4 MiB for 458,000.
	knownSlots = 1 << 19
	// lookedThrough is how many names that are not in memory are looked through for those of a segment; others are stored
	// once more when they come again. It bounds the time that storing takes: 5 ns for each and segment.
	lookedThrough = 1 << 20
)

// knownNames are hashes of names that the account keeps for ever. They are kept in memory while many files come: the
// collector takes them when nobody has asked for two of its rounds.
type knownNames struct {
	upTo  int64    // the last chunk whose names are in it
	slots []uint64 // by the hash's lower bits, or behind; 0 is free
	count int
}

// room tells whether so many more may be added, and makes it: seven slots in eight may be taken.
func (k *knownNames) room(more int) bool {
	n := max(len(k.slots), 1<<10)
	for (k.count+more)*8 > n*7 {
		n *= 2
	}
	if n > knownSlots {
		return false
	}
	if n > len(k.slots) {
		old := k.slots
		k.slots, k.count = make([]uint64, n), 0
		for _, h := range old {
			k.add(h)
		}
	}
	return true
}

func (k *knownNames) add(hash uint64) {
	if i := k.slot(hash); k.slots[i] == 0 && hash != 0 {
		k.slots[i] = hash
		k.count++
	}
}

func (k *knownNames) has(hash uint64) bool {
	return len(k.slots) > 0 && hash != 0 && k.slots[k.slot(hash)] == hash
}

// slot is where the hash is, or would be.
func (k *knownNames) slot(hash uint64) int {
	mask := len(k.slots) - 1
	i := int(hash) & mask
	for k.slots[i] != 0 && k.slots[i] != hash {
		i = (i + 1) & mask
	}
	return i
}

// sqlKnownNames are the chunks behind one: those of accepted files stay for ever; another's may go, and only the file
// itself relies on it.
const sqlKnownNames = `SELECT c.n, c.stays, CASE WHEN c.stays OR c.file = ?2 THEN (SELECT h.data FROM name_hashes h WHERE h.n = c.n) END
	FROM (SELECT n, file, file = '' OR EXISTS (SELECT 1 FROM files f WHERE f.id = names.file AND f.verdict = 'accepted') AS stays
		FROM names WHERE n > ?1) c ORDER BY c.n`

// recall marks the settled segment's names that are in chunks which k has not, and puts into k what stays: up to the first
// chunk that may go, so that none is left out.
func (p *Payments) recall(k *knownNames) error {
	rows, err := p.x.d.r.QueryContext(p.x.d.base, sqlKnownNames, k.upTo, p.file)
	if err != nil {
		return err
	}
	defer rows.Close()
	fits := true
	var hashes sql.RawBytes
	for seen := 0; seen < lookedThrough && rows.Next(); seen += len(hashes) / 8 {
		var n int64
		var stays bool
		if err := rows.Scan(&n, &stays, &hashes); err != nil {
			return err
		}
		p.b.names.know(hashes)
		if fits = fits && stays && k.room(len(hashes)/8); fits {
			eachHash(hashes, k.add)
			k.upTo = n
		}
	}
	return rows.Err()
}
