#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Eight nodes joined at the same instant through one contact: one complete
# mesh within 5 s, 20 runs of 20. Then one crashes and returns under another
# address: settled within two gossip rounds, the old address never back.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
runs=20
hosts_make 9 || die "hosts"

answers() { ctl "$1" status >/dev/null 2>&1; }
meshed() {
	local i
	for i in $(seq 8); do
		knows "$i" 8 || return 1
	done
}
lanes_up() {
	local i
	for i in $(seq 8); do
		# Two channels, seven peers.
		[ "$(ctl "$i" --json connection | tr -d ' \n' |
			grep -o '"state":"up"' | wc -l)" = 14 ] || return 1
	done
}
one_run() {
	local i began pids=()
	for i in $(seq 8); do
		[ -e "$HOSTS_DIR/$i.conf" ] || host_config "$i"
		host_agent "$i" "$i"
	done
	for i in $(seq 8); do
		wait_for 10 answers "$i" || { echo "agent $i"; return 1; }
	done
	began=$(now_ms)
	for i in $(seq 2 8); do
		ctl "$i" member join "$(host_ip 1):17280" >/dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	wait_for 20 meshed || return 1
	took=$(($(now_ms) - began))
	wait_for 10 lanes_up || { echo "lanes are missing"; return 1; }
	[ $took -le 5000 ] || { echo "took $took ms"; return 1; }
}
all_runs() {
	local run i
	for run in $(seq $runs); do
		one_run || { echo "run $run of $runs"; return 1; }
		times+=" $took"
		[ "$run" = $runs ] && continue
		for i in $(seq 8); do
			kill -KILL "$(host_pid "$i")"
		done
		for i in $(seq 8); do
			host_stop "$i" KILL
		done
		rm -rf "$HOSTS_DIR/state" "$HOSTS_DIR/run"
	done
	echo "$times" >"$HOSTS_DIR/times"
}
check "8 nodes at once: one mesh within 5 s, $runs runs of $runs" all_runs
echo "# milliseconds: $(cat "$HOSTS_DIR/times" 2>/dev/null)"

# Host 8 dies; its name comes back from host 9's address.
host_stop 8 KILL
host_config 9
sed -i "s/^name = $(host_name 9)/name = $(host_name 8)/" "$HOSTS_DIR/9.conf"
host_agent 9 9 --join-contact "$(host_ip 1):17280"
moved() {
	local i
	for i in $(seq 7); do
		ctl "$i" member -o wide | grep -F "$(host_name 8)" |
			grep -qF "$(host_ip 9)" || return 1
		sees "$i" up 8 || return 1
	done
}
check "back under another address: settled within two gossip rounds" \
	wait_for 20 moved
old_again() {
	local i
	for i in $(seq 7); do
		ctl "$i" member -o wide | grep -F "$(host_ip 8):" && return 0
	done
	return 1
}
sleep 3
refuse "the old address does not come back" old_again
