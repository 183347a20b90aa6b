#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Requests, references and monitors from the command line, between hosts with
# agents of their own.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
pids=()

hosts_up 2 '[channel "bulk"]' '[channel "ticks"]' 'transport = datagram'
one=$(host_name 1) two=$(host_name 2)
ctl 2 member join --wait --timeout 10s "$(host_ip 1)" || die "join"

# gives TEXT COMMAND... - succeeds and prints that on stdout.
gives() {
	local want=$1 out
	shift
	out=$("$@" 2>"$dir/err" </dev/null) || { cat "$dir/err"; return 1; }
	echo "got: $out"
	[ "$out" = "$want" ]
}
behind() { # FILE I ARG... - in the background, $! is its pid
	(exec "$BUILD/skerryctl" --run-dir "$HOSTS_DIR/run" \
		--node "$(host_name "$2")" "${@:3}" >"$1" 2>"$1.err") &
}
listen() { # FILE I ARG... - ready on return
	local file=$1 i=$2
	shift 2
	behind "$file" "$i" message listen "$@"
	listener=$!
	pids+=("$listener")
	wait_for 5 grep -q 'listening on' "$file.err"
}
monitor() { # FILE I REFERENCE
	behind "$1" "$2" endpoint monitor "$3"
	monitor=$!
	pids+=("$monitor")
}

# Requests.
listen "$dir/echo" 2 --echo echo || die "listen"
echoer=$listener
listen "$dir/upper" 2 --reply 'tr a-z A-Z; test ! -e '"$dir/broken" upper ||
	die "listen"
check "a call prints its reply" gives 'hello there' \
	ctl 1 message call "$two" echo hello there
check "by reference" gives hello ctl 1 message call "skerry:$two/echo" hello
check "from a node to itself" gives hello ctl 2 message call . echo hello
check "on another channel" gives hello \
	ctl 1 message call --channel bulk "$two" echo hello
check "a command replies" gives 'HELLO THERE' \
	ctl 1 message call "$two" upper hello there
head -c 3000000 /dev/urandom >"$dir/random"
large() {
	ctl 1 message call --raw --file "$dir/random" "$two" echo |
		cmp - "$dir/random"
}
check "three megabytes there and back" large
check "in JSON" true_of 1 message call "$two" echo hello -- \
	"d['data'] == 'hello' and d['size_bytes'] == 5 and d['node'] == '$two'"
check "in JSON, by reference" true_of 1 message call "skerry:$two/echo" x -- \
	"d['reference'] == 'skerry:$two/echo' and d['data'] == 'x'"
touch "$dir/broken"
check "a command that fails: the caller is told" exits 1 'answered' \
	ctl 1 message call "$two" upper x
check "and so is who listens" grep -q 'the command failed' "$dir/upper.err"
listen "$dir/deaf" 2 deaf || die "listen"
check "nobody answers: exit 9" exits 9 'no reply in time' \
	ctl 1 --timeout 500ms message call "$two" deaf x
check "the request was seen" grep -qx x "$dir/deaf"
check "on a fast channel: not supported" exits 4 '' \
	ctl 1 message call --channel ticks "$two" echo x
check "an unknown node" exits 1 nowhere ctl 1 message call nowhere echo x

# References.
send_and_see() { # a reference
	ctl 1 message send "$1" "by reference" && wait_for 3 \
		grep -qx 'by reference' "$dir/deaf"
}
check "send to a reference" send_and_see "skerry:$two/deaf"
check "one that is none" exits 2 'skerry:NODE/ENDPOINT' ctl 1 message send SKERRY:x
check "one that names a node" exits 2 'takes no messages' \
	ctl 1 message send "skerry:$two" x
check "one that is malformed" exits 2 'skerry:NODE/ENDPOINT' \
	ctl 1 message call 'skerry:/x' x

# Every program has its own.
own_of() { ctl 2 endpoint --all | awk '/^#/ { print $1 }' | wc -l; }
check "endpoint leaves out what every program has" \
	test -z "$(ctl 2 endpoint | grep '^#')"
check "but for --all" test "$(own_of)" -ge 3

# Monitors.
monitor "$dir/m1" 1 "skerry:$two/echo"
m1=$monitor
monitor "$dir/m2" 1 "skerry:$two"
m2=$monitor
watched() { # flows to echo: the calls are over
	[ "$(json 2 endpoint -- \
		"[e['count'] for e in d['endpoints'] if e['endpoint'] == 'echo'][0]")" -ge 1 ]
}
check "a monitor is there" wait_for 5 watched
kill "$echoer"
wait "$m1"
check "the endpoint's program ends: exit 0" test $? -eq 0
check "and why" grep -q "^skerry:$two/echo: its program ended" "$dir/m1"
check "the node is there still: exit 9" exits 9 'there still' \
	ctl 1 --timeout 300ms endpoint monitor "skerry:$two"
check "in JSON" true_of 1 endpoint monitor "skerry:$one/none" -- \
	"d['endpoint'] == 'none' and d['error'] == -2 and len(d['reason']) > 3"
host_stop 2 KILL
wait "$m2"
check "the node goes: exit 0" test $? -eq 0
check "and why" grep -q "^skerry:$two: silent" "$dir/m2"
check "what is no reference: exit 2" exits 2 'skerry:NODE' \
	ctl 1 endpoint monitor skerry:
check "what is missing: exit 2" exits 2 'one reference' ctl 1 endpoint monitor

# Casts that nobody has room for.
listen "$dir/slow" 1 slow || die "listen"
kill -STOP "$listener"
head -c 60000 /dev/zero >"$dir/zero"
for ((i = 0; i < 20; i++)); do
	ctl 1 message cast --file "$dir/zero" . slow
done
dropped() {
	[ "$(json 1 channel -- \
		"sum(c['casts_dropped'] for c in d['channels'])")" -ge 1 ]
}
check "casts that are dropped are counted" dropped
check "status has the sum" true_of 1 status -- \
	"[l['count'] for l in d['limits'] if l['key'] == 'casts_dropped'][0] >= 1"
disown -a
kill -9 "${pids[@]}" 2>/dev/null
