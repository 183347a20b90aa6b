#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two programs with a fast lane each on one channel, GRO forced: no foreign
# datagram, and each receives all of its own. A rogue program takes nothing
# from others. The same without the kernel's help, through the ring.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
rate=4000 least=12000 assigned=10000
# A slow machine sends what it can.
if [ "${SKERRY_TIME_SCALE:-1}" -gt 1 ]; then
	rate=1000 least=64 assigned=500
fi

hosts_make 2 || die "hosts"
for i in 1 2; do
	on_host $i ethtool -K eth0 gro on rx-udp-gro-forwarding on \
		rx-gro-list off >/dev/null 2>&1 ||
		echo "# host $i: GRO cannot be forced on this kernel's veth"
done
fast_packets() { # assigned in the kernel, on host 2
	ctl 2 --json kernel | tr -d ' \n' |
		sed 's/.*"reason":"fast-assigned","count":\([0-9]*\).*/\1/'
}
last_listener() { # the process becomes the program
	SKERRY_NODE=$(host_name 2)
	export SKERRY_NODE
	exec "$BUILD/skerryctl" message listen --raw --count 1 --timeout 10s \
		--channel ticks last
}
round() { # NAME WANTED LINE…
	local how=$1 wanted=$2 r s k
	shift 2
	rm -rf "$dir/state" "$dir/run"
	for k in 1 2; do
		host_config $k '[channel "ticks"]' 'transport = datagram' "$@"
		host_start $k || die "agent $k"
	done
	hosts_join 2 || die "join"
	r=() s=()
	for k in 1 2 3; do
		extra=()
		[ $k -ne 3 ] || extra=(--rogue "$(host_ip 1)")
		pump 2 receive "r$k" --mark $k --size 400 --unordered "${extra[@]}" \
			>"$dir/r$k" &
		r+=($!)
		wait_for 5 grep -q ready "$dir/r$k" || die "receiver $k"
	done
	for k in 1 2 3; do
		pump 1 send "$(host_name 2)" "r$k" --mark $k --size 400 \
			--channel ticks --rate $rate --seconds 4 >"$dir/s$k" &
		s+=($!)
	done
	wait "${s[@]}"
	sleep 0.5
	check "$how: demultiplexed in the kernel: $wanted" \
		test "$([ "$(fast_packets)" -gt $assigned ] && echo yes || echo no)" \
		= "$wanted"
	kill "${r[@]}"
	wait "${r[@]}"
	for k in 1 2; do
		check "$how: $k sent at its rate" between $least \
			"$(value "$dir/s$k" sent)" $((rate * 4 + 100))
		check "$how: $k got all of its own" test \
			"$(value "$dir/r$k" received)" = \
			"$(value "$dir/s$k" sent)"
		check "$how: $k got nothing foreign or damaged" test \
			"$(value "$dir/r$k" bad)" = 0
	done
	if [ "$wanted" = yes ]; then
		check "$how: the rogue had a socket to play with" \
			between 1 "$(value "$dir/r3" rogue)" 10
	fi
	# Its one datagram and its end are there when the program looks.
	rm -f "$dir/last.err"
	last_listener >"$dir/last" 2>"$dir/last.err" &
	listener=$!
	wait_for 5 grep -q 'listening on' "$dir/last.err" || die "listener"
	kill -STOP $listener
	ctl 1 message send --channel ticks "$(host_name 2)" last word ||
		die "send"
	sleep 0.5
	kill -CONT $listener
	wait $listener
	check "$how: the last word of a sender that has ended" \
		grep -q word "$dir/last"
	host_stop 1
	host_stop 2
}
round kernel yes
if clsact_too; then
	round clsact yes '[kernel]' 'disable = tcx'
else
	skip clsact "the kernel's own hook is enough here"
fi
round ring no '[kernel]' 'disable = sk_assign'
