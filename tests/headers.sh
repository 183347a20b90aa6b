#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each public header compiles alone, twice in a row and with all the others,
# as C99 -pedantic, C17 and C++17, without a warning; and every name that
# skerry.h declares begins with skerry_.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
# shellcheck source=tests/lib/check.sh
. tests/lib/check.sh
cc=${CC:-gcc}
cxx=${CXX:-g++}
flags=(-pedantic -Wall -Wextra -Werror -fsyntax-only -Iinclude)

compile() { # SOURCE-WITHOUT-SUFFIX NAME
	check "$2 as C99" "$cc" -std=c99 "${flags[@]}" "$1.c"
	check "$2 as C17" "$cc" -std=c17 "${flags[@]}" "$1.c"
	check "$2 as C++17" "$cxx" -std=c++17 "${flags[@]}" "$1.cc"
}

# The kernel's types first: maps.h is also read by programs that have them
# from vmlinux.h.
before() {
	[ "$1" != maps.h ] || printf '#include <%s>\n' linux/types.h linux/bpf.h
}

: >"$scratch/all.c"
for header in include/skerry/*.h; do
	name=${header##*/}
	{
		before "$name"
		printf '#include <skerry/%s>\n' "$name" "$name"
		echo 'extern int something;'
	} >"$scratch/one.c"
	cat "$scratch/one.c" >>"$scratch/all.c"
	cp "$scratch/one.c" "$scratch/one.cc"
	compile "$scratch/one" "$name"
done
cp "$scratch/all.c" "$scratch/all.cc"
compile "$scratch/all" "all headers together"

# clang reads some things more strictly, and BPF is compiled by it.
if command -v clang++ >/dev/null; then
	check "all headers with clang as C99" \
		clang -std=c99 "${flags[@]}" "$scratch/all.c"
	check "all headers with clang as C++17" \
		clang++ -std=c++17 "${flags[@]}" "$scratch/all.cc"
fi

# What a program links against.
echo '#include <skerry/skerry.h>' >"$scratch/api.c"
"$cc" -std=c99 -Iinclude -aux-info "$scratch/api.txt" -fsyntax-only \
	"$scratch/api.c"
sed -n 's/^.*include\/skerry\/.* \**\([a-z_0-9]*\) (.*;$/\1/p' \
	"$scratch/api.txt" >"$scratch/names"
check "skerry.h declares functions" [ -s "$scratch/names" ]
grep -v '^skerry_' "$scratch/names" >"$scratch/strange"
check "all of them begin with skerry_" diff /dev/null "$scratch/strange"

check_done
