#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A peer that has the cluster's key and sends rubbish under it - frames,
# bodies, datagrams, by a random walk - for some seconds: the agent lives,
# closes its lanes and counts them; other peers and programs lose nothing.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 3 || die "hosts"
host_start 1 || die "agent 1"
host_start 2 || die "agent 2"
hosts_join 2 || die "join"
# What programs of this host send there is answered by rubbish too.
pump 1 receive sink >"$dir/in" &
receiver=$!
pump 1 receive bait >"$dir/bait" &
bait=$!
for f in in bait; do
	wait_for 5 grep -q ready "$dir/$f" || die "receiver"
done
limit() { # KEY
	json 1 status -- "[r['count'] for r in d['limits'] if r['key'] == '$1'][0]"
}
descriptors() { find "/proc/$(host_pid 1)/fd" -mindepth 1 | wc -l; }
at_rest=$(descriptors)
pump 2 send "$(host_name 1)" sink --rate 2000 --seconds 15 >"$dir/out" &
sender=$!
for seed in 1 2; do
	on_host 3 "$BUILD/tests/programs/badpeer" "$dir/key" "$HOSTS_PREFIX" \
		"bad$seed@$HOSTS_PREFIX" "$(host_ip 3)" "$(host_ip 1)" 12 $seed \
		>"$dir/bad$seed" &
	bad[seed]=$!
done
victims=()
for i in {1..20}; do
	sleep 0.5
	pump 1 send "bad$((i % 2 + 1))@$HOSTS_PREFIX" any --rate 50 \
		>>"$dir/victims" 2>&1 &
	victims+=($!)
done
for seed in 1 2; do
	wait "${bad[seed]}"
	check "bad peer $seed came in, as a node that has the key" test $? -eq 0
done
# Theirs is what such a peer lets them have: they may wait for ever.
kill -KILL "${victims[@]}" 2>/dev/null
wait "${victims[@]}" 2>/dev/null
check "the agent lives" alive "$(host_pid 1)"
check "and answers" ctl 1 status
for seed in 1 2; do
	check "lanes of bad peer $seed were closed" \
		between 20 "$(value "$dir/bad$seed" closed)" 1000000
done
check "as what they were" between 20 "$(limit garbage_lanes)" 1000000
check "said once a minute, not each time" \
	between 1 "$(grep -c lane_garbage "$dir/1.log")" 2
check "its datagrams were counted" between 20 \
	"$(json 1 status -- \
		'sum(int(r.get("refused", 0)) for r in d["status"])')" 1000000
wait $sender
check "the other peer's sender had no error" test $? -eq 0
check "the other peer is up" sees 1 up 2
check "and was all the time" test "$(grep -c " down .*node=$(host_name 2)" \
	"$dir/1.log")" -eq 0
sleep 0.5
check "the program it wrote to lives" kill -0 $bait
kill $receiver $bait
wait $receiver $bait
check "some of its messages came as far as a program" \
	between 1 "$(value "$dir/bait" received)" 1000000
check "the other program lost nothing" test \
	"$(value "$dir/in" received)" = "$(value "$dir/out" sent)"
check "nothing of it is left open" \
	between 1 "$(descriptors)" $((at_rest + 4))
sed 's/^/# /' "$dir"/bad? "$dir/out" "$dir/in" "$dir/bait"
host_stop 1 TERM
check "the agent ended by itself" grep -q ' stopped ' "$dir/1.log"
