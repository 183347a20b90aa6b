#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What strangers, mistakes and a full disk get: a clear refusal, and nothing
# else changes.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 4 || die "hosts"
host_start 1 || die "agent 1"
host_start 2 || die "agent 2"
hosts_join 2 || die "join"

# Configuration: file, line, what is allowed; exit 2.
bad_config() { # LINE WANTED…
	local line=$1 out word
	shift
	printf '[node]\nname = x\n%s\n' "$line" >"$dir/bad.conf"
	out=$("$BUILD/skerryd" --check-config --config "$dir/bad.conf" 2>&1)
	[ $? -eq 2 ] || { echo "exit is not 2: $out"; return 1; }
	for word in "$@"; do
		[[ $out == *$word* ]] || { echo "no '$word' in: $out"; return 1; }
	done
}
check "an unknown key" bad_config 'colour = red' bad.conf:3 colour name tag
check "a plain number as a time" bad_config '[detector]
heartbeat = 500' 'bad.conf:4' heartbeat ms
check "a value out of range" bad_config '[listen]
port = 17281' 'bad.conf:4' 17281 128
check "an unknown section" bad_config '[colours]' bad.conf:3 colours
two=$(printf '[node]\nname = a b\nfoo = 1\n[listen]\nport = x\n' \
	>"$dir/bad.conf"; "$BUILD/skerryd" --check-config \
	--config "$dir/bad.conf" 2>&1)
check "all mistakes at once" test \
	"$(grep -c 'bad.conf:[235]' <<<"$two")" -ge 3

# A second agent for a running node.
second() {
	on_host 1 timeout 5 "$BUILD/skerryd" --config "$dir/1.conf" \
		>"$dir/second" 2>&1
	[ $? -eq 5 ] && grep -q "$(host_pid 1)" "$dir/second"
}
check "a second agent: exit 5, the first one's pid" second

# Another key, another cluster.
"$BUILD/skerryctl" cluster keygen "$dir/other.key" >/dev/null
host_config 3
sed -i "s|^key_file = .*|key_file = $dir/other.key|" "$dir/3.conf"
host_start 3 || die "agent 3"
ctl 3 member join "$(host_ip 1):17280" >/dev/null
host_config 4
sed -i "s/^name = $HOSTS_PREFIX\$/name = elsewhere/" "$dir/4.conf"
host_start 4 || die "agent 4"
ctl 4 member join "$(host_ip 1):17280" >/dev/null
check "another key is told so" wait_for 5 grep -q key "$dir/3.log"
refuse "and learns no name from it" grep -q "$(host_name 1)" "$dir/3.log"
check "another cluster is told so" wait_for 5 grep -q cluster "$dir/4.log"
check "and on the other side too" wait_for 5 grep -qE \
	"cluster.*elsewhere|elsewhere.*cluster" "$dir/1.log"
check "neither is a member" test \
	"$(json 1 member -- 'len(d["members"])')" = 2

# Garbage on every port.
on_host 3 python3 - "$(host_ip 1)" <<'END'
import os, socket, sys
for i in range(300):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(17280, 17283):
        udp.sendto(os.urandom(1 + i * 4), (sys.argv[1], port))
    udp.close()
for i in range(60):
    tcp = socket.create_connection((sys.argv[1], 17280))
    try:
        tcp.sendall((b"SKERRY\0\1" if i % 2 else b"") + os.urandom(1 + i * 9))
        tcp.settimeout(2)
        while tcp.recv(4096):
            pass
    except OSError:
        pass
    tcp.close()
END
check "after garbage on the ports the agent answers" ctl 1 status
check "its members are as they were" knows 1 2
lines=$(grep -ciE 'malformed|garbage|protocol' "$dir/1.log")
check "said once, not each time ($lines lines)" between 1 "$lines" 20
counted=$(json 1 status -- \
	'sum(int(r.get("refused", 0)) for r in d["status"])' 2>/dev/null)
check "and counted (${counted:-nothing})" between 100 "${counted:-0}" 100000

# What a call gets.
send() { echo x | ctl 1 message send "$@" 2>&1; }
says() { # CODE WORD COMMAND…
	local code=$1 word=$2 out
	shift 2
	out=$("$@" 2>&1)
	got=$?
	echo "exit $got: $out"
	[ $got -eq "$code" ] && [[ $out == *$word* ]]
}
check "unknown node: said with its name" says 1 nobody send nobody sink
check "unknown channel: said with its name" says 1 nochannel \
	send --channel nochannel "$(host_name 2)" sink
check "unknown endpoint: said with its name" says 1 noendpoint \
	send "$(host_name 2)" noendpoint
check "join of itself" says 1 "$(host_ip 1)" \
	ctl 1 member join --wait --timeout 3s "$(host_ip 1):17280"
check "unknown partition" says 1 0badcafe ctl 1 heal 0badcafe
check "too large a part of the members: refused by a safeguard" says 7 force \
	ctl 1 partition inject around "$(host_name 1)" --ttl 1 --for 10s
check "no agent: exit 8" says 8 nosuch \
	"$BUILD/skerryctl" --run-dir "$dir/run" --node nosuch status
check "usage: exit 2" says 2 '' "$BUILD/skerryctl" member frobnicate

# Disk full for the state: the old state is kept, and a warning.
mkdir "$dir/small"
mount -t tmpfs -o size=16k none "$dir/small" || die "tmpfs"
host_stop 3
rm -f "$dir/3.log"
host_config 3
sed -i "s|^dir = .*|dir = $dir/small|" "$dir/3.conf"
host_start 3 || die "agent 3 on a small disk"
state=$dir/small/$(host_name 3)/state
check "state is written" wait_for 3 test -s "$state"
head -c 100000 /dev/zero >"$dir/small/full" 2>/dev/null
before=$(sha256sum <"$state")
ctl 3 member join "$(host_ip 1):17280" >/dev/null
check "disk full: it joins all the same" wait_for 6 knows 3 3
check "disk full: a warning" wait_for 3 grep -qiE 'space|ENOSPC' "$dir/3.log"
check "disk full: the old state is as it was" test \
	"$before" = "$(sha256sum <"$state")"
host_stop 3
umount "$dir/small"
