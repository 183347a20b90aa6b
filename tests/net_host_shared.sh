#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two agents in one network namespace with one address, 1 and 3 on host 1, and
# a third, 2, on a host of its own: cut from each other, the third has both;
# one of them cut from the third, the other has both. The former on loopback,
# too, where all three have one address.
#
# A node beside the one that is cut loses no message: net_cut.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
hosts_make 2 || die "hosts"
ip netns add "$(hosts_ns 3)" && HOSTS_N=3

start() { # I HOST ADDRESS PORT
	host_config "$1"
	sed -i "s/^address = .*/address = $3\nport = $4/" "$dir/$1.conf"
	host_agent "$2" "$1"
	wait_for 10 ctl "$1" status >/dev/null 2>&1 || die "agent $1"
}
members() { # I NAME… are up, as I sees it
	local i=$1 j
	shift
	for j; do
		sees "$i" up "$j" || return
	done
}
down() { # I J: both say so of each other
	sees "$1" down "$2" && sees "$2" down "$1"
}
from_each_other() { # NAME
	check "$1: 1 and 3 cut from each other" ctl 1 partition inject split \
		"$(host_name 1)" / "$(host_name 3)" --for 60s --name near
	check "$1: both see it" wait_for 8 down 1 3
	check "$1: the third has both" members 2 1 3
	check "$1: each has the third" members 1 2
	check "$1: the other as well" members 3 2
	check "$1: healed" ctl 2 heal --all
	check "$1: they are back" wait_for 15 members 1 2 3
}
from_the_third() { # NAME
	check "$1: 1 cut from the third" ctl 2 partition inject split \
		"$(host_name 1)" / "$(host_name 2)" --for 60s --name far
	check "$1: both see it" wait_for 8 down 1 2
	check "$1: 3 has both" members 3 1 2
	check "$1: 1 has 3" members 1 3
	check "$1: the third has it as well" members 2 3
	check "$1: healed" ctl 3 heal --all
	check "$1: they are back" wait_for 15 members 1 2 3
}
start 1 1 "$(host_ip 1)" 17280
start 3 1 "$(host_ip 1)" 17408
start 2 2 "$(host_ip 2)" 17280
for i in 2 3; do
	ctl $i member join --wait --timeout "$(scaled 10)s" \
		"$(host_ip 1):17280" >/dev/null || die "join $i"
done
wait_for 5 members 1 2 3 || die "members"
wait_for 5 members 2 1 3 || die "members"
wait_for 5 members 3 1 2 || die "members"
from_each_other "one address"
from_the_third "one address"
for i in 1 2 3; do
	host_stop $i
done
rm -rf "$dir/state" "$dir/run"
start 1 1 127.0.0.1 17280
start 3 1 127.0.0.1 17408
start 2 1 127.0.0.1 17536
for i in 2 3; do
	ctl $i member join --wait --timeout "$(scaled 10)s" \
		127.0.0.1:17280 >/dev/null || die "join $i"
done
wait_for 5 members 2 1 3 || die "members"
wait_for 5 members 3 1 2 || die "members"
from_each_other "loopback"
