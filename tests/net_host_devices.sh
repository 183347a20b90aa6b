#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Devices that come, go and lie on one another. A device removed and made
# again during a cut: judged within 50 ms of the kernel's word of it, and the
# cut holds. Over a MACVLAN and over VLANs each packet is judged once, both
# ways, and a cut cuts.
#
# Bridges, and roles given by hand: bpf_devices. Every way to put devices
# together: run_judges.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 3 || die "hosts"
for i in 1 2 3; do
	# Its addresses change under it: it is where the host is.
	host_config $i
	sed -i '/^\[listen\]/d; /^address =/d' "$dir/$i.conf"
	host_start $i || die "agent $i"
done
hosts_join 3 || die "join"
wait_for 5 knows 1 3 || die "members"

# ---- removed and made again ----------------------------------------------------

# Waits for a device eth0 to be made; prints in how many ms after its first
# RTM_NEWLINK there are programs of ours on it, both ways.
cat >"$dir/attached.py" <<'END'
import ctypes, platform, socket, struct, sys, time
bpf = 321 if platform.machine() == "x86_64" else 280
libc = ctypes.CDLL(None, use_errno=True)

def tcx(ifindex):
    for kind in 46, 47:  # BPF_TCX_INGRESS, BPF_TCX_EGRESS
        query = ctypes.create_string_buffer(64)
        struct.pack_into("<II", query, 0, ifindex, kind)
        if (libc.syscall(bpf, 16, query, 64)  # BPF_PROG_QUERY
                or not struct.unpack_from("<I", query, 24)[0]):
            return False
    return True

links = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
links.bind((0, 1 | 8))  # links, and qdiscs and filters
print("ready", flush=True)
while True:
    data = links.recv(65536)
    kind, = struct.unpack_from("<H", data, 4)
    ifindex, = struct.unpack_from("<i", data, 20)
    if kind == 16 and b"eth0\0" in data:  # RTM_NEWLINK
        break
began = time.monotonic()
links.settimeout(5)
filters = 0
while time.monotonic() - began < 5:
    if sys.argv[1] == "clsact":
        data = links.recv(65536)
        filters += (data[4] == 44  # RTM_NEWTFILTER
                    and struct.unpack_from("<i", data, 20)[0] == ifindex)
    if filters == 2 or (sys.argv[1] == "tcx" and tcx(ifindex)):
        print("ms", int((time.monotonic() - began) * 1000), flush=True)
        break
END
hook=$(ctl 1 kernel | grep -q '^tcx  *yes' && echo tcx || echo clsact)
check "cut" ctl 1 cut "$(host_name 2)" --for 60s
refuse "no answer" knock 2 1
ip -n "$(hosts_ns 1)" link del eth0
check "eth0 is gone from the agent's list" wait_for 5 \
	not sh -c "$BUILD/skerryctl --run-dir $dir/run --node $(host_name 1) kernel | grep -q '^eth0'"
on_host 1 python3 "$dir/attached.py" "$hook" >"$dir/attached" &
watcher=$!
wait_for 5 grep -q ready "$dir/attached" || die "watcher"
ip -n "$HOSTS_PREFIX-sw" link add p1b type veth peer name eth0 \
	netns "$(hosts_ns 1)"
wait $watcher
took=$(value "$dir/attached" ms)
check "made again: judged within 50 ms ($took ms, $hook)" within 0 "$took" 50
ip -n "$HOSTS_PREFIX-sw" link set p1b master br0 up
ip -n "$(hosts_ns 1)" link set eth0 up
ip -n "$(hosts_ns 1)" addr add "$(host_ip 1)/24" dev eth0
check "the wire is whole" wait_for 5 on_host 1 ping -qc 1 -W 1 "$(host_ip 2)"
refuse "the cut holds" knock 1 2
refuse "both ways" knock 2 1
check "healed" ctl 1 heal --all
check "they meet again" wait_for 15 knows 1 3

# ---- one on another --------------------------------------------------------------

role() { # I DEVICE - what is judged there
	json "$1" kernel -- "[r['direction'] for r in d['kernel'] if r.get('device') == '$2']" |
		tr -d "[]'"
}
reason() { # I REASON
	json "$1" kernel -- "[r['count'] for r in d['kernel'] if r.get('reason') == '$2'][0]"
}
arrived() { # FROM-HOST FROM-IP TO-HOST TO-IP - of 2000 datagrams
	: >"$dir/came"
	(exec nsenter --net="/run/netns/$(hosts_ns "$3")" -- \
		python3 tests/lib/flood.py receive "$4" 17390 >"$dir/came") &
	local receiver=$!
	wait_for 5 grep -q ready "$dir/came" || return
	on_host "$1" python3 - "$2" "$4" <<-'END'
		import socket, sys, time
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind((sys.argv[1], 17391))
		for i in range(2000):
		    s.sendto(b"x", (sys.argv[2], 17390))
		    if i % 50 == 0:
		        time.sleep(0.005)
	END
	sleep 0.3
	kill $receiver
	wait $receiver
	value "$dir/came" packets
}
# stacked NAME LOWER-ROLE UPPER-ROLE DEVICE - a third node is cut meanwhile:
# packets are looked at only when there are rules. They pass at first.
stacked() {
	local name=$1 lower=$2 upper=$3 device=$4 before after
	check "$name: eth0 judges $lower" wait_for 5 is_role 1 eth0 "$lower"
	check "$name: $device $upper" wait_for 5 is_role 1 "$device" "$upper"
	check "$name: on the wire" wait_for 10 on_host 1 ping -qc 1 -W 1 10.79.0.2
	check "$name: a third node is cut" ctl 1 cut "$(host_name 3)" --for 60s
	before=$(reason 1 no-rule)
	check "$name: what leaves arrives" between 1990 \
		"$(arrived 1 10.79.0.1 2 10.79.0.2)" 2000
	after=$(reason 1 no-rule)
	check "$name: each was judged once ($((after - before)))" \
		between 1990 $((after - before)) 2900
	before=$(reason 1 no-rule)
	check "$name: what comes arrives" between 1990 \
		"$(arrived 2 10.79.0.2 1 10.79.0.1)" 2000
	after=$(reason 1 no-rule)
	check "$name: each was judged once ($((after - before)))" \
		between 1990 $((after - before)) 2900
	check "$name: cut" ctl 1 partition inject isolate "$(host_name 1)" \
		--for 60s --force
	check "$name: nothing leaves" test \
		"$(arrived 1 10.79.0.1 2 10.79.0.2)" = 0
	check "$name: nothing comes" test \
		"$(arrived 2 10.79.0.2 1 10.79.0.1)" = 0
	check "$name: healed" ctl 1 heal --all
	wait_for 15 knows 1 3 || die "members again"
}
is_role() { [ "$(role "$1" "$2")" = "$3" ]; }
# upper I COMMAND… - `ip link` makes device `top` on host I.
upper() {
	local i=$1
	shift
	ip -n "$(hosts_ns "$i")" link add link eth0 name "$@" 2>/dev/null &&
		ip -n "$(hosts_ns "$i")" link set "${1}" up
}
address() { # I DEVICE
	ip -n "$(hosts_ns "$1")" addr add "10.79.0.$1/24" dev "$2"
}
for i in 1 2; do
	upper $i mv type macvlan mode bridge || die "macvlan"
	address $i mv
done
stacked macvlan own both mv
for i in 1 2; do
	ip -n "$(hosts_ns $i)" link del mv
done
if upper 1 v5 type vlan id 5 && upper 2 v5 type vlan id 5; then
	address 1 v5
	address 2 v5
	stacked vlan both ignore v5
	for i in 1 2; do
		ip -n "$(hosts_ns $i)" addr flush dev v5
		ip -n "$(hosts_ns $i)" link add link v5 name v5.7 type vlan id 7 &&
			ip -n "$(hosts_ns $i)" link set v5.7 up
		address $i v5.7
	done
	stacked "vlan on a vlan" both in v5.7
else
	skip "VLANs" "this kernel has none"
fi
