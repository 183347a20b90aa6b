#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An agent killed and restarted under load: the library attaches again, the
# endpoints are back, exactly the lost plain messages are reported. Once with
# the receiver's agent, once with the sender's.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"

hosts_up 2
hosts_join 2 || die "join"
dir=$HOSTS_DIR

# FROM TO of each range that never came / that was reported, merged.
ranges() {
	sed -n "s/^$2 \([0-9]*\) \([0-9]*\).*/\1 \2/p" "$1" | sort -n |
		awk '{ if (n && $1 <= to) { if ($2 > to) to = $2 }
		       else { if (n) print from, to; from = $1; to = $2; n = 1 } }
		     END { if (n && from < to) print from, to }'
}
round() { # WHICH-AGENT
	local which=$1
	pump 2 receive sink >"$dir/in$which" 2>&1 &
	local receiver=$!
	wait_for 5 grep -q ready "$dir/in$which" || die "receiver"
	pump 1 send "$(host_name 2)" sink --rate 50000 --seconds 12 \
		>"$dir/out$which" 2>&1 &
	local sender=$!
	sleep 3
	host_stop "$which" KILL
	sleep 1
	check "agent $which starts again" host_start "$which"
	check "the endpoint is back" wait_for 8 sh -c \
		"$BUILD/skerryctl --run-dir $HOSTS_DIR/run --node $(host_name 2) endpoint | grep -q sink"
	wait $sender
	check "the sender ended well" test $? -eq 0
	sleep 0.5
	kill $receiver
	wait $receiver
	check "nothing came twice or damaged" test \
		"$(value "$dir/in$which" bad)" = 0
	check "messages went on after the restart" between 100000 \
		"$(value "$dir/in$which" received)" 100000000
	# What was under way at the very end is not a loss: numbers agree.
	check "sent = received + lost" test \
		"$(value "$dir/out$which" number)" = \
		$(($(value "$dir/in$which" expected) - 1))
	ranges "$dir/in$which" missing >"$dir/missing$which"
	ranges "$dir/out$which" lost >"$dir/lost$which"
	check "exactly the lost ones are reported" \
		diff "$dir/missing$which" "$dir/lost$which"
	echo "# agent $which: lost $(tr '\n' ';' <"$dir/lost$which")"
}
round 2
wait_for 10 knows 1 2
round 1

# A lane that both have drained is over when the other side says so, not two
# seconds later.
ends_at_once() {
	local began
	began=$(now_ms)
	host_stop "$1"
	within 0 $(($(now_ms) - began)) 1000
}
host_stop 1
host_stop 2
for _ in 1 2 3; do
	rm -rf "$HOSTS_DIR/state" "$HOSTS_DIR/run"
	for i in 1 2; do
		host_start "$i" || die "agent $i"
	done
	hosts_join 2 || die "join"
	sleep 0.3
	host_stop 1
	check "who was left has nobody to wait for" ends_at_once 2
done
