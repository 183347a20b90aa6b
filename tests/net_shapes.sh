#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every shape on five hosts: who reaches whom, by real packets, is what the
# matrix says; both ends' ledgers agree; healed, everybody reaches everybody.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
all="1 2 3 4 5"

hosts_up 5
hosts_join 5 || die "join"
for i in $all; do
	wait_for 10 knows "$i" 5 || die "members of $i"
done

# reach: into $dir/reach, a line for each host: whom it hears, by number.
reach() {
	local i j others
	rm -f "$dir/go" "$dir"/heard.*
	for i in $all; do
		others=()
		for j in $all; do
			[ "$i" = "$j" ] || others+=("$(host_ip "$j")")
		done
		(exec nsenter --net="/run/netns/$(hosts_ns "$i")" -- \
			python3 -S tests/lib/heard.py "$(host_ip "$i")" 17390 \
			"$dir/go" "${others[@]}" >"$dir/heard.$i") &
	done
	for i in $all; do
		wait_for 10 grep -q ready "$dir/heard.$i" || die "reach $i"
	done
	touch "$dir/go"
	for i in $all; do
		wait_for 10 grep -q heard "$dir/heard.$i" || die "reach $i"
	done
	for i in $all; do
		sed -n 's/10\.77\.0\.//g; s/^heard *//p' "$dir/heard.$i"
	done >"$dir/reach"
}
# The matrix as the agents have it, turned into the same lines.
by_matrix() {
	json "$1" partition -o matrix -- '"\n".join(" ".join(
		str(f + 1) for f in range(5)
		if f != t and d["matrix"][f][t] == ".") for t in range(5))'
}
same() {
	echo "packets:"
	cat "$dir/reach"
	echo "matrix:"
	cat "$1"
	diff "$dir/reach" "$1" >/dev/null
}
heard() { # I WORDS: host I hears exactly these
	echo "hears $(sed -n "$1p" "$dir/reach")"
	[ "$(sed -n "$1p" "$dir/reach")" = "$2" ]
}
# Numbers about the picture; hosts are 0 to 4 there.
picture() {
	python3 -c '
import sys
rows = [set(map(int, l.split())) | {n + 1}
	for n, l in enumerate(open(sys.argv[1]))]
groups = sorted({tuple(sorted(r)) for r in rows}, key=len)
sizes = [len(g) for g in groups]
ok = eval(sys.argv[2])
print(groups)
sys.exit(not ok)' "$dir/reach" "$1"
}

# shape BY WORDS...: cut, look at packets, matrix and ledgers.
shape() {
	local by=$1
	shift
	check "$*: cut" ctl "$by" cut "$@" --for 60s --name drill
	reach
	by_matrix $((by % 5 + 1)) >"$dir/matrix"
	check "$*: packets go where the matrix says" same "$dir/matrix"
	check "$*: both ends' ledgers say cut" ctl $((6 - by)) partition \
		verify drill --expect cut
}
healed() {
	check "$1: healed" ctl "$2" heal drill
	check "$1: no ledger has a rule in force" ctl "$2" partition verify \
		"$reference" --expect healed
}
reference_of() {
	json "$1" partition -- 'd["partitions"][0]["reference"]'
}
round() { # NAME BY WORDS...
	local name=$1 by=$2
	shift 2
	shape "$by" "$@"
	reference=$(reference_of "$by")
	if [ -n "${wanted-}" ]; then
		check "$name: it is that shape" picture "$wanted"
	fi
	healed "$name" "$by"
}

reach
check "before: everybody hears everybody" picture 'sizes == [5]'
wanted='sizes == [2, 3]' round halves 1 halves
wanted='[len(r) for r in rows] == [3] * 5 and len(groups) == 5' \
	round majorities-ring 3 majorities-ring
wanted='sizes == [3, 3, 5] and len(rows[3]) == 5' \
	round bridge 4 bridge "$(host_name 4)"
wanted='rows[1] == {2, 3, 4, 5} and sizes[1:] == [5]' \
	round one-way 5 one-way "$(host_name 1)" "$(host_name 2)"

cat >"$dir/grudge" <<END
# who drops whose packets
             $(host_name 1) $(host_name 2) $(host_name 3)
$(host_name 1)  . . X
$(host_name 2)  X . .
$(host_name 3)  . . .
END
wanted='rows[:3] == [{1, 2, 4, 5}, {2, 3, 4, 5}, {1, 2, 3, 4, 5}]' \
	round matrix 1 matrix "$dir/grudge"

# The same seed on another node is the same picture.
ctl 1 cut random --seed 77 --for 60s --name drill --force >/dev/null 2>&1
by_matrix 2 >"$dir/first"
check "random: with a seed" ctl 1 heal drill
ctl 4 cut random --seed 77 --for 60s --name drill --force >/dev/null 2>&1
by_matrix 3 >"$dir/second"
check "random: the same seed, elsewhere, is the same" diff "$dir/first" \
	"$dir/second"
check "random: healed" ctl 2 heal drill
reach
check "after: everybody hears everybody" picture 'sizes == [5]'
