# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh - TAP lines for a test written in shell that needs no hosts (those
# that do: tap.sh). Sourced after the test is in the source's directory; a
# folder of its own, $scratch, goes when it ends.

count=0
failed=0
scratch=$(mktemp -d /tmp/skerry-check.XXXXXX) || exit 1
check_end() { :; } # the test's own, called before $scratch goes
trap 'check_end; rm -rf "$scratch"' EXIT
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
skip() { # NAME WHY
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}
check_done() {
	echo "1..$count"
	exit "$failed"
}
