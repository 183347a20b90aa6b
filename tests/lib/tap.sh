# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tap.sh - what a test written in shell needs: hosts with agents (hosts.sh of
# the demo), TAP lines, cleaning up whatever happens. Sourced first:
#
#   . "$(dirname "$0")/lib/tap.sh"

cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
BUILD=${SKERRY_BUILD:-$PWD/build}
HOSTS_PREFIX=t$$
HOSTS_DIR=$(mktemp -d /tmp/skerry-test.XXXXXX)
export HOSTS_PREFIX HOSTS_DIR BUILD
export SKERRY_RUN_DIR=$HOSTS_DIR/run
# shellcheck source=tools/demo/hosts.sh
. tools/demo/hosts.sh
PUMP=$BUILD/tests/programs/pump

tap_count=0
tap_failed=0
tap_done() {
	local f
	trap - EXIT INT TERM
	if [ $tap_failed -ne 0 ]; then
		for f in "$HOSTS_DIR"/*.log; do
			[ -e "$f" ] || continue
			echo "# --- ${f##*/}"
			tail -15 "$f" | sed 's/^/# /'
		done
	fi
	hosts_clean
	echo "1..$tap_count"
	exit $((tap_failed > 0))
}
trap tap_done EXIT
# Cut short is not passed.
trap 'tap_failed=1; echo "# interrupted"; exit 130' INT TERM

# check NAME COMMAND… - a test that passes when the command succeeds.
check() {
	local name=$1 output
	shift
	tap_count=$((tap_count + 1))
	if output=$("$@" 2>&1); then
		echo "ok $tap_count - $name"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $name"
		echo "# failed: $*"
		printf '%s\n' "$output" | head -20 | sed 's/^/#   /'
	fi
}
# refuse NAME COMMAND… - passes when the command fails.
refuse() {
	local name=$1
	shift
	check "$name" not "$@"
}
not() { ! "$@"; }
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}
die() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $*"
	exit 1
}
# exits CODE WORDS COMMAND… - ends with CODE and says WORDS somewhere.
exits() {
	local code=$1 words=$2 got out
	shift 2
	out=$("$@" 2>&1 </dev/null)
	got=$?
	echo "exit $got: $out"
	[ $got -eq "$code" ] && [[ $out == *"$words"* ]]
}
# between LOW VALUE HIGH
between() {
	echo "want $1 <= $2 <= $3"
	[ -n "$2" ] && [ "$2" -ge "$1" ] && [ "$2" -le "$3" ]
}

# hosts_up N [LINE…] - N hosts with an agent each, whose file ends with LINEs.
hosts_up() {
	local i n=$1
	shift
	hosts_make "$n" || die "hosts"
	for i in $(seq "$n"); do
		host_config "$i" "$@"
		host_start "$i" || die "agent $i"
	done
}

# clsact_too - whether clsact is to be tried beside the hook that the kernel's
# agents choose by themselves: not where another kernel does that.
clsact_too() { [ -z "${SKERRY_OWN_HOOK-}" ]; }
# scaled N - a bound of time on this machine, which may be a slow one.
scaled() { echo $(($1 * ${SKERRY_TIME_SCALE:-1})); }
# within LOW MS HIGH - between, for a time: HIGH is a bound of time.
within() { between "$1" "$2" "$(scaled "$3")"; }

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# pump I ARG… - the test's program against the agent of host I. Only to be
# run in the background: the process becomes the program, $! is its pid.
pump() {
	SKERRY_NODE=$(host_name "$1")
	export SKERRY_NODE
	shift
	exec "$PUMP" "$@"
}
# value FILE WORD - the last "WORD N" line's number.
value() { sed -n "s/^$2 \([0-9-]*\)\$/\1/p" "$1" | tail -1; }
# json I QUERY-ARGS… -- EXPRESSION: python over the answer as `d`.
json() {
	local i=$1 args=()
	shift
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	ctl "$i" --json "${args[@]}" |
		python3 -c "import json,sys; d=json.load(sys.stdin); print($2)"
}
# true_of I QUERY-ARGS… -- EXPRESSION: json, and it is True.
true_of() { [ "$(json "$@")" = True ]; }
# Knock from block to block: TCP from a free port of host I's block to the
# lanes' port of host J.
knock() {
	on_host "$1" "$BUILD/demo/transfer" knock "$(host_ip "$1")" \
		"${3-17400}" "$(host_ip "$2")" 17280
}
