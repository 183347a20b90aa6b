#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The agent by itself, and two on one host: starting, what it refuses to
# start with, joining over loopback, dying, garbage, ending.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
hosts_make 1 || die "hosts"

# flags NAME PORT - of an agent on loopback, without a file.
flags() {
	echo --config /dev/null --node-name "$1" --listen-port "$2" \
		--api-run_dir "$dir/run" --state-dir "$dir/state" \
		--kernel-pin_root "$HOSTS_PINS"
}
# agent NAME PORT [FLAG…] - in the background, until it answers.
agent() {
	local name=$1 port=$2
	shift 2
	# shellcheck disable=SC2046
	(exec nsenter --net="/run/netns/$(hosts_ns 1)" -- \
		"$BUILD/skerryd" $(flags "$name" "$port") "$@" \
		>>"$dir/$name.log" 2>&1) &
	echo $! >"$dir/$name.pid"
	wait_for 10 answers "$name" || die "agent $name does not answer"
}
pid() { cat "$dir/$1.pid"; }
# run NAME PORT [FLAG…] - to its end; the exit code.
run() {
	local name=$1 port=$2
	shift 2
	# shellcheck disable=SC2046
	on_host 1 timeout 5 "$BUILD/skerryd" $(flags "$name" "$port") "$@" 2>&1
}
ask() { # NAME ARG…
	local name=$1
	shift
	timeout 10 "$BUILD/skerryctl" --run-dir "$dir/run" --node "$name" "$@"
}
answers() { ask "$1" status >/dev/null 2>&1; }
members() { # NAME STATE COUNT
	[ "$(ask "$1" --json member | tr -d ' \n' |
		grep -o "\"state\":\"$2\"" | wc -l)" -eq "$3" ]
}
counter() { # NAME KEY
	ask "$1" --json status | python3 -c "
import json, sys
def find(d):
    if isinstance(d, dict):
        if d.get('key') == '$2': return d['count']
        d = d.values()
    elif not isinstance(d, list): return None
    for v in d:
        r = find(v)
        if r is not None: return r
print(find(json.load(sys.stdin)))"
}
ended() { ! alive "$(pid "$1")"; }

# What it does not start with.
out=$(run x 17281)
check "a port that begins no block: exit 2" test $? -eq 2
out=$(run x 40960)
check "a block in ip_local_port_range: exit 2" test $? -eq 2
check "and the range is named" grep -q ip_local_port_range <<<"$out"
on_host 1 python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 17536))
time.sleep(30)' &
taken=$!
wait_for 5 sh -c "nsenter --net=/run/netns/$(hosts_ns 1) ss -ltn | grep -q :17536" ||
	die "listener"
out=$(run x 17536)
check "a port that is taken: exit 5" test $? -eq 5
check "and it is named" grep -q 17536 <<<"$out"
check "nothing stays attached" test -z "$(ls "$HOSTS_PINS/x" 2>/dev/null)"
kill $taken
mkdir -p "$dir/state" "$dir/run"
chmod 777 "$dir/state" "$dir/run"
chmod 755 "$dir"
out=$(on_host 1 setpriv --reuid=65534 --regid=65534 --clear-groups \
	timeout 5 "$BUILD/skerryd" --config /dev/null --node-name n \
	--api-run_dir "$dir/run" --state-dir "$dir/state" 2>&1)
check "no privileges: exit 3" test $? -eq 3
check "and what to do is said" grep -q no-kernel <<<"$out"

# One agent.
agent a 17280
check "starts on loopback without a file" answers a
out=$(run a 17408)
check "a second one for the same node: exit 5" test $? -eq 5
check "and the first one's pid" grep -qw "$(pid a)" <<<"$out"
kill -HUP "$(pid a)"
check "SIGHUP is nothing to it" answers a
open_fds() {
	local fd flags bad=0
	for fd in "/proc/$(pid a)/fdinfo/"*; do
		case ${fd##*/} in 0 | 1 | 2) continue ;; esac
		flags=$(sed -n 's/^flags:\t*//p' "$fd")
		if (((8#$flags & 8#2000000) == 0)); then
			echo "fd ${fd##*/}: $(readlink "/proc/$(pid a)/fd/${fd##*/}")"
			bad=1
		fi
	done
	return $bad
}
check "no descriptor would be inherited" open_fds
few_powers() { # CAP_SYS_ADMIN is 21, CAP_DAC_OVERRIDE 1; in every thread
	local task caps
	for task in "/proc/$(pid a)/task/"*; do
		caps=$((16#$(sed -n 's/^CapEff:\t*//p' "$task/status")))
		echo "$task $caps"
		(((caps & (1 << 21 | 1 << 1)) == 0)) || return 1
	done
}
check "privileges are given up" few_powers

# How many BPF programs are attached to the host's devices, whosever they are:
# those of tcx as the kernel counts them, and filters of clsact.
attached() {
	on_host 1 python3 - <<'END'
import ctypes, platform, socket, struct, subprocess
bpf = 321 if platform.machine() == "x86_64" else 280
libc = ctypes.CDLL(None, use_errno=True)
count = 0
for device in "lo", "eth0":
    for kind in 46, 47:  # BPF_TCX_INGRESS, BPF_TCX_EGRESS
        query = ctypes.create_string_buffer(64)
        struct.pack_into("<II", query, 0, socket.if_nametoindex(device), kind)
        if libc.syscall(bpf, 16, query, 64) == 0:  # BPF_PROG_QUERY
            count += struct.unpack_from("<I", query, 24)[0]
    for way in "ingress", "egress":
        said = subprocess.run(["tc", "filter", "show", "dev", device, way],
                              capture_output=True, text=True).stdout
        count += said.count("skerry_")
print(count)
END
}
of_one=$(attached)
check "it is attached" between 2 "$of_one" 100

# Two of them.
agent b 17408
check "another node on the same host" answers b
check "it is pinned" test -n "$(ls "$HOSTS_PINS/b")"
check "it is attached too" test "$(attached)" = $((2 * of_one))
check "joins" ask b member join --wait --timeout 5s 127.0.0.1:17280
check "both see both" wait_for 5 members a up 2
check "both ways" wait_for 5 members b up 2
in_block() {
	on_host 1 ss -tnH state established |
		awk '{ n = split($3, l, ":"); split($4, r, ":")
		       lp = l[n]; rp = r[length(r)]
		       if (lp < 17280 || lp > 17535 || rp < 17280 || rp > 17535) {
			       print; bad = 1 } }
		     END { exit bad || !NR }'
}
check "every connection lies in the two blocks" in_block
kill -KILL "$(pid b)"
wait "$(pid b)" 2>/dev/null
check "killed: it is down" wait_for 6 members a down 1
agent b 17408
check "starts again" answers b
check "and is a member again by itself" wait_for 10 members a up 2

# Garbage, and who says nothing at all.
on_host 1 python3 -c '
import socket, time
s = socket.create_connection(("127.0.0.1", 17280))
began = time.time()
s.settimeout(8)
s.recv(1)
raise SystemExit(not 4 < time.time() - began < 7)' &
silent=$!
on_host 1 python3 - <<'END'
import os, socket
for i in range(40):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in range(17280, 17283):
        udp.sendto(os.urandom(1 + i * 7), ("127.0.0.1", port))
    udp.close()
closed = 0
for i in range(20):
    tcp = socket.create_connection(("127.0.0.1", 17280))
    tcp.settimeout(3)
    try:
        tcp.sendall((b"SKERRY\0\1" if i % 2 else b"") + b"\xff" * (32 + i * 9))
        while tcp.recv(4096):
            pass
        closed += 1
    except ConnectionError:
        closed += 1
    except OSError:
        pass
raise SystemExit(closed != 20)
END
check "garbage on the lanes' port is closed" test $? -eq 0
check "and counted" between 20 "$(counter a garbage_lanes)" 1000
check "garbage datagrams are counted" between 40 \
	"$(counter a garbage_datagrams)" 1000
check "each is logged once" test \
	"$(grep -c lane_garbage "$dir/a.log") $(grep -c datagram_garbage "$dir/a.log")" = "1 1"
python3 - "$dir/run/a/api.sock" <<'END'
import os, socket, sys
for i in range(20):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    s.send(os.urandom(1 + i * 20))
    s.settimeout(3)
    s.recv(4096)
END
check "garbage on the programs' socket is closed" test $? -eq 0
check "the members are as they were" members a up 2
wait $silent
check "a silent stranger is closed after 5 s" test $? -eq 0

# The end.
kill -TERM "$(pid b)"
check "SIGTERM: it ends" wait_for 3 ended b
wait "$(pid b)"
check "with exit 0" test $? -eq 0
refuse "its socket is gone" test -e "$dir/run/b/api.sock"
check "nothing of it is pinned" test -z "$(ls "$HOSTS_PINS/b" 2>/dev/null)"
check "nothing of it is attached" test "$(attached)" = "$of_one"
check "the other suspects at once" wait_for 1 members a suspect 1
agent b 17408 --no-kernel
check "it comes back where it was" answers b
check "without the kernel too" wait_for 10 members a up 2
pss=$(awk '/^Pss:/ { print $2 }' "/proc/$(pid a)/smaps_rollup")
check "an idle agent is small" between 100 "$pss" 16384

# Cuts without the kernel: at the lane.
agent c 17664 --no-kernel
agent d 17792 --no-kernel
check "two without the kernel join" ask d member join --wait --timeout 5s \
	127.0.0.1:17664
features=$(ask c --json status --features | tr -d ' \n')
check "they say that they have no kernel cuts" grep -q \
	'"kernel-cuts"\]*,"supported":false' <<<"$features"
check "a cut at the lane" ask c cut d --for 6s
check "is felt here" wait_for 5 members c down 1
check "and there" wait_for 1 members d down 1
check "and is over in time" wait_for 6 members c up 2
