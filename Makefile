# make demo   builds, starts the gateway, pushes real files with a real client, shows the index, opens a sealed copy, stops
# make test   installs the peers that are missing (as root, from Debian's packages) and runs every test
# make check  gofmt, vet, staticcheck
# make race   every test but the proofs, with the race detector
# make vuln   known faults of what we build on (asks vuln.go.dev)
# make bench  speed against OpenSSH's sshd, side by side in the same run; then 10,000 sealed copies rewrapped
# make moov   our reading of NACHA files against moov-io/ach (fetches its module)
# make xsd    our ISO 20022 test files against the official schemas, which are in the folder XSD_DIR
# make fuzz   every fuzz target for FUZZTIME

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 1m

.PHONY: build demo test check race vuln fuzz bench peers moov xsd

build:
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/sealgate ./cmd/sealgate

demo: build
	./docs/demo.sh bin/sealgate

peers:
	./.ci/peers

test: check peers
	$(GO) test -count=1 -timeout 40m ./...

check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	$(GO) vet ./... ./testdata/gen ./testdata/gen/payfile ./testdata/bench
	$(GO) tool staticcheck ./... ./testdata/gen ./testdata/gen/payfile ./testdata/bench

race:
	$(GO) test -count=1 -race -timeout 40m $$($(GO) list ./... | grep -v /proof)

vuln:
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

fuzz:
	@$(GO) list ./... | while read -r pkg; do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
			echo "== $$pkg $$target"; $(GO) test $$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done

bench: build
	$(GO) run ./testdata/bench -sealgate bin/sealgate
	$(GO) test ./gateway -run '^$$' -bench Rotate -benchtime 10000x
	$(GO) test ./indexer -run '^$$' -bench 'Encrypted|LockedIngest' -benchtime 1x

moov:
	cd testdata/moov && $(GO) vet . && $(GO) test -count=1 -v .

xsd:
	./docs/xsd-check.sh "$(XSD_DIR)"
