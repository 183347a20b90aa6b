#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# skerryctl against real agents: every noun as a table and as JSON, messages
# by hand, cuts found by name and by first digits, exit codes.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_up 3 '[channel "bulk"]' 'parallelism = 2' '[channel "ticks"]' \
	'transport = datagram'
one=$(host_name 1) two=$(host_name 2) three=$(host_name 3)

# says REGEX COMMAND... - succeeds, and a line of its stdout matches.
says() {
	local regex=$1 out
	shift
	out=$("$@" 2>/dev/null </dev/null) || { echo "failed: $out"; return 1; }
	echo "$out"
	grep -qE -- "$regex" <<<"$out"
}

# Which agent.
check "several run and none is named: exit 2" exits 2 "$two" \
	"$BUILD/skerryctl" --run-dir "$dir/run" member
check "SKERRY_NODE names one" says "^name +$one" env SKERRY_NODE="$one" \
	SKERRY_RUN_DIR="$dir/run" "$BUILD/skerryctl" status

# Joining.
check "join waits for all lanes" exits 0 'joined through' \
	ctl 2 member join --wait --timeout 10s "$(host_ip 1)"
check "with a name that is not theirs it does not join" exits 1 other ctl 3 \
	member join --wait --timeout 5s "other=$(host_ip 1):17280"
nowhere=$(host_ip 99):17280
check "through an address where nobody is: exit 9" exits 9 "$nowhere" \
	ctl 3 member join --wait --timeout 1s "$nowhere"
check "it is being tried still" true_of 3 member --joins -- \
	"any(j['join_address'] == '$nowhere' for j in d['joins'])"
check "until it is withdrawn" exits 0 'is removed' \
	ctl 3 member remove "$nowhere"
check "then there is none" true_of 3 member --joins -- "all(j['join_address'] != '$nowhere' for j in d['joins'])"
check "join through a name and an address" exits 0 'joined through' \
	ctl 3 member join --wait --timeout 10s "$one=$(host_ip 1):17280"
check "all three are there" wait_for 5 knows 1 3

# Every table for people.
check "status" says '^WHAT +COUNT +LIMIT' ctl 1 status
check "status --features" says '^kernel-cuts +(yes|no)' \
	ctl 1 status --features
check "member" says "^$two +up +" ctl 1 member
check "member marks this node" says "^$one +\* +up" ctl 1 member
check "member -o wide has addresses and channels" says \
	"^$three .*$(host_ip 3):17280.* membership,default,bulk,ticks " \
	ctl 1 member -o wide
check "member --known" says "^$three " ctl 1 member --known
check "peer" says "^$two +up +$(host_ip 2):17280.* 4 +4 " ctl 1 peer
check "connection" says "^$two +bulk +1 +up +$(host_ip 1):[0-9]+ " \
	ctl 1 connection
check "channel" says '^ticks +datagram +' ctl 1 channel
check "kernel" says '^tcx +(yes|no)' ctl 1 kernel
check "kernel: devices" says '^eth0 +(tcx|clsact) ' ctl 1 kernel
check "event" says ' up .*'"$two" ctl 1 event

# The same in JSON, with the keys of keys.h.
for pair in status:status member:members 'member --known:known' peer:peers \
	connection:connections channel:channels endpoint:endpoints \
	partition:partitions event:events kernel:kernel 'kernel rules:rules' \
	'status --features:features' 'member --joins:joins' \
	'cluster discovery:discovery'; do
	# shellcheck disable=SC2086
	check "JSON of ${pair%:*}" true_of 1 ${pair%:*} -- \
		"d['format'] == 1 and type(d['${pair#*:}']) is list"
done
check "JSON has times of RFC 3339" true_of 1 member -- \
	"__import__('re').match(r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$', d['members'][0]['since']) is not None"
check "JSON has lists and nested fields" true_of 1 member -- \
	"[c['channel'] for c in d['members'][0]['channels']][:2] == ['membership', 'default'] and len(d['members'][0]['addresses']) >= 1"

# Messages by hand.
listen() { # FILE I ARG... - in the background, ready on return
	local file=$1 i=$2
	shift 2
	ctl "$i" message listen "$@" >"$file" 2>"$file.err" &
	listener=$!
	wait_for 5 grep -q 'listening on' "$file.err"
}
listen "$dir/in" 2 --count 4 inbox || die "listen"
check "endpoint tells program and process" says '^inbox +skerryctl +[0-9]+' \
	ctl 2 endpoint
check "an endpoint that is taken: exit 5" exits 5 inbox \
	ctl 2 message listen --timeout 1s inbox
check "send words" ctl 1 message send "$two" inbox hello there
printf 'from stdin' | ctl 1 message send --channel bulk "$two" inbox ||
	die "send from stdin"
printf 'from a file' >"$dir/file"
check "send a file" ctl 3 message send --file "$dir/file" --key 7 "$two" inbox
check "cast" true_of 1 message cast "$two" inbox a cast -- \
	"d['size_bytes'] == 6 and d['endpoint'] == 'inbox'"
wait $listener
check "listen ends after its count" test $? -eq 0
sort "$dir/in" >"$dir/sorted"
check "and has printed each on a line" diff - "$dir/sorted" <<END
a cast
from a file
from stdin
hello there
END
listen "$dir/json" 3 --json --count 2 inbox || die "listen --json"
ctl 1 message send "$three" inbox 'say "x"' || die "send"
printf '\377\000' | ctl 1 message cast "$three" inbox || die "cast"
wait $listener
check "JSON of messages: an object a line" python3 - "$dir/json" "$one" <<'END'
import json, sys
a, b = (json.loads(line) for line in open(sys.argv[1]))
assert a["data"] == 'say "x"' and a["node"] == sys.argv[2], a
assert a["channel"] == "default" and not a["cast"] and a["format"] == 1, a
assert b["data_hex"] == "ff00" and b["cast"], b
END
listen "$dir/raw" 2 --raw --count 1 --channel ticks fastbox || die "listen --raw"
ctl 1 message send "$two" fastbox 'not shown' || die "send"
head -c 1000 /dev/urandom >"$dir/bytes"
ctl 1 message send --channel ticks --file "$dir/bytes" "$two" fastbox ||
	die "send on the fast channel"
wait $listener
check "the bytes alone, of one channel alone" cmp "$dir/bytes" "$dir/raw"
listen "$dir/self" 1 --count 1 here || die "listen"
check "\".\" is this node" ctl 1 message send . here yes
wait $listener
check "and gets it" grep -qx yes "$dir/self"
check "nobody speaks: exit 9" exits 9 'silence' \
	ctl 1 message listen --timeout 300ms silence

# Cuts.
ctl 2 event --follow --count 3 >"$dir/events" 2>&1 &
follower=$!
check "cut with a name" says '^[0-9a-f]{32}$' \
	ctl 1 cut "$three" --for 60s --name drill --reason 'a test'
check "again: nothing changes" says '^[0-9a-f]{32}$' \
	ctl 1 cut "$three" --for 60s --name drill
check "the same name, another cut: exit 5" exits 5 drill \
	ctl 1 cut "$two" --for 60s --name drill
check "the table has it on every node" true_of 2 partition -- \
	"sorted(p['node'] for p in d['partitions']) == ['$one', '$two', '$three'] and all(p['name'] == 'drill' and p['shape'] == 'isolate' and p['state'] == 'active' and 0 < p['remaining_ms'] <= 60000 for p in d['partitions'])"
check "for people too" says "drill +isolate +$three +$three +active +[0-9]+s" \
	ctl 1 partition
check "down after a while" wait_for 8 sees 1 down 3
check "packets are counted" wait_for 3 true_of 1 partition -- \
	"sum(p.get('dropped_packets', 0) for p in d['partitions']) > 0"
check "kernel rules tell the same" says "$three +no +both +wire" \
	ctl 1 kernel rules
reference=$(json 1 partition -- "d['partitions'][0]['reference']")
check "heal by first digits" ctl 1 heal "${reference:0:6}"
check "nothing is cut then" exits 0 'nothing is cut' ctl 1 partition
check "heal without a cut: exit 0" exits 0 'nothing is cut' ctl 1 heal
check "everybody is back" wait_for 12 knows 1 3
wait $follower
check "events are followed as they come" grep -q 'down' "$dir/events"

check "split" true_of 2 partition inject split "$one,$two" / "$three" \
	--name parted --visibility local -- \
	"len(d['reference']) == 32 and len(d['participants']) == 3"
check "without --for: by lease" says 'parted .* lease +local' ctl 2 partition
check "resolve by name" ctl 1 partition resolve parted
check "one way" says '^[0-9a-f]{32}$' ctl 1 partition inject split "$one" / \
	"$two" --one-way --for 5s
check "the only one there is" ctl 3 heal
check "around everybody needs force: exit 7" exits 7 force \
	ctl 1 partition inject around "$one" --ttl 1 --for 10s
check "an unknown node: exit 1, named" exits 1 nobody ctl 1 cut nobody
check "an unknown visibility" exits 4 purple \
	ctl 1 cut "$two" --visibility purple
check "two cuts" ctl 1 cut "$two" --for 30s --name x --force
check "of different nodes" ctl 1 cut "$three" --for 30s --name y --force
check "heal must be told which: exit 2" exits 2 'several' ctl 1 heal
check "heal --all" ctl 1 heal --all

# With no agent: what is in the kernel is lifted all the same.
check "cut by lease" ctl 1 partition inject isolate "$three" --force
kill -KILL "$(cat "$dir/state/$one/pid")"
wait_for 3 not ctl 1 status >/dev/null || die "agent 1 is still there"
check "no agent: exit 8" exits 8 "$one" ctl 1 partition
check "heal --all --local" exits 0 'lifted' on_host 1 "$BUILD/skerryctl" \
	--node "$one" heal --all --local --pin-root "$HOSTS_PINS"
check "there was something to lift" true_of 2 heal --all --local \
	--pin-root "$HOSTS_PINS" -- "d['count'] >= 1"

# Who may not.
may_not() {
	runuser -u nobody -- "$BUILD/skerryctl" --run-dir "$dir/run" \
		--node "$two" "$@"
}
chmod 755 "$dir" "$dir/run"
if runuser -u nobody -- "$BUILD/skerryctl" --version >/dev/null 2>&1; then
	check "another user: exit 3" exits 3 '' may_not member
	check "nor may it cut" exits 3 '' may_not cut "$three"
else
	skip "another user: exit 3" "nobody cannot reach the build directory"
fi

# Leaving.
check "leave" exits 0 'goes on alone' ctl 2 member leave
check "it is alone" wait_for 5 true_of 2 member -- "len(d['members']) == 1"
host_stop 2
host_stop 3
