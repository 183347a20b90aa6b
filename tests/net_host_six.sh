#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Hosts without IPv4: joining, messages, a fast channel, a cut and its end.
#
# Packets of IPv6 in all shapes: bpf_cut (tcx_ipv6), bpf_fast (ipv6),
# bpf_devices (extension_headers_hide_nothing).
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
hosts_make 2 || die "hosts"
for i in 1 2; do
	ip -n "$(hosts_ns $i)" -4 addr flush dev eth0
	ip -n "$(hosts_ns $i)" -4 addr flush dev lo
	host_config $i '[channel "ticks"]' 'transport = datagram'
	sed -i "s/^address = .*/address = fd77::$i/" "$dir/$i.conf"
	host_start $i || die "agent $i"
done
check "joins" ctl 2 member join --wait --timeout "$(scaled 10)s" \
	'[fd77::1]:17280'
check "they meet" wait_for 5 knows 1 2
pump 2 receive sink --size 400 --mark 1 >"$dir/in" &
receiver=$!
wait_for 5 grep -q ready "$dir/in" || die "receiver"
for channel in default ticks; do
	pump 1 send "$(host_name 2)" sink --size 400 --mark 1 --rate 1000 \
		--count 1000 --channel $channel >"$dir/out" &
	wait $!
	check "a thousand messages on $channel" test \
		"$(value "$dir/out" sent)" = 1000
done
sleep 0.5
kill $receiver
wait $receiver
check "they arrived" test "$(value "$dir/in" received)" = 2000
check "a cut" ctl 1 cut "$(host_name 2)" --for 60s
check "the wire is whole" on_host 1 ping -6 -qc 1 -W 1 fd77::2
refuse "no connection from block to block" on_host 1 \
	"$BUILD/demo/transfer" knock fd77::1 17400 fd77::2 17280
check "is seen here" wait_for 8 sees 1 down 2
check "and there" wait_for 8 sees 2 down 1
check "healed" ctl 1 heal --all
check "they meet again" wait_for 15 knows 1 2
