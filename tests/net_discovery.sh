#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Nodes that find each other by DNS: A, AAAA and SRV, by a name server that
# then loses, forgets, garbles and withholds its answers. Who is a member
# stays one; who appears joins; a join that has not succeeded goes with its
# address.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
hosts_make 4 || die "hosts"

zone=$HOSTS_DIR/zone
asked=$HOSTS_DIR/asked
server=$(host_ip 4)
say() { # LINE... - the zone from now on
	printf '%s\n' "$@" >"$zone.new"
	mv "$zone.new" "$zone"
}
a1="all.test A $(host_ip 1)"
a2="all.test A $(host_ip 2)"
a3="all.test A $(host_ip 3)"
at1=$(host_ip 1):17280
at2=$(host_ip 2):17280
nobody=10.77.0.99
say "$a1" "$a2"
(exec nsenter --net="/run/netns/$(hosts_ns 4)" -- \
	tests/lib/dns.py "$server" 5353 "$zone" >"$asked" 2>&1) &
echo $! >"$HOSTS_DIR/dns.pid"
disown $!
discover() { # I LINE...
	local i=$1
	shift
	host_config "$i" '[join]' "dns_server = $server:5353" \
		'dns_period = 1s' "$@"
}
# row I NAME REGEX... - what node I says of the name holds each of them.
row() {
	local i=$1 name=$2 text regex
	shift 2
	text=$(ctl "$i" --json cluster discovery 2>&1 | tr -d ' \n' |
		grep -o "{[^{}]*\"name\":\"$name\"[^{}]*}")
	echo "$text"
	for regex in "$@"; do
		grep -qE -- "$regex" <<<"$text" || return 1
	done
}
both='"addresses":\["'$at1'","'$at2'"\]'
answered='"state":"answered"'
failed='"state":"failed"'
stay() { knows 1 "$1" && knows 2 "$1"; }
joins() { ctl 1 --json member --joins | tr -d ' \n'; }
no_joins() { joins | grep -q '"joins":\[\]'; }
# Rounds that begin from now on: N questions have come.
rounds() {
	local before
	before=$(wc -l <"$asked")
	wait_for 12 more "$((before + $1))"
}
more() { [ "$(wc -l <"$asked")" -ge "$1" ]; }

discover 1 'dns = all.test.' 'dns = junk.test.'
discover 2 'dns = all.test.'
discover 3 'dns = all.test.'
host_start 1 --record "$HOSTS_DIR/trace" || die "agent 1"
host_start 2 || die "agent 2"
check "two nodes find each other by A records" wait_for 10 stay 2
check "what was said is shown" wait_for 12 row 1 all.test. '"kind":"dns"' "$answered" \
	"$both" '"time":"2'
check "nothing is left to join" wait_for 5 no_joins

# ---- answers that take away ----------------------------------------------------

# gone NAME ZONE... -- REGEX...: it shows, and nobody goes.
gone() {
	local name=$1 lines=()
	shift
	while [ "$1" != -- ]; do
		lines+=("$1")
		shift
	done
	shift
	say "${lines[@]}"
	check "$name: it is seen" wait_for 12 row 1 all.test. "$@"
	check "$name: two members" stay 2
}
back() {
	say "$a1" "$a2"
	check "it is back" wait_for 12 row 1 all.test. "$answered" "$both"
}
gone "partial answer" "$a1" -- "$answered" '"addresses":\["'"$at1"'"\]'
gone "no such name" "other.test A $nobody" -- "$answered" '"count":0'
back
gone "empty answer" "all.test SRV 1 17280 other.test" -- "$answered" \
	'"count":0' 'nosuchname'
back
gone "server failure" "all.test fail" -- "$failed" "$both"
gone "a liar" "all.test liar" -- "$failed" "$both" 'cannotberead'
gone "no answer, and garbage" "all.test silent" "junk.test garbage" -- \
	"$failed" "$both" 'noanswerintime'
check "garbage is no answer" row 1 junk.test. "$failed" '"count":0'
prompt() {
	local began
	began=$(now_ms)
	ctl 1 status >/dev/null && between 0 $(($(now_ms) - began)) 1000
}
check "nothing else waits for it" prompt

# ---- answers that add ------------------------------------------------------------

say "$a1" "$a2" "$a3" "all.test A $nobody"
host_start 3 || die "agent 3"
trio() { stay 3 && knows 3 3; }
check "a third appears and joins" wait_for 12 trio
trying() {
	joins | grep -E "\"join_address\":\"$nobody:17280\".*\"source\":\"disc"
}
check "who does not answer is tried" wait_for 12 trying
say "$a1" "$a2" "$a3" "all.test fail"
check "the server fails" wait_for 12 row 1 all.test. "$failed" '"count":4'
check "it is tried on and on" trying
say "$a1" "$a3"
check "not when the address is gone" wait_for 12 no_joins
check "all three are members" trio

ctl 2 member leave 2>/dev/null || die "leave"
left() { knows 1 2 && knows 2 1; }
check "one that leaves" wait_for 8 left
say "$a1" "$a2" "$a3"
rounds 12
check "stays away, though it is found" left
ctl 2 member join "$at1" 2>/dev/null
check "until it is told to join" wait_for 25 trio

host_stop 3
host_stop 2
host_stop 1
replayed() {
	"$BUILD/skerry-replay" --key "$HOSTS_DIR/key" "$HOSTS_DIR/trace"
}
check "what the core decided is decided again" replayed

# ---- IPv6, TCP, services ---------------------------------------------------------

rm -rf "$HOSTS_DIR/state"
discover 1 'dns = six.test'
discover 2 'srv = _skerry._tcp.service.test'
sed -i 's/^address = .*/address = fd77::1/' "$HOSTS_DIR/1.conf"
sed -i 's/^address = .*/address = fd77::2/' "$HOSTS_DIR/2.conf"
say "six.test AAAA fd77::2" "six.test tcp" "six.test AAAA ff02::1"
: >"$HOSTS_DIR/1.log"
host_start 1 || die "agent 1"
host_start 2 || die "agent 2"
check "by AAAA records" wait_for 10 stay 2
check "asked for by TCP, as they did not fit" grep -q 'six.test AAAA tcp' \
	"$asked"
check "an address that leads nowhere is left out" row 1 six.test \
	'"addresses":\["\[fd77::2\]:17280"\]' 'leadsnowhere'
check "this is logged once" \
	[ "$(grep -c 'discovery.*leads nowhere' "$HOSTS_DIR/1.log")" = 1 ]
host_stop 2
host_stop 1
rm -rf "$HOSTS_DIR/state"
say "_skerry._tcp.service.test SRV 1 17280 one.test" \
	"_skerry._tcp.service.test SRV 2 17300 two.test" \
	"one.test AAAA fd77::1"
host_start 1 || die "agent 1"
host_start 2 || die "agent 2"
check "by SRV records" wait_for 10 stay 2
check "a port that begins no block is left out" row 2 \
	_skerry._tcp.service.test '"kind":"srv"' \
	'"addresses":\["\[fd77::1\]:17280"\]' 'firstofablock'
