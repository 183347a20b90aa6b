#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/ is a TARGET of a kernel tree's selftests, of Debian's linux-source,
# unpacked here: the tree's own make builds, runs and installs it, and the
# tree's runner runs a program and a script of it and tells a failure from
# success.
#
# shellcheck disable=SC2317 # called through check
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1

no() {
	echo "1..0 # SKIP $1"
	exit 0
}
shopt -s nullglob
sources=(/usr/src/linux-source-*.tar.xz)
shopt -u nullglob
[ ${#sources[@]} -ne 0 ] || no "no /usr/src/linux-source-*.tar.xz"
command -v rsync >/dev/null || no "rsync is not installed"

# shellcheck source=tests/lib/check.sh
. tests/lib/check.sh

unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES SKERRY_BUILD SKERRY_SOURCE
selftests=$scratch/tools/testing/selftests
program=core_codec
script=golden.sh
source=$PWD

extract() {
	tar -xJf "${sources[-1]}" -C "$scratch" --strip-components=1 \
		--wildcards '*/scripts/subarch.include' \
		'*/tools/testing/selftests/Makefile' \
		'*/tools/testing/selftests/lib.mk' \
		'*/tools/testing/selftests/kselftest*' \
		'*/tools/testing/selftests/run_kselftest.sh' &&
		cp -rs "$source/tests" "$selftests/skerry"
}
in_tree() {
	CFLAGS=-O0 make -j"$(nproc)" -C "$selftests" TARGETS=skerry \
		SKERRY_TESTS="$program $script" FORCE_TARGETS=1 "$@"
}
debian() {
	dpkg-query -S "$(realpath "${sources[-1]}")" | grep '^linux-source-'
}
# The tree counts as many as there are.
counts_all() {
	local emitted here

	make -s -C "$selftests/skerry" COLLECTION=skerry emit_tests >"$scratch/emitted" || return
	emitted=$(grep -c '^skerry:' "$scratch/emitted")
	here=$(find tests -maxdepth 1 -name '*.c' -o -maxdepth 1 \
		-name '*.sh' | wc -l)
	echo "the tree has $emitted, tests/ $here"
	[ "$emitted" -eq "$here" ]
}
# verdict WORD - the runner's line for the program begins with that.
verdict() {
	SKERRY_SOURCE=$source SKERRY_BUILD=$selftests/skerry/build \
		"$selftests/kselftest_install/run_kselftest.sh" \
		-t "skerry:${2-$program}" | tee "$scratch/run"
	grep -q "^$1 1 selftests: skerry: ${2-$program}" "$scratch/run"
}
# Where they were built, by the tree's make.
in_place() {
	in_tree run_tests | tee "$scratch/run"
	grep -q "^ok [12] selftests: skerry: $program" "$scratch/run" &&
		grep -q "^ok [12] selftests: skerry: $script" "$scratch/run"
}
inner() { grep -q "^# ok 1 " "$scratch/run"; }
# Skerry's make has not unpacked a harness of its own.
harness() { [ ! -e "$selftests/skerry/build/kselftest" ]; }

if command -v dpkg-query >/dev/null; then
	check "the tree is Debian's" debian
fi
check "a kernel tree's selftests take tests/ in" extract
check "they count all tests there are" counts_all
check "they build it" in_tree all
check "with the harness of the tree" harness
check "they run it" in_place
check "they install it" in_tree install
check "their runner runs $program, which passes" verdict ok
check "its own lines are within" inner
check "so does $script" verdict ok $script
printf '#!/bin/sh\nexit 1\n' \
	>"$selftests/kselftest_install/skerry/$program"
check "the runner says when it does not" verdict "not ok"
check "they clean up" in_tree clean
check "nothing of the build is left" [ ! -e "$selftests/skerry/build" ]
check "the sources are" [ -s "tests/$program.c" ]

check_done
