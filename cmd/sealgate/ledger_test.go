package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// remake computes a printed ledger anew from docs/on-disk.md alone, as somebody would who has the unlock key and something to hide:
// the row of this number says something else, and all rows after it follow. remake IN OUT 4 OLD NEW
func remake(ts *testscript.TestScript, _ bool, args []string) {
	number, err := strconv.Atoi(args[2])
	ts.Check(err)
	field := func(b []byte) []byte { return append(binary.BigEndian.AppendUint64(nil, uint64(len(b))), b...) }
	count := func(n int64) []byte { return field(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	var out strings.Builder
	prev := make([]byte, 32)
	for i, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n") {
		if i+1 == number {
			changed := strings.Replace(line, args[3], args[4], 1)
			if changed == line {
				ts.Fatalf("row %d has no %s: %s", number, args[3], line)
			}
			line = changed
		}
		var row struct {
			Seq    int64     `json:"seq"`
			At     time.Time `json:"at"`
			Kind   string    `json:"kind"`
			File   string    `json:"file,omitempty"`
			Who    string    `json:"who,omitempty"`
			Detail string    `json:"detail,omitempty"`
			Record string    `json:"record,omitempty"`
			Prev   string    `json:"prev"`
			Hash   string    `json:"hash"`
		}
		ts.Check(json.Unmarshal([]byte(line), &row))
		record, err := hex.DecodeString(row.Record)
		ts.Check(err)
		h := sha256.New()
		for _, b := range [][]byte{field([]byte("sealgate ledger 1")), count(row.Seq), count(row.At.UnixMicro()), field([]byte(row.Kind)),
			field([]byte(row.File)), field([]byte(row.Who)), field([]byte(row.Detail)), field(record), field(prev)} {
			h.Write(b)
		}
		sum := h.Sum(nil)
		if hash := hex.EncodeToString(sum); i+1 < number && hash != row.Hash {
			ts.Fatalf("row %d: %s is computed, %s is there", i+1, hash, row.Hash)
		}
		row.Prev, row.Hash = hex.EncodeToString(prev), hex.EncodeToString(sum)
		prev = sum
		text, err := json.Marshal(row)
		ts.Check(err)
		out.Write(append(text, '\n'))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(out.String()), 0o600))
}
