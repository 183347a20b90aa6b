#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The state of the source tree: licence lines, format, white space, scripts,
# manual pages. Names what is wrong; a tool that is missing is a skip.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1

count=0
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
said=$scratch/said

# verdict NAME - good when nothing has been written to $said.
verdict() {
	count=$((count + 1))
	if [ -s "$said" ]; then
		echo "not ok $count - $1"
		head -n 40 "$said" | sed 's/^/# /'
		failed=1
	else
		echo "ok $count - $1"
	fi
}

# have TOOL NAME - false, and the test is a skip, when there is no such tool.
have() {
	command -v "$1" >/dev/null && return 0
	count=$((count + 1))
	echo "ok $count - $2 # SKIP $1 is not installed"
	return 1
}

# ---- what there is: all that is ours, not what is built ---------------------

is_source() { # FILE
	case $1 in
	*.c | *.h | *.py | *.sh | *.map | *.mk | Makefile | */Makefile) return 0 ;;
	tools/man/*.[1-8]) return 0 ;;
	LICENSES/* | *.txt | *.bin | *.md) return 1 ;;
	esac
	head -c 2 "$1" | grep -q '^#!'
}

is_script() { # FILE
	head -n 1 "$1" | grep -Eq '^(#!.*[/ ](ba)?sh\b|# shellcheck shell=)'
}

find . \( -name .git -o -name 'build*' -o -name __pycache__ \) -prune -o \
	-type f -print | sed 's|^\./||' | LC_ALL=C sort >"$scratch/files"
mapfile -t files <"$scratch/files"
sources=()
scripts=()
c_files=()
man_pages=()
for file in "${files[@]}"; do
	is_source "$file" || continue
	sources+=("$file")
	! is_script "$file" || scripts+=("$file")
	case $file in
	*.c | *.h) c_files+=("$file") ;;
	tools/man/*.[1-8]) man_pages+=("$file") ;;
	esac
done

# ---- licences ---------------------------------------------------------------

expected_licence() { # FILE
	case $1 in
	include/skerry/maps.h)
		echo 'GPL-2.0-only OR LGPL-2.1-only OR BSD-2-Clause'
		;;
	bpf/* | tests/*) echo 'GPL-2.0-only' ;;
	*) echo 'LGPL-2.1-only OR BSD-2-Clause' ;;
	esac
}

for file in "${sources[@]}"; do
	expected=$(expected_licence "$file")
	# A script's first line is its interpreter.
	found=$(head -n 2 "$file" |
		sed -n 's/.*SPDX-License-Identifier: //p' | sed 's| *\*/$||')
	[ "$found" = "$expected" ] ||
		echo "$file: '${found:-none}', not '$expected'"
done >"$said"
verdict "every source names the licence of its folder"

for name in GPL-2.0-only LGPL-2.1-only BSD-2-Clause; do
	[ -s "LICENSES/$name.txt" ] || echo "LICENSES/$name.txt: missing"
done >"$said"
verdict "the texts of the licences are there"

# ---- white space and names --------------------------------------------------

for file in "${files[@]}"; do
	case $file in *.bin | LICENSES/* | tests/fuzz/corpus/*) continue ;; esac
	grep -nIHE '[[:blank:]]+$' "$file"
done >"$said"
verdict "no white space at the end of a line"

for file in "${sources[@]}"; do
	if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then
		echo "$file: no newline at its end"
	fi
done >"$said"
verdict "sources end with a newline"

for file in "${sources[@]}"; do
	if [ ! -x "$file" ] && head -c 2 "$file" | grep -q '^#!'; then
		echo "$file: has #! and is not executable"
	fi
done >"$said"
verdict "what has #! is executable"

for file in "${c_files[@]}"; do
	case $file in
	*.h)
		grep -q '^#ifndef [A-Z_0-9]*_H_*$' "$file" ||
			echo "$file: no include guard"
		;;
	esac
done >"$said"
verdict "headers have guards"

# core is a state machine: it knows nothing of who runs it.
grep -nE '#include.*(run/|<(unistd|sys/socket|time|pthread|stdlib|uv)\.h)' \
	agent/core/*.[ch] agent/core/*/*.[ch] >"$said"
verdict "core includes nothing of run, no clock, no allocator"

# ---- tools ------------------------------------------------------------------

if have clang-format "C sources are formatted"; then
	clang-format --dry-run --Werror "${c_files[@]}" 2>&1 |
		sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: .*/\1/p' |
		sort -u >"$said"
	verdict "C sources are formatted"
fi
if have shellcheck "scripts pass shellcheck"; then
	shellcheck -x -f gcc "${scripts[@]}" >"$said" 2>&1
	verdict "scripts pass shellcheck"
fi
if have mandoc "manual pages pass mandoc's lint"; then
	: >"$said"
	[ ${#man_pages[@]} = 0 ] ||
		mandoc -T lint -W warning "${man_pages[@]}" >"$said" 2>&1
	verdict "manual pages pass mandoc's lint"
fi

# Said, not judged.
for file in "${sources[@]}"; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 900 ] || echo "# $file has $lines lines: split it?"
done

echo "1..$count"
exit $failed
