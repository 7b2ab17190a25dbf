#!/usr/bin/env bash
# Validates this project's ISO 20022 test files, and generated ones, against the official schemas, with xmllint:
#
#	docs/xsd-check.sh FOLDER        or: make xsd XSD_DIR=FOLDER
#
# FOLDER, or folders below it, holds the schemas as pain.001.001.03.xsd and so on. They are not in this repository, since
# their licence is not ours: https://www.iso20022.org has them for everybody. Files bad-* and cut-* are meant to be wrong.
set -u

schemas="${1:-}"
if [ ! -d "$schemas" ]; then
	echo "usage: docs/xsd-check.sh FOLDER, which holds the schemas (make xsd XSD_DIR=FOLDER)" >&2
	exit 2
fi
schemas="$(cd "$schemas" && pwd)"
cd "$(dirname "$0")/.." || exit 2
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# loose FILE : why a file that is right for us is not for its schema; fails for files that must be right.
loose() {
	case "$1" in
	*-findings.xml) echo "holds what we take and note as findings" ;;
	camt053-status.xml) echo "an entry has a status that no version knows" ;;
	pain001-foreign.xml) echo "elements of name spaces and names that no version knows are passed over" ;;
	other-message.xml) echo "a message that is not read here; only its root matters" ;;
	*) return 1 ;;
	esac
}

failed=0 right=0 expected=0 skipped=0
# check FILE : validates the Document in it.
check() {
	local file="$1" name namespace schema why
	name="$(basename "$file")"
	namespace="$(xmllint --xpath "namespace-uri((//*[local-name()='Document'])[1])" "$file" 2>/dev/null)"
	schema="$(find "$schemas" -name "${namespace##*:}.xsd" -print -quit 2>/dev/null)"
	if [ -z "$namespace" ] || [ -z "$schema" ]; then
		echo "no schema    $name (${namespace:-no name space})"
		skipped=$((skipped + 1))
		return
	fi
	# What wraps a Document has schemas of its own, or none.
	xmllint --xpath "(//*[local-name()='Document'])[1]" "$file" >"$work/document.xml" 2>/dev/null
	if xmllint --noout --schema "$schema" "$work/document.xml" >"$work/said" 2>&1; then
		if why="$(loose "$name")"; then
			echo "now right    $name: take it out of the list in $0"
			failed=$((failed + 1))
		fi
		right=$((right + 1))
	elif why="$(loose "$name")"; then
		echo "as expected  $name: $why"
		expected=$((expected + 1))
	else
		echo "WRONG        $name"
		grep -v 'fails to validate' "$work/said" | sed "s/^[^ ]*document.xml:/	line /" | cut -c1-300
		failed=$((failed + 1))
	fi
}

for file in indexer/formats/testdata/*.xml; do
	case "$(basename "$file")" in bad-* | cut-*) continue ;; esac
	check "$file"
done
for format in pain.001 pain.008 pain.002 camt.053 camt.055 pacs.008; do
	go run ./testdata/gen -format "$format" -payments 60 -per-batch 25 -o "$work/generated-$format.xml" || exit 2
	check "$work/generated-$format.xml"
done
echo "$right right, $expected wrong as expected, $skipped without a schema, $failed failures"
[ "$failed" = 0 ]
