#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An agent upgraded in place, during a cut, with a flood both ways: asked to
# end and another binary started, then killed and started again. Of what its
# kernel has to judge not one packet passes. On tcx and on clsact.
#
# That the rules are adopted: bpf_load (what_was_left_is_adopted); that time
# ends a cut whose agent does not come back: net_lease.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
port=17370

flood() { # NAMESPACE NAME ARG… - in the background; its pid is in $flooding
	local ns=$1 name=$2
	shift 2
	: >"$dir/$name"
	(exec nsenter --net="/run/netns/$ns" -- \
		python3 tests/lib/flood.py "$@" >"$dir/$name") &
	flooding=$!
	wait_for 5 grep -q ready "$dir/$name" || die "$name"
}
# Both ways of host 1, seen from the wire: what leaves it, and what is handed
# to it. Host 2 has no part in the judging.
begin() {
	local mac
	mac=$(on_host 1 ip -br link show dev eth0 | awk '{ print $3 }')
	flood "$HOSTS_PREFIX-sw" left count p1 "$(host_ip 1)"
	counter=$flooding
	flood "$(hosts_ns 1)" came receive "$(host_ip 1)" $port
	receiver=$flooding
	flood "$(hosts_ns 1)" out send "$(host_ip 1)" "$(host_ip 2)" $((port + 1)) 2000
	sender=$flooding
	flood "$HOSTS_PREFIX-sw" in frames br0 "$(host_ip 2)" "$(host_ip 1)" \
		"$mac" $port 2000
	framer=$flooding
}
finish() {
	kill $sender $framer
	wait $sender $framer
	sleep 0.3
	kill $counter $receiver
	wait $counter $receiver
}
packets() { value "$dir/$1" packets; }

hosts_make 2 || die "hosts"
# The same, elsewhere: an upgrade brings another file.
cp "$BUILD/skerryd" "$dir/skerryd-new"

round() { # NAME LINE…
	local how=$1 i
	shift
	rm -rf "$dir/state" "$dir/run"
	for i in 1 2; do
		host_config $i "$@"
		host_start $i || die "agent $i"
	done
	hosts_join 2 >/dev/null || die "join"
	begin
	sleep 0.5
	finish
	check "$how: uncut, the flood leaves ($(packets left) of $(packets out))" \
		between 500 "$(packets left)" "$(packets out)"
	check "$how: and comes ($(packets came) of $(packets in))" \
		between 500 "$(packets came)" "$(packets in)"
	check "$how: cut" ctl 1 cut "$(host_name 2)" --for 60s
	begin
	host_stop 1 TERM
	HOSTS_SKERRYD=$dir/skerryd-new host_start 1 || die "agent 1 again"
	check "$how: the new one has the cut" wait_for 5 holds 1
	host_stop 1 KILL
	host_start 1 || die "agent 1 a third time"
	check "$how: so has the next, after a kill" wait_for 5 holds 1
	finish
	check "$how: of $(packets out) sent none left" test "$(packets left)" = 0
	check "$how: of $(packets in) handed to it none came" \
		test "$(packets came)" = 0
	check "$how: it counted them" between 2000 "$(dropped)" 10000000
	check "$how: healed" ctl 1 heal --all
	check "$how: they meet again" wait_for 12 knows 1 2
	host_stop 1
	host_stop 2
	check "$how: nothing stays pinned" \
		test -z "$(ls "$HOSTS_PINS/$(host_name 1)" 2>/dev/null)"
}
holds() { ctl "$1" --json partition | grep -q '"active"'; }
dropped() {
	json 1 partition -- \
		'sum(p.get("dropped_packets", 0) for p in d["partitions"])'
}
round own
if clsact_too; then
	round clsact '[kernel]' 'disable = tcx'
else
	skip clsact "the kernel's own hook is enough here"
fi
