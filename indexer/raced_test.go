//go:build race

package indexer

// raced: the race detector is at work, whose calls leave copies of what they are given in memory that nobody clears.
const raced = true
