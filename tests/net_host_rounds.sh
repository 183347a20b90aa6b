#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A hundred times injected and resolved: what `bpftool link`, `tc qdisc`,
# `tc filter` and `nft list ruleset` say of the hosts is byte for byte what it
# was before. And when the agents have gone, what it was before they came.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
# Each is a good many system calls: fewer of them on a slow machine.
rounds=$((100 / ${SKERRY_TIME_SCALE:-1}))

hosts_make 2 || die "hosts"
for i in 1 2; do
	on_host $i nft -f - <<-'END' || die "nft"
		table inet theirs {
			chain in {
				type filter hook input priority 0; policy accept;
				udp dport 9 accept
			}
		}
	END
	# Somebody's qdisc, with and without place for filters.
	on_host $i tc qdisc add dev lo clsact || die "tc"
	on_host $i tc qdisc replace dev eth0 root pfifo limit 100 || die "tc"
done
# of_links - links of this test's agents, in full: others' come and go.
of_links() {
	local pin
	for pin in "$HOSTS_PINS"/*/v1/links/*; do
		[ -e "$pin" ] || continue
		echo "$pin"
		bpftool link show pinned "$pin"
	done
}
look() {
	local i device
	for i in 1 2; do
		echo "== $i"
		on_host $i tc qdisc show
		for device in lo eth0; do
			on_host $i tc filter show dev $device ingress
			on_host $i tc filter show dev $device egress
		done
		on_host $i nft list ruleset
	done
	of_links
}
look >"$dir/bare"
host_start 1 || die "agent 1"
host_start 2 || die "agent 2"
hosts_join 2 || die "join"
wait_for 5 knows 1 2 || die "members"
look >"$dir/before"
if ctl 1 kernel | grep -q '^tcx  *yes'; then
	check "there are links to compare" test \
		"$(grep -c "^$HOSTS_PINS" "$dir/before")" = 8
else
	echo "# no tcx in this kernel: filters of clsact are compared"
	check "there are filters to compare" grep -q skerry_ "$dir/before"
fi
failed=0
for n in $(seq $rounds); do
	ctl $((n % 2 + 1)) cut "$(host_name 2)" --for 60s >/dev/null &&
		ctl $((n / 2 % 2 + 1)) heal --all >/dev/null ||
		failed=$((failed + 1))
done
check "$rounds times cut and healed" test $failed = 0
look >"$dir/after"
check "all is byte for byte what it was" cmp "$dir/before" "$dir/after"
check "no rule is left" test -z "$(ctl 1 --json kernel rules | grep reference)"
check "they are members" wait_for 15 knows 1 2
host_stop 1
host_stop 2
look >"$dir/gone"
check "and without the agents what it was without them" \
	cmp "$dir/bare" "$dir/gone"
