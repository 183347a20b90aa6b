#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a cut shows to whom, between real agents: `sever` ends lanes at both
# ends at once, and with an address the connections of any program; `reject`
# answers; loss takes its share and no more. Without the kernel's help what
# cannot be done is refused.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

cat >"$dir/talk.py" <<'END'
"""talk.py listen ADDRESS PORT | connect ADDRESS PORT: a connection that is
kept until it ends; says how. connect --try: whether there can be one."""
import errno, socket, sys
host, port = sys.argv[2], int(sys.argv[3])
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.settimeout(20)
try:
    if sys.argv[1] == "listen":
        s.bind((host, port))
        s.listen()
        print("ready", flush=True)
        s = s.accept()[0]
        s.settimeout(20)
    else:
        s.settimeout(0.6 if "--try" in sys.argv else 20)
        s.connect((host, port))
        if "--try" in sys.argv:
            s.shutdown(socket.SHUT_WR)
            sys.exit(print("connected"))
        s.settimeout(20)
    print("connected", flush=True)
    print("closed" if s.recv(1) == b"" else "data", flush=True)
except socket.timeout:
    print("silence", flush=True)
except OSError as e:
    print(errno.errorcode[e.errno], flush=True)
END
talk() { # HOST ARG…: only to be run in the background
	local i=$1
	shift
	exec nsenter --net="/run/netns/$(hosts_ns "$i")" -- \
		python3 "$dir/talk.py" "$@"
}
try() { on_host "$1" python3 "$dir/talk.py" connect "$2" "$3" --try; }
# lanes HOST COMPARISON NUMBER: of those that are up
# shellcheck disable=SC2317 # by wait_for
lanes() {
	test "$(json "$1" connection -- \
		'sum(c["state"] == "up" for c in d["connections"])')" "$2" "$3"
}
# rule HOST FIELD: the sum over the rules in force
rule() {
	json "$1" kernel rules -- "sum(r.get('$2', 0) for r in d['rules'])"
}
# shellcheck disable=SC2317 # by wait_for
said() { grep -sqx "$2" "$dir/$1"; }

hosts_make 2 || die "hosts"
for i in 1 2; do
	host_config "$i"
	host_start "$i" || die "agent $i"
done
hosts_join 2 || die "join"
for i in 1 2; do
	wait_for 5 knows $i 2 || die "members"
done
wait_for 5 lanes 1 -gt 0 || die "lanes"

# ---- sever, between nodes ---------------------------------------------------
began=$(now_ms)
check "sever: cut" ctl 1 partition inject split "$(host_name 1)" / \
	"$(host_name 2)" --for 30s --visibility sever --force --name s
check "sever: no lane is left at one end" wait_for 1 lanes 1 -eq 0
check "sever: nor at the other" wait_for 1 lanes 2 -eq 0
took=$(($(now_ms) - began))
check "sever: long before silence would be noticed ($took ms)" \
	within 0 "$took" 2500
check "sever: the agents say why" grep -q "severed by a cut" "$dir"/1.log \
	"$dir"/2.log
check "sever: healed" ctl 1 heal s
check "sever: lanes are back" wait_for 8 lanes 1 -gt 0

# ---- reject -------------------------------------------------------------------
pump 2 receive told >"$dir/told.in" &
told_in=$!
wait_for 5 grep -sq ready "$dir/told.in" || die "receiver"
pump 1 send "$(host_name 2)" told --seconds 5 --rate 50 >"$dir/told" &
told=$!
wait_for 5 grep -sq . "$dir/told"
check "reject: cut" ctl 1 partition inject split "$(host_name 1)" / \
	"$(host_name 2)" --for 30s --visibility reject --force --name r
check "reject: lanes end by it" wait_for 2 lanes 1 -eq 0
check "reject: a program is told" wait_for 5 grep -sqi \
	'network is unreachable' "$dir/told"
began=$(now_ms)
check "reject: a new connection is refused" grep -q ECONNREFUSED <(
	on_host 1 python3 -c '
import errno, socket, sys
s = socket.socket()
s.settimeout(2)
s.bind((sys.argv[1], 17403))
try:
    s.connect((sys.argv[2], 17280))
except OSError as e:
    print(errno.errorcode.get(e.errno, e))' "$(host_ip 1)" "$(host_ip 2)"
)
took=$(($(now_ms) - began))
check "reject: at once ($took ms)" within 0 "$took" 1000
check "reject: healed" ctl 1 heal r
check "reject: lanes are back" wait_for 8 lanes 1 -gt 0
wait $told
kill $told_in
wait $told_in

# ---- loss -----------------------------------------------------------------------
check "loss: cut" ctl 1 partition inject split "$(host_name 1)" / \
	"$(host_name 2)" --for 30s --loss 30% --seed 7 --force --name l
flood() {
	on_host 1 python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 17403))
for i in range(1000):
    s.sendto(b"x" * 100, (sys.argv[2], 17380))' "$(host_ip 1)" "$(host_ip 2)"
}
flood
seen=$(rule 1 out_seen)
dropped=$(rule 1 out_dropped)
check "loss: of $seen packets $dropped are lost here" \
	between $((seen * 24 / 100)) "$dropped" $((seen * 36 / 100))
check "loss: and none at the other end" between 0 "$(rule 2 in_dropped)" 0
check "loss: healed" ctl 1 heal l

# ---- addresses -----------------------------------------------------------------
talk 2 listen "$(host_ip 2)" 9999 >"$dir/server" &
wait_for 5 said server ready || die "server"
talk 1 connect "$(host_ip 2)" 9999 >"$dir/client" &
wait_for 5 said client connected || die "client"
check "address: cut and severed" ctl 1 partition inject to \
	"$(host_ip 2):9999" --proto tcp --for 20s --visibility sever --name a
check "address: this end hears of it" wait_for 2 said client ECONNABORTED
check "address: so does the far end" wait_for 2 said server ECONNRESET
talk 2 listen "$(host_ip 2)" 9999 >"$dir/server2" &
wait_for 5 said server2 ready || die "server"
check "address: no new connection" grep -qx silence \
	<(try 1 "$(host_ip 2)" 9999)
check "address: other ports are free" grep -qx ECONNREFUSED \
	<(try 1 "$(host_ip 2)" 9998)
check "address: the lanes have noticed nothing" lanes 1 -gt 0
check "address: healed" ctl 1 heal a
check "address: connections again" grep -qx connected \
	<(try 1 "$(host_ip 2)" 9999)

# ---- without ----------------------------------------------------------------------
host_stop 1
host_start 1 --kernel-disable loss,reject,address || die "agent without"
wait_for 8 knows 1 2 || die "members again"
for what in "--loss 10%" "--visibility reject"; do
	# shellcheck disable=SC2086
	refuse "without: $what is refused" ctl 1 partition inject split \
		"$(host_name 1)" / "$(host_name 2)" --for 5s --force $what
done
refuse "without: so is an address" ctl 1 partition inject to "$(host_ip 2)"
check "without: nothing is cut" between 0 "$(rule 1 out_seen)" 0
tap_done
