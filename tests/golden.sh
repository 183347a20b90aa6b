#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The second decoder reads every golden file and must say what the text file
# beside it says; it must refuse each file when its last byte is missing; and
# it must find the proofs and MACs right with the key, wrong with another.
# UPDATE_GOLDEN=1 rewrites the text files: read them before committing.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
# shellcheck source=tests/lib/check.sh
. tests/lib/check.sh
golden=tests/golden
key=$(printf '42%.0s' {1..32})
other=$(printf '43%.0s' {1..32})

decode() {
	PYTHONDONTWRITEBYTECODE=1 python3 tests/wire-decode.py "$@"
}

# shellcheck disable=SC2317 # called through check
is_malformed() { tail -n 1 "$1" | grep -q '^malformed: '; }
# shellcheck disable=SC2317
has() { [ "$(grep -c -- "$1" "$2")" = "$3" ]; }

mkdir "$scratch/whole" "$scratch/short" "$scratch/other"
cp "$golden"/*.bin "$scratch/whole"
cp "$golden"/datagram-*.bin "$scratch/other"
for file in "$golden"/*.bin; do
	head -c -1 "$file" >"$scratch/short/${file##*/}"
done
check "the decoder reads everything" \
	decode each --key "$key" "$scratch"/{whole,short}/*.bin
check "the decoder reads with another key" \
	decode each --key "$other" "$scratch"/other/*.bin

for file in "$golden"/*.bin; do
	name=${file##*/}
	name=${name%.bin}
	if [ -n "${UPDATE_GOLDEN-}" ]; then
		cp "$scratch/whole/$name.out" "$golden/$name.txt"
	fi
	check "$name says what its text says" \
		diff -u "$golden/$name.txt" "$scratch/whole/$name.out"
	case $name in
	datagram-fast) ;; # what is missing cannot be seen
	datagram-*)
		check "$name has a MAC of the key" \
			has '^  mac: .* good$' "$scratch/whole/$name.out" 1
		check "$name has no MAC of another key" \
			has '^  mac: .* BAD$' "$scratch/other/$name.out" 1
		check "$name without its last byte has no MAC" \
			has ' good$' "$scratch/short/$name.out" 0
		;;
	*)
		check "$name without its last byte is refused" \
			is_malformed "$scratch/short/$name.out"
		;;
	esac
done

for file in "$golden"/*.txt; do
	[ -e "${file%.txt}.bin" ] || echo "$file"
done >"$scratch/lonely"
check "every text has its bytes" diff /dev/null "$scratch/lonely"

decode proofs "$golden"/lane-{dialler,acceptor}.bin --key "$key" \
	>"$scratch/proofs"
check "the three proofs of a handshake hold" \
	has ': proof good$' "$scratch/proofs" 3
decode proofs "$golden"/lane-{dialler,acceptor}.bin --key "$other" \
	>"$scratch/proofs"
check "they do not hold with another key" \
	has ': proof BAD$' "$scratch/proofs" 3

check_done
