#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bpffs that is not there: the agent mounts it; where it may not, it says so
# and does not start with half of what it was asked for. bpffs unmounted while
# it runs: it says so, its cuts go on, new ones are made, new devices judged;
# the next agent mounts it anew.
#
# All of it in a mount namespace of its own: the host's bpffs stays.
# shellcheck source=tests/lib/own_mounts.sh
. "$(dirname "$0")/lib/own_mounts.sh"
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 2 || die "hosts"
mkdir "$dir/here" "$dir/there"
host_config 1
host_config 2
sed -i "s|^pin_root = .*|pin_root = $dir/here|" "$dir/1.conf"
sed -i "s|^pin_root = .*|pin_root = $dir/there|" "$dir/2.conf"
mounted() { findmnt -n -t bpf -M "$1" >/dev/null; }
said() { grep -q "$2" "$dir/$1.log"; }

# Not there, and not to be had.
denied() {
	on_host 1 timeout 10 setpriv --bounding-set=-sys_admin \
		--inh-caps=-sys_admin -- "$BUILD/skerryd" \
		--config "$dir/1.conf" >"$dir/denied" 2>&1
}
denied
check "it may not mount it: exit 3" test $? = 3
check "and says what it wants where" grep -q "$dir/here: cannot have bpffs" \
	"$dir/denied"
check "and how to do without" grep -q -e '--no-kernel' "$dir/denied"

# Not there: mounted.
host_start 1 || die "agent 1"
host_start 2 || die "agent 2"
check "it has mounted it" mounted "$dir/here"
hosts_join 2 || die "join"
wait_for 5 knows 1 2 || die "members"
check "a cut" ctl 1 cut "$(host_name 2)" --for 60s
refuse "is one" knock 1 2

# Taken away while it runs.
umount --lazy "$dir/here" || die "umount"
umount --lazy "$dir/there" || die "umount"
check "unmounted: it says so" wait_for 5 said 1 bpffs_unmounted
check "so do its tables" wait_for 5 \
	sh -c "$BUILD/skerryctl --run-dir $dir/run --node $(host_name 1) kernel | grep -q unmounted"
refuse "the cut goes on" knock 1 2
refuse "both ways" knock 2 1
check "it can be healed" ctl 1 heal --all
check "they meet again" wait_for 15 knows 1 2
check "the wire is whole" knock 1 2
check "another cut" ctl 1 cut "$(host_name 2)" --for 60s
refuse "is one, too" knock 1 2
judged() {
	json 1 kernel -- \
		"[r for r in d['kernel'] if r.get('device') == '$1'][0]['hook']" |
		grep -qE 'tcx|clsact'
}
ip -n "$(hosts_ns 1)" link add late type veth peer name other
check "a new device is judged" wait_for 5 judged late
check "only once is it said" test "$(grep -c bpffs_unmounted "$dir/1.log")" = 1
check "it is not asked for twice, and fits" not said 1 device_not_attached

# The next one.
host_stop 1 TERM
host_start 1 || die "agent 1 again"
check "the next one has mounted it" mounted "$dir/here"
check "and cuts again what the registry holds" wait_for 5 not knock 1 2
check "healed" ctl 1 heal --all
check "they meet again" wait_for 15 knows 1 2
host_stop 1
host_stop 2
umount --lazy "$dir/here"
umount --lazy "$dir/there" 2>/dev/null
check "nothing of it stays attached" not sh -c \
	"nsenter --net=/run/netns/$(hosts_ns 1) tc filter show dev eth0 ingress | grep skerry"
