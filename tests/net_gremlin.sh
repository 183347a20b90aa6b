#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Random bytes in a program's rings for a minute: the agent lives, another
# program loses nothing, and the run covers at least 95 % of the lines of the
# ring parser. The agent is built for coverage, apart from the others.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"

covered=$HOSTS_DIR/build
check "an agent built for coverage" make -s -j"$(nproc)" \
	B="$covered" CFLAGS="-O1 -g --coverage" LDFLAGS=--coverage "$covered/skerryd"
hosts_make 2 || die "hosts"
plain=$BUILD
host_start 1 || die "agent 1"
export HOSTS_SKERRYD=$covered/skerryd
# Gremlins are users like others: an administrator may make the node leave.
chmod 711 "$HOSTS_DIR"
host_config 2 '[api]' 'group = nogroup'
host_start 2 || die "agent 2"
hosts_join 2 || die "join"
dir=$HOSTS_DIR
pump 2 receive sink >"$dir/in" &
receiver=$!
wait_for 5 grep -q ready "$dir/in" || die "receiver"
pump 1 send "$(host_name 2)" sink --rate 5000 --seconds 62 >"$dir/out" &
sender=$!
socket=$HOSTS_DIR/run/$(host_name 2)/api.sock
gremlins=()
for seed in 1 2; do
	setpriv --reuid=nobody --regid=nogroup --clear-groups \
		"$plain/tests/programs/gremlin" "$socket" 60 $seed >"$dir/g$seed" &
	gremlins+=($!)
done
for g in "${gremlins[@]}"; do
	wait "$g"
	check "a gremlin had its minute" test $? -eq 0
done
check "the agent lives" alive "$(host_pid 2)"
check "and answers" ctl 2 status
wait $sender
check "the other program's sender had no error" test $? -eq 0
sleep 0.5
kill $receiver
wait $receiver
check "it lost nothing" test \
	"$(value "$dir/in" received)" = "$(value "$dir/out" sent)"
check "gremlins were detached, time and again" between 50 \
	"$(cat "$dir"/g? | awk '/^detached/ { n += $2 } END { print n }')" 1000000
sed 's/^/# /' "$dir"/g? "$dir/out" "$dir/in"
host_stop 2 TERM
# The parser: the record ring and what reads records of programs.
for f in agent/core/ringbuf agent/run/program/program_ring; do
	lines=$(cd "$dir" && gcov -n -o "$covered/obj/$f.o" \
		"$OLDPWD/$f.c" 2>/dev/null |
		sed -n "/File.*${f##*/}\.c/,/Lines/s/Lines executed:\([0-9]*\)\..*/\1/p" |
		head -1)
	check "$f.c: $lines % of its lines were run" between 95 "$lines" 100
done
