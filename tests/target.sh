#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/ is a TARGET of a kernel tree's selftests: the tree's own make builds
# and installs it, and the tree's runner runs one of its programs and tells a
# failure from success.
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

count=0
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# check NAME COMMAND... - passes when the command succeeds.
check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" >"$scratch/said" 2>&1; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		tail -n 30 "$scratch/said" | sed 's/^/# /'
		failed=1
	fi
}

unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES SKERRY_BUILD SKERRY_SOURCE
selftests=$scratch/tools/testing/selftests
program=core_codec
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
		SKERRY_TESTS="$program" FORCE_TARGETS=1 "$@"
}
# verdict WORD - the runner's line for the program begins with that.
verdict() {
	SKERRY_SOURCE=$source SKERRY_BUILD=$selftests/skerry/build \
		"$selftests/kselftest_install/run_kselftest.sh" \
		-t "skerry:$program" | tee "$scratch/run"
	grep -q "^$1 1 selftests: skerry: $program" "$scratch/run"
}
inner() { grep -q "^# ok 1 " "$scratch/run"; }
# Skerry's make has not unpacked a harness of its own.
harness() { [ ! -e "$selftests/skerry/build/kselftest" ]; }

check "a kernel tree's selftests take tests/ in" extract
check "they build it" in_tree all
check "with the harness of the tree" harness
check "they install it" in_tree install
check "their runner runs $program, which passes" verdict ok
check "its own lines are within" inner
printf '#!/bin/sh\nexit 1\n' \
	>"$selftests/kselftest_install/skerry/$program"
check "the runner says when it does not" verdict "not ok"
check "they clean up" in_tree clean
check "nothing of the build is left" [ ! -e "$selftests/skerry/build" ]
check "the sources are" [ -s "tests/$program.c" ]

echo "1..$count"
exit $failed
