#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The membership from the command line: set, export, reserve; peers connected,
# pruned and disconnected, on real hosts.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 3 || die "hosts"
for i in 1 2 3; do
	host_config "$i" '[overlay]' 'members_max = 3'
	# The third has a tag.
	[ "$i" != 3 ] || sed -i -e '/^\[node\]/a tag = db' "$dir/$i.conf"
	host_start "$i" || die "agent $i"
done
one=$(host_name 1) two=$(host_name 2) three=$(host_name 3)
hosts_join 3 || die "join"

members_of() { json "$1" member -- "' '.join(sorted(m['name'] for m in d['members']))"; }
has() {
	local i=$1 want
	shift
	want=$(printf '%s\n' "$@" | LC_ALL=C sort | paste -sd' ')
	[ "$(members_of "$i")" = "$want" ]
}
joins_of() { json "$1" member --joins -- "len(d['joins'])"; }
no_joins() { [ "$(joins_of "$1")" = 0 ]; }
# Connected TCP sockets of host I with host J.
sockets() {
	on_host "$1" ss -Htn state connected dst "$(host_ip "$2")" | wc -l
}
no_sockets() { [ "$(sockets "$1" "$2")" = 0 ]; }

check "all three are there" wait_for 10 knows 1 3

# ---- what a node knows
check "wide has tags and channels" test "$(json 1 member -- \
	"[m['tags'] for m in d['members'] if m['name'] == '$three'][0]")" = "['db']"
check "nobody but members is known" test \
	"$(json 1 member --known -- "len(d['known'])")" = 3

# ---- state
check "export writes bytes" eval "ctl 1 member export >'$dir/exported'"
check "decode names the members without an agent" test "$("$BUILD/skerryctl" \
	--json member export --decode "$dir/exported" | python3 -c \
	"import json,sys; print(len(json.load(sys.stdin)['members']))")" = 3
check "decode as a table" grep -qF "$two" <("$BUILD/skerryctl" member export \
	--decode "$dir/exported")
check "what is no state is refused" exits 1 "damaged" "$BUILD/skerryctl" member \
	export --decode "$dir/1.conf"
check "a terminal gets no bytes" exits 2 "not for a terminal" script -qec \
	"'$BUILD/skerryctl' --run-dir '$dir/run' --node '$one' member export" \
	/dev/null

# ---- disconnect, connect
check "lanes are open" test "$(sockets 1 2)" = 2
check "disconnect says when it is done" exits 0 "$two: every lane is closed" \
	ctl 1 peer disconnect "$two"
check "its sockets are closed, at both ends" eval \
	"no_sockets 1 2 && wait_for 1 no_sockets 2 1"
check "membership is unchanged" has 1 "$one" "$two" "$three"
check "connect opens them at once" exits 0 "connecting to $two" \
	ctl 1 peer connect "$two"
check "and all are there again" wait_for 10 knows 1 3
check "disconnect of a stranger: exit 1" exits 1 "nobody: no such member" \
	ctl 1 peer disconnect nobody
check "of both: exit 6" exits 6 "nobody" ctl 1 peer disconnect nobody "$two"
check "lanes come back by themselves" wait_for 10 knows 2 3

# ---- stale addresses
old=$(host_ip 77):17280
ctl 2 member join "$three=$old" 2>/dev/null
ctl 2 member join "$old" 2>/dev/null
check "joins to where nobody is" test "$(joins_of 2)" = 2
check "prune finds the address stale" exits 0 "$old" \
	ctl 1 peer connect --prune "$three=$old"
check "joins there are withdrawn elsewhere, too" wait_for 5 no_joins 2
check "its own address is not stale" test "$(json 1 peer connect --prune \
	"$three=$(host_ip 3)" -- "len(d['stale'])")" = 0

# ---- exactly these
check "an unknown name changes nothing" exits 1 "nobody, no-one: not known" \
	ctl 1 member set "$two" nobody no-one
check "still all three" has 1 "$one" "$two" "$three"
check "set removes who is not named" exits 0 "removed $three" \
	ctl 1 member set "$two"
check "at once" has 1 "$one" "$two"
check "everywhere" wait_for 5 has 2 "$one" "$two"
check "the removed one is single" wait_for 5 has 3 "$three"
printf '%s # both\n\n%s\n' "$two" "$three=$(host_ip 3)" >"$dir/list"
check "set from a list joins" exits 0 "joining $three" \
	sh -c "'$BUILD/skerryctl' --run-dir '$dir/run' --node '$one' member set - <'$dir/list'"
check "all three again" wait_for 10 has 3 "$one" "$two" "$three"
check "in JSON" test "$(json 1 member set "$two" "$three" -- \
	"d['removed_nodes'] + d['joined_nodes'] + d['withdrawn_joins']")" = "[]"
check "set without a name: exit 2" exits 2 "a node is missing" ctl 1 member set

# ---- places
ctl 1 member set "$one" >/dev/null
wait_for 5 has 2 "$two"
wait_for 5 has 3 "$three"
(exec "$BUILD/skerryctl" --run-dir "$dir/run" --node "$one" member reserve db \
	>"$dir/reserve" 2>&1) &
holder=$!
(exec "$BUILD/skerryctl" --run-dir "$dir/run" --node "$one" member reserve web \
	>"$dir/reserve2" 2>&1) &
other=$!
held() { grep -q "a place is kept" "$dir/reserve" "$dir/reserve2" &&
	[ "$(cat "$dir/reserve" "$dir/reserve2" | grep -c "is kept")" = 2 ]; }
check "two places are kept while it runs" wait_for 5 held
check "a third there is not: exit 1" exits 1 "taken or reserved" \
	ctl 1 member reserve db
check "one without a tag is refused, and goes on trying" exits 9 "reserved" ctl 2 member join --wait \
	--timeout 3s "$(host_ip 1)"
check "one with the tag is let in" exits 0 "joined" ctl 3 member join --wait \
	--timeout 10s "$(host_ip 1)"
kill "$holder" "$other"
wait "$holder" "$other" 2>/dev/null
check "they end, and the place is anybody's" exits 0 "joined" ctl 2 member join \
	--wait --timeout 10s "$(host_ip 1)"
