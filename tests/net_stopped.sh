#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# One program stopped with SIGSTOP: another on the same node, channel and
# from the same sender keeps at least 90 % of its rate; who sends to the
# stopped one sees -EAGAIN.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"

hosts_up 2
hosts_join 2 || die "join"
node=$(host_name 2)
dir=$HOSTS_DIR

pump 2 receive good >"$dir/good" &
good=$!
pump 2 receive stopped >"$dir/stopped" &
stopped=$!
wait_for 5 grep -q ready "$dir/good" || die "receiver"
wait_for 5 grep -q ready "$dir/stopped" || die "receiver"

# A rate well below what the machine can do, so that only the stopped
# program, not a busy machine, could lower it.
pump 1 send "$node" good --rate 20000 --seconds 14 --every 1000 \
	>"$dir/good.sent" &
sender=$!
pump 1 send "$node" stopped --nonblock --rate 20000 --seconds 14 \
	>"$dir/stopped.sent" &
sender2=$!
sleep 4
kill -STOP $stopped
sleep 7
kill -CONT $stopped
wait $sender
good_code=$?
wait $sender2
kill $good $stopped
wait $good $stopped

check "the good sender had no error" test $good_code -eq 0
check "its receiver missed nothing" between 0 \
	"$(grep -c missing "$dir/good")" 0
check "it sent at its rate all the time" between 200000 \
	"$(value "$dir/good.sent" sent)" 290000
check "every message arrived" test "$(value "$dir/good" received)" = \
	"$(value "$dir/good.sent" sent)"
mapfile -t rates < <(sed -n 's/^second //p' "$dir/good.sent")
before=$(((rates[1] + rates[2]) / 2))
during=$(((rates[6] + rates[7] + rates[8]) / 3))
check "it kept 90 % of its rate ($before/s, then $during/s)" \
	between $((before * 9 / 10)) "$during" 1000000000
check "the stopped one's sender saw -EAGAIN" between 100 \
	"$(value "$dir/stopped.sent" again)" 1000000000
check "what it did send arrived in the end" test \
	"$(value "$dir/stopped" received)" = "$(value "$dir/stopped.sent" sent)"
