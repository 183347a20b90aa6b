#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A million messages: no malloc call in agents or library on the way.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"

count=1000000
hosts_make 2 || die "hosts"
preload=$BUILD/tests/programs/mallocs.so
for i in 1 2; do
	# Heartbeats are none of a message's business: hardly any.
	host_config "$i" '[detector]' 'heartbeat = 10s' 'ping_after = 30s' \
		'down_after = 60s'
	MALLOCS_FILE=$HOSTS_DIR/mallocs.$i LD_PRELOAD=$preload \
		host_start "$i" || die "agent $i"
done
hosts_join 2 || die "join"
# New devices settle (IPv6), the new member is written to disk.
sleep 5
dir=$HOSTS_DIR
export MALLOCS_FILE
MALLOCS_FILE=$dir/mallocs.in LD_PRELOAD=$preload pump 2 receive sink >"$dir/in" &
receiver=$!
wait_for 5 grep -q ready "$dir/in" || die "receiver"
MALLOCS_FILE=$dir/mallocs.out LD_PRELOAD=$preload pump 1 send \
	"$(host_name 2)" sink --seconds 60 --every 100 >"$dir/out" &
sender=$!
# Warm: the flow is open and some thousand messages have passed.
wait_for 5 grep -q second "$dir/out" || die "sender"
pids="$(host_pid 1) $(host_pid 2) $sender $receiver"
counts() {
	local f
	rm -f "$dir"/mallocs.? "$dir"/mallocs.in "$dir"/mallocs.out
	# shellcheck disable=SC2086
	kill -USR2 $pids
	sleep 0.3
	for f in 1 2 in out; do
		printf '%s ' "$(cat "$dir/mallocs.$f")"
	done
}
before=$(counts)
warm=$(sed -n 's/^second //p' "$dir/out" 2>/dev/null | awk '{ n += $1 } END { print n }')
# Look again when a million has passed, but before the sender's end.
passed() {
	[ "$(sed -n 's/^second //p' "$dir/out" |
		awk '{ n += $1 } END { print n }')" -ge "$1" ]
}
wait_for 50 passed $((warm + count)) || die "too slow"
after=$(counts)
echo "# calls before: $before, after: $after"
read -r -a b <<<"$before"
read -r -a a <<<"$after"
names=("sender's agent" "receiver's agent" "receiver" "sender")
for k in 0 1 2 3; do
	# Who counts at all has counted some: what it needed to start.
	check "${names[$k]}: was counted" between 1 "${b[$k]-}" 1000000000
	# The tables that are printed once a second and the test's own output
	# are not on the way of a message: a handful, not a million.
	check "${names[$k]}: no malloc on the way ($((a[k] - b[k])) calls)" \
		between 0 $((a[k] - b[k])) 0
done
sed 's/^/# /' "$dir"/mallocs.*.who | head -60
kill $sender $receiver 2>/dev/null
wait $sender $receiver
