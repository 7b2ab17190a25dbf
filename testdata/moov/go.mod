// A module of its own, so that the product depends on none of this: see the head of moov_test.go.
module github.com/sealgate/sealgate/testdata/moov

go 1.26.0

require (
	github.com/moov-io/ach v1.50.0
	github.com/sealgate/sealgate v0.0.0
)

require (
	github.com/igrmk/treemap/v2 v2.0.1 // indirect
	github.com/moov-io/base v0.55.1 // indirect
	github.com/moov-io/iso3166 v0.2.1 // indirect
	github.com/moov-io/iso4217 v0.3.2 // indirect
	github.com/rickar/cal/v2 v2.1.23 // indirect
	golang.org/x/exp v0.0.0-20240707233637-46b078467d37 // indirect
	golang.org/x/net v0.41.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/sealgate/sealgate => ../..
