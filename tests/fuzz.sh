#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The fuzz targets: what is in their corpus holds, and so does what a few
# seconds of fuzzing make of it. make soak goes on for longer.
# FUZZ_SECONDS: for each target, 2 if not said.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-$PWD/build}
seconds=${FUZZ_SECONDS-2}
scratch=$(mktemp -d /tmp/skerry-fuzz.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

targets=(tests/fuzz/*.c)
if ! tests/fuzz/run able; then
	echo "1..0 # SKIP clang has no libFuzzer here (libclang-rt-dev)"
	exit 0
fi
if [ ! -d "$build/fuzz" ]; then
	echo "1..0 # SKIP the targets are not built: make fuzz"
	exit 0
fi
count=0
failed=0
verdict() { # NAME
	count=$((count + 1))
	if [ "$2" = 0 ]; then
		echo "ok $count - $1"
		return
	fi
	echo "not ok $count - $1"
	grep -aE 'does not hold|ERROR: |runtime error|^    #[0-9]+ .*/(agent|tests|tools)/|Test unit' \
		"$scratch/said" | head -30 | sed 's/^/# /'
	failed=1
}
for target in "${targets[@]}"; do
	name=${target##*/}
	name=${name%.c}
	if [ ! -x "$build/fuzz/$name" ]; then
		echo "$build/fuzz/$name: not built: make fuzz" >"$scratch/said"
		verdict "$name: is built" 1
		continue
	fi
	tests/fuzz/run replay "$build" "$name" >"$scratch/said" 2>&1
	verdict "$name: the corpus holds ($(find "tests/fuzz/corpus/$name" -type f | wc -l) inputs)" $?
	mkdir -p "$build/fuzz/found/$name" "$scratch/$name"
	"$build/fuzz/$name" -max_total_time="$seconds" -timeout=20 \
		-rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/fuzz/found/$name/" "$scratch/$name" \
		"tests/fuzz/corpus/$name" >"$scratch/said" 2>&1
	verdict "$name: and so does what comes of it in $seconds s" $?
	sed -n 's/^#\([0-9]*\).*DONE *\(cov: [0-9]*\).*/# \1 inputs, \2/p' \
		"$scratch/said"
done
echo "1..$count"
exit $failed
