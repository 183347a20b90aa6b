#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who may know whom. What the core takes from outside is read from its
# symbols; what files include is asked of the compiler, so that a header
# between them does not hide it.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-build}
cc=${CC:-gcc}
count=0
failed=0

# verdict SAID NAME - good when there is nothing to say.
verdict() {
	local said=$1 name=$2
	count=$((count + 1))
	if [ -n "$said" ]; then
		echo "not ok $count - $name"
		head -n 40 <<<"$said" | sed 's/^/# /'
		failed=1
	else
		echo "ok $count - $name"
	fi
}

# The headers that a file takes in, by whatever way.
includes() { # FILE
	"$cc" -std=gnu17 -MM -Iinclude -Iagent -Iagent/core "$1" |
		grep -oE '[^ ]+\.h\b'
}

allowed() {
	grep -v '^#' tests/libcore.symbols | LC_ALL=C sort
}

taken_from_outside() {
	if [ ! -s "$build/libcore.a" ]; then
		echo "$build/libcore.a is not there"
		return
	fi
	nm "$build/libcore.a" | awk '
		NF == 2 && $1 == "U" { used[$2] = 1 }
		NF == 3 { defined[$3] = 1 }
		END { for (s in used) if (!(s in defined)) print s }' |
		LC_ALL=C sort | LC_ALL=C comm -23 - <(allowed)
}

core_includes_run() {
	local file
	for file in agent/core/*.c agent/core/*/*.c; do
		includes "$file" | grep -E '(^|/)run/' | sed "s|^|$file: |"
	done
}

knows_partitions() {
	local file
	for file in agent/core/overlay/*.c agent/core/detector*.c \
		agent/core/delivery*.c; do
		[ -e "$file" ] || continue
		includes "$file" | grep -E '(^|/)partition[^/]*\.h$' |
			sed "s|^|$file: |"
	done
}

# Comments aside.
# Silence of a compiler that does not work would say that all is well.
compiler_works() {
	includes agent/core/core.c | grep -q '/core_state\.h$' ||
		echo "$cc does not tell what agent/core/core.c includes"
	"$cc" -fpreprocessed -dD -E -P agent/core/core.c 2>/dev/null |
		grep -q 'core_step(' ||
		echo "$cc does not take the comments out of agent/core/core.c"
}

floating_point() {
	local file
	for file in agent/core/*.[ch] agent/core/*/*.[ch]; do
		"$cc" -fpreprocessed -dD -E -P "$file" 2>/dev/null |
			grep -E '\b(float|double)\b' | sed "s|^|$file: |"
	done
}

asks_for_frame_types() {
	local file=agent/run/lane/lane.c
	if [ ! -e "$file" ]; then
		echo "$file is not there"
		return
	fi
	"$cc" -fpreprocessed -dD -E -P "$file" 2>/dev/null |
		grep -E '(\bif\b|\bwhile\b|\bswitch\b|\?).*(SKERRY_FRAME_[A-Z]+\b|frame(->|\.)type)|\bcase +SKERRY_FRAME_' |
		grep -v 'SKERRY_FRAME_MAX'
}

verdict "$(compiler_works 2>&1)" "the compiler can be asked"
verdict "$(taken_from_outside 2>&1)" \
	"libcore.a takes from outside what it may, no more"
verdict "$(core_includes_run 2>&1)" "agent/core includes nothing of agent/run"
verdict "$(knows_partitions 2>&1)" \
	"overlay, detector and delivery do not know of partitions"
verdict "$(floating_point 2>&1)" "agent/core counts without floating point"
verdict "$(asks_for_frame_types 2>&1)" \
	"agent/run/lane/lane.c asks for the type of no frame"

echo "1..$count"
exit $failed
