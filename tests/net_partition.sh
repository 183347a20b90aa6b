#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What belongs to a cut beside the cutting: explain changes nothing, verify
# finds out what somebody took away, safeguards and kernels that cannot have
# exit codes of their own, every participant's log says who it was, and a lone
# agent cuts its host from an address, also over a restart.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 4 || die "hosts"
# Host 3 makes its cuts without the kernel; host 4 has no cluster.
for i in 1 2 4; do
	host_start "$i" || die "agent $i"
done
host_start 3 --no-kernel || die "agent 3"
hosts_join 3 || die "join"
for i in 1 2 3; do
	wait_for 10 knows "$i" 3 || die "members of $i"
done
one=$(host_name 1) two=$(host_name 2) three=$(host_name 3)

says() { # I WORDS: the log of host I has them
	tail -5 "$dir/$1.log"
	grep -q -- "$2" "$dir/$1.log"
}
rules() { json "$1" kernel rules -- 'len(d["rules"])'; }

# Explain.
check "explain" true_of 1 partition explain isolate "$two" -- \
	"sorted((e['from'], e['to']) for e in d['edges']) == sorted([('$one', '$two'), ('$three', '$two'), ('$two', '$one'), ('$two', '$three')]) and d['connections'] == 2 and d['shape'] == 'isolate' and len(d['participants']) == 3"
check "explain: who cannot" true_of 1 partition explain isolate "$two" \
	--visibility reject -- "d['unable'] == ['$three']"
check "explain: what would refuse" exits 0 'force it' ctl 1 partition explain \
	around "$one" --ttl 1
check "explain: nothing is cut" true_of 1 partition -- \
	"d['partitions'] == []"
check "explain: no rule is there" test "$(rules 1)$(rules 2)" = 00
check "explain: nor in the log" not grep -q partition_ "$dir/1.log"
check "explain: of nobody" exits 1 nowhere ctl 1 partition explain isolate \
	nowhere

# Who did it, everywhere.
check "cut with a reason" exits 0 '' ctl 1 cut "$two" --for 30s --name drill \
	--reason 'does the queue drain'
for i in 1 2 3; do
	check "host $i knows who and why" says "$i" \
		"isolate of 3 nodes for 30 s, by skerryctl on $one (uid 0, pid [0-9]*): does the queue drain"
done
check "in fields, too" true_of 2 event -- \
	"[(e['uid'], e['why'], e['program_name'], e['duration_ms'], e['source']) for e in d['events'] if e['event'] == 'partition_learned'] == [(0, 'does the queue drain', 'skerryctl', 30000, '$one')]"
check "and in the table" true_of 3 partition -- \
	"all(p['why'] == 'does the queue drain' and p['uid'] == 0 for p in d['partitions'])"

# Verify, and a rule that somebody takes away.
check "verify says cut" ctl 3 partition verify drill
check "verify --json" true_of 1 partition verify drill -- \
	"d['verified'] and d['expected'] == 'cut' and len(d['edges']) == 4"
map=$HOSTS_PINS/$two/v1/skerry_rules
key=$(bpftool map getnext pinned "$map" | sed -n '/next key/,$p' |
	sed 's/next key://' | tr '\n' ' ')
# shellcheck disable=SC2086
check "a rule is deleted behind the agent's back" \
	bpftool map delete pinned "$map" key hex $key
check "verify says no, and where" exits 1 open ctl 1 partition verify drill
check "verify --expect healed says no" exits 1 'not healed' ctl 1 partition \
	verify drill --expect healed
reference=$(json 1 partition -- 'd["partitions"][0]["reference"]')
check "healed" ctl 3 heal drill --reason 'seen enough'
check "everybody knows who healed" says 1 \
	"told by $three: isolate of 3 nodes for 30 s, by skerryctl on $three (uid 0, pid [0-9]*): seen enough"
check "verify says healed" exits 0 'healed as expected' ctl 1 partition \
	verify "$reference"
check "verify --expect cut says no" exits 1 'not cut' ctl 2 partition verify \
	"$reference" --expect cut
check "verify of nothing known" exits 1 'no such' ctl 1 partition verify nix

# Safeguards: exit 7, with the numbers.
check "too many" exits 7 'would part 3 of 3 nodes' ctl 1 cut around "$one" \
	--ttl 1
check "too long" exits 7 '7200000 ms: longer than max_for, 3600000 ms' \
	ctl 1 cut "$two" --for 2h
check "forced" exits 0 '' ctl 1 cut "$two" --for 2h --force
check "healed again" ctl 1 heal
check "nobody is known by that name" exits 1 nowhere ctl 1 cut nowhere
check "a shape there is not" exits 2 triangle ctl 1 cut triangle a b
check "too few nodes" exits 2 'needs 4 nodes' ctl 1 cut minority-third

# A kernel that cannot: exit 6 names the node, 4 when nobody can.
check "one cannot" exits 6 "$three: not able" ctl 1 cut "$two" --loss 30% \
	--seed 5
check "lossy in the matrix" true_of 1 partition -o matrix -- \
	"d['matrix'][d['nodes'].index('$one')][d['nodes'].index('$two')] == '~'"
check "healed" ctl 1 heal

# A file with mistakes: by file, line, column.
printf '%s\n' '# names' "$one $two" "$one . X" "$two X X" >"$dir/bad"
check "a node from itself" exits 2 "$dir/bad:4:$((${#two} + 4)): a node cannot be cut from itself" \
	ctl 1 cut matrix "$dir/bad"
printf '%s\n' "$one -> $two" "$one > $two" >"$dir/bad"
check "no arrow" exits 2 "$dir/bad:2:$((${#one} + 2)): -> or <->" \
	ctl 1 cut matrix "$dir/bad"
printf '%s\n' "$one $two" "$one . . X" >"$dir/bad"
check "too many cells" exits 2 "$dir/bad:2:$((${#one} + 6)): more cells" \
	ctl 1 cut matrix "$dir/bad"
check "no file" exits 2 'No such file' ctl 1 cut matrix "$dir/none"

# A lone agent cuts its host from an address.
serve() { # HOST PORT
	(exec nsenter --net="/run/netns/$(hosts_ns "$1")" -- python3 -S -c '
import socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True: s.accept()[0].close()' "$(host_ip "$1")" "$2") &
	servers+=($!)
}
reaches() { # HOST ADDRESS PORT
	on_host "$1" python3 -S -c '
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.4)' "$2" "$3"
}
servers=()
serve 2 5432
serve 2 5433
wait_for 5 reaches 4 "$(host_ip 2)" 5432 || die "server"
wait_for 5 reaches 4 "$(host_ip 2)" 5433 || die "server"
check "to: cut" exits 0 '' ctl 4 cut to "$(host_ip 2):5432" --proto tcp \
	--reason 'no database' --for 30s
refuse "to: that port is not reached" reaches 4 "$(host_ip 2)" 5432
check "to: another is" reaches 4 "$(host_ip 2)" 5433
check "to: from another host it is" reaches 1 "$(host_ip 2)" 5432
check "to: verify" ctl 4 partition verify
check "to: the table says which" true_of 4 partition -- \
	"[(p['shape'], p['origin'], p['protocol'], p['scope']) for p in d['partitions']] == [('to', '$(host_ip 2):5432', 'tcp', 'host')]"
reference=$(json 4 partition -- 'd["partitions"][0]["reference"]')
# The state is stored at most once a second.
check "to: it is in the state file" wait_for 5 grep -aqr "$(host_ip 2):5432" \
	"$dir/state/$(host_name 4)"
host_stop 4 KILL
refuse "to: cut while no agent is there" reaches 4 "$(host_ip 2)" 5432
host_start 4 || die "agent 4 again"
check "to: the new agent has it" true_of 4 partition -- \
	"[(p['reference'], p['why']) for p in d['partitions']] == [('$reference', 'no database')] and d['partitions'][0]['remaining_ms'] < 30000"
refuse "to: still cut" reaches 4 "$(host_ip 2)" 5432
check "to: healed" ctl 4 heal "${reference:0:8}"
check "to: reached again" reaches 4 "$(host_ip 2)" 5432
check "to: no rule is left" test "$(rules 4)" = 0
check "to: a network, and a minute when nothing is said" exits 0 '' \
	ctl 4 partition inject to "$(host_ip 2)/31"
check "to: a minute" true_of 4 partition -- \
	"50000 < d['partitions'][0]['remaining_ms'] <= 60000"
refuse "to: all ports" reaches 4 "$(host_ip 2)" 5433
check "to: healed" ctl 4 heal --all
check "to: this host itself: exit 7" exits 7 'an address of this host' \
	ctl 4 cut to "$(host_ip 4)"
on_host 4 ip route add default via "$(host_ip 1)"
check "to: the gateway: exit 7" exits 7 'next hop of a default route' \
	ctl 4 cut to "$(host_ip 1)"
check "to: explained" exits 0 'would refuse' ctl 4 partition explain to \
	"$(host_ip 1)"
check "to: a name is looked up and shown" exits 7 'localhost is 127.0.0.1' \
	ctl 4 cut to localhost
check "to: no address" exits 2 'no address' ctl 4 cut to 10.0.0.0/33
check "to: without the kernel: exit 4" exits 4 'not able' ctl 3 cut to \
	"$(host_ip 4)"
kill "${servers[@]}"
wait "${servers[@]}"
