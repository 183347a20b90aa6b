#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a cut between agents does and what it leaves alone, on tcx and on
# clsact: noticed within 3 s x 1.5; like a pulled cable for the sender; the
# partition port still answers; another node on the same address loses
# nothing.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 3 || die "hosts"
# A second agent on host 3: "4", in the next block.
ip netns add "$(hosts_ns 4)" && export HOSTS_N=4
start_all() { # CONFIGURATION LINE…
	local i
	rm -rf "$dir/state" "$dir/run"
	for i in 1 2 3; do
		host_config "$i" "$@"
		host_start "$i" || die "agent $i"
	done
	host_config 4 "$@"
	sed -i "s/^address = .*/address = $(host_ip 3)\nport = 17408/" \
		"$dir/4.conf"
	host_agent 3 4
	wait_for 5 ctl 4 status >/dev/null || die "agent 4"
	hosts_join 4 || die "join"
	wait_for 5 knows 1 4 || die "members"
}
stop_all() {
	local i
	for i in 1 2 3 4; do
		host_stop "$i"
	done
}
dropped() {
	json "$1" partition -- \
		'sum(p.get("dropped_packets", 0) for p in d["partitions"])'
}
round() { # tcx|clsact LINE…
	local how=$1 began took listener sender pump4 send4
	shift
	start_all "$@"
	rm -f "$dir/listen" "$dir/send" "$dir/in" "$dir/out"
	(exec nsenter --net="/run/netns/$(hosts_ns 3)" -- python3 tests/lib/wire.py listen "$(host_ip 3)" 17370 \
		>"$dir/listen") &
	listener=$!
	wait_for 5 grep -q ready "$dir/listen" || die "listener"
	rm -f "$dir/go"
	on_host 1 python3 tests/lib/wire.py send "$(host_ip 1)" \
		"$(host_ip 3)" 17370 "$dir/go" >"$dir/send" &
	sender=$!
	wait_for 5 grep -q ready "$dir/send" || die "sender"
	pump 4 receive other >"$dir/in" &
	pump4=$!
	wait_for 5 grep -q ready "$dir/in" || die "receiver"
	pump 1 send "$(host_name 4)" other --rate 5000 --seconds 14 \
		>"$dir/out" &
	send4=$!

	check "$how: cut" ctl 1 cut "$(host_name 3)" --for 60s
	began=$(now_ms)
	touch "$dir/go"
	wait_for 8 sees 1 down 3
	took=$(($(now_ms) - began))
	check "$how: host 1 sees it down within 4.5 s ($took ms)" \
		within 0 $took 4500
	check "$how: so does host 2" wait_for 2 sees 2 down 3
	check "$how: host 3 sees the others down" wait_for 2 sees 3 down 1
	check "$how: the other node on that address is up" sees 1 up 4
	refuse "$how: a new connection gets no answer" knock 1 3
	check "$how: ping on the same wire answers" on_host 1 ping -qc 1 -W 1 \
		"$(host_ip 3)"
	wait_for 5 grep -q sent "$dir/send"
	refuse "$how: UDP with IP_RECVERR sees no error" grep error "$dir/send"
	check "$how: TCP retransmits ($(value "$dir/send" retransmits))" \
		between 2 "$(value "$dir/send" retransmits)" 100
	check "$how: TCP backs off" between 1 \
		"$(value "$dir/send" backoff)" 20
	check "$how: the ledger has them ($(dropped 1))" \
		between 60 "$(dropped 1)" 100000
	check "$how: the partition port passes: heal reaches everybody" \
		ctl 1 heal --all
	for i in 1 2 3; do
		check "$how: host $i has everybody back" wait_for 12 knows "$i" 4
	done
	check "$how: a new connection is answered" knock 1 3
	# Visibility local: a program is told that it is a cut. It asks over a
	# flow that was open before.
	rm -f "$dir/told" "$dir/told.in"
	pump 3 receive told >"$dir/told.in" &
	told_in=$!
	wait_for 5 grep -q ready "$dir/told.in" || die "receiver"
	pump 1 send "$(host_name 3)" told --seconds "$(scaled 7)" --rate 50 \
		--every 200 >"$dir/told" &
	told=$!
	wait_for 5 grep -q 'second [1-9]' "$dir/told"
	check "$how: cut with visibility local" ctl 1 cut "$(host_name 3)" \
		--for 60s --visibility local
	check "$how: a program is told of it" wait_for 8 grep -qi \
		'network is unreachable' "$dir/told"
	[ $tap_failed -eq 0 ] || sed 's/^/# told: /' "$dir/told" | tail -5
	check "$how: healed" ctl 1 heal --all
	wait $told
	kill $told_in
	wait $told_in
	wait_for 10 knows 1 4 || die "members again"
	wait $sender
	sleep 0.3
	kill $listener
	wait $listener
	read -r _ tcp udp < <(grep sent "$dir/send")
	check "$how: TCP lost nothing over the cut" \
		test "$(value "$dir/listen" tcp)" = "$tcp"
	check "$how: UDP lost what was sent during it ($udp)" \
		between 0 "$(value "$dir/listen" udp)" 4
	wait $send4
	sleep 0.5
	kill $pump4
	wait $pump4
	check "$how: the other node lost nothing" test \
		"$(value "$dir/in" received)" = "$(value "$dir/out" sent)"
	check "$how: nor reported anything" not grep -E 'lost|missing|retry' \
		"$dir/in" "$dir/out"
	stop_all
}
round tcx
if clsact_too; then
	round clsact '[kernel]' 'disable = tcx'
else
	skip clsact "the kernel's own hook is enough here"
fi
