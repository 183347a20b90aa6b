#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Time ends a cut and nothing else is needed: agents killed or stopped during
# a cut. By lease: cut at 5 s, gone by 12 s. With --for 60s: cut at 30 s, gone
# at 60-61 s. On tcx and on clsact.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"

# Pairs of hosts, each pair a cluster of its own:
#   1,2 KILL lease tcx    3,4 STOP lease tcx    5,6 KILL 60s tcx
#   7,8 STOP 60s tcx      9,10 KILL lease clsact  11,12 KILL 60s clsact
#   13,14 STOP lease clsact  15,16 STOP 60s clsact
hosts=16 lease="1 3 9 13" timed="5 7 11 15"
clsact_too || hosts=8 lease="1 3" timed="5 7"
hosts_make $hosts || die "hosts"
for i in $(seq $hosts); do
	clsact=()
	[ "$i" -lt 9 ] || clsact=('[kernel]' 'disable = tcx')
	host_config "$i" "${clsact[@]}"
	sed -i "s/^name = $HOSTS_PREFIX\$/name = pair$(((i + 1) / 2))/" \
		"$HOSTS_DIR/$i.conf"
	host_start "$i" || die "agent $i"
done
for i in $(seq 2 2 $hosts); do
	ctl "$i" member join --wait --timeout "$(scaled 10)s" \
		"$(host_ip $((i - 1))):17280" >/dev/null || die "join $i"
done
if clsact_too; then
	check "clsact is used when tcx is disabled" \
		on_host 9 sh -c 'tc qdisc show dev eth0 | grep -q clsact'
else
	skip clsact "the kernel's own hook is enough here"
fi
if ctl 1 kernel | grep -q '^tcx  *yes'; then
	refuse "tcx leaves qdiscs alone" \
		on_host 1 sh -c 'tc qdisc show dev eth0 | grep -q clsact'
else
	skip "tcx leaves qdiscs alone" "no tcx in this kernel"
fi

cut() { # PAIR'S-FIRST [--for 60s]
	local i=$1
	shift
	ctl "$i" partition inject isolate "$(host_name "$i")" --force "$@" \
		>/dev/null
}
declare -A at
start() { # FIRST SIGNAL ARG…
	local i=$1 signal=$2
	shift 2
	check "cut on $i ($signal $*)" cut "$i" "$@"
	at[$i]=$(now_ms)
	kill "-$signal" "$(host_pid "$i")" "$(host_pid $((i + 1)))"
}
start 5 KILL --for 60s
start 7 STOP --for 60s
if clsact_too; then
	start 11 KILL --for 60s
	start 15 STOP --for 60s
fi
start 1 KILL
start 3 STOP
if clsact_too; then
	start 9 KILL
	start 13 STOP
fi
last_lease=${lease##* } last_timed=${timed##* }

# A stopped agent's kernel still answers a knock: with a handshake.
through() { knock $(($1 + 1)) "$1"; }
until_ms() { # FIRST MS: sleep until MS after its cut
	local left=$((at[$1] + $2 - $(now_ms)))
	[ $left -le 0 ] || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
}
# All at once, each at its time: a knock that is not answered takes a second.
declare -A knocking
for i in $lease; do
	(
		until_ms "$i" 3000
		through "$i"
	) &
	knocking[$i]=$!
done
for i in $lease; do
	refuse "by lease, 3-5 s after: still cut ($i)" wait "${knocking[$i]}"
done
until_ms "$last_lease" 12000
for i in $lease; do
	check "by lease, 12 s after: gone ($i)" through "$i"
done
until_ms "$last_timed" 30000
for i in $timed; do
	refuse "--for 60s, 30 s after: still cut ($i)" through "$i"
done
# The end to the second: knock all the time from 58 s on.
for i in $timed; do
	(
		until_ms "$i" 57500
		until knock $((i + 1)) "$i" 17401 2>/dev/null; do
			[ $(($(now_ms) - at[$i])) -lt 70000 ] || break
		done
		echo $(($(now_ms) - at[$i])) >"$HOSTS_DIR/gone.$i"
	) &
	waiting+=($!)
done
wait "${waiting[@]}"
for i in $timed; do
	# A SYN sent just before the end is sent again a second later.
	check "--for 60s: gone at 60-61 s ($i)" within 59500 \
		"$(cat "$HOSTS_DIR/gone.$i")" 62500
done
