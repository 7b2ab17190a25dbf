//go:build !race

package indexer

const raced = false
