#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Strangers at api.sock: half a message, wrong ones, descriptors, storms,
# somebody else's instance. Each is told or closed; nothing is left open, and
# who is attached notices nothing.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR

hosts_make 1 || die "hosts"
chmod 711 "$dir"
host_config 1 '[api]' 'group = nogroup'
host_start 1 || die "agent 1"
socket=$dir/run/$(host_name 1)/api.sock
pump 1 receive sink >"$dir/in" &
receiver=$!
wait_for 5 grep -q ready "$dir/in" || die "receiver"
pump 1 send "$(host_name 1)" sink --rate 2000 --seconds 10 >"$dir/out" &
sender=$!
descriptors() { find "/proc/$(host_pid 1)/fd" -mindepth 1 | wc -l; }
at_most() { [ "$(descriptors)" -le "$1" ]; }
sleep 1
at_rest=$(descriptors)

cat >"$dir/stranger.py" <<'END'
import array, os, socket, struct, sys, time
path, what = sys.argv[1], sys.argv[2]
MAGIC = 0x474e4952594b5321

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    s.settimeout(5)
    return s

def hello(magic=MAGIC, abi=1, flags=0, instance=None):
    return struct.pack("<QII16sQ64s", magic, abi, flags,
                       instance or os.urandom(16), 0, b"stranger\x1b[2J")

def answer(s):
    """The error in the answer; None: closed without one."""
    try:
        data = s.recv(4096)
    except ConnectionResetError:
        return None
    return struct.unpack_from("<i", data, 12)[0] if data else None

def is_closed(s):
    try:
        return s.recv(4096) == b""
    except ConnectionResetError:
        return True

def wrong():
    for data in ([os.urandom(n) for n in (1, 8, 15, 16, 103, 104, 105, 9000)]
                 + [hello(magic=MAGIC + 1)]):
        s = connect()
        s.send(data)
        assert answer(s) is None, data
    for data in (hello()[:16], hello()[:103], hello() + b"x",
                 hello() + bytes(9000), hello(abi=2), hello(abi=0)):
        s = connect()
        s.send(data)
        assert answer(s) == -71, data

def descriptors():
    for data, error in ((hello(), 0), (b"x", None)):
        r, w = os.pipe()
        s = connect()
        s.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                            array.array("i", [w] * 200))])
        os.close(w)
        assert answer(s) == error
        # Nobody has kept the other end.
        assert os.read(r, 1) == b""

def twice():
    s = connect()
    s.send(hello())
    assert answer(s) == 0
    s.send(hello())
    assert is_closed(s)

def storm():
    for i in range(3000):
        s = connect()
        if i % 3:
            s.send((hello(), b"", hello()[:50])[i // 3 % 3])
        s.close()

def become(uid):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(uid)

def attached():
    s = connect()
    # Refused at once: the answer is there already.
    try:
        s.send(hello())
    except BrokenPipeError:
        pass
    got = answer(s)
    return s if got == 0 else got

def open_ones(held):
    count = 0
    for s in held:
        s.setblocking(False)
        try:
            if s.recv(4096):
                count += 1
        except BlockingIOError:
            count += 1
        except ConnectionResetError:
            pass
        s.setblocking(True)
    return count

def silent(uid, most):
    """300 of one user that say nothing: the youngest stay, for their time,
    and who has something to say is heard at once."""
    if uid:
        become(uid)
    held = [connect() for i in range(300)]
    start = time.monotonic()
    mine = attached()
    assert isinstance(mine, socket.socket), mine
    assert time.monotonic() - start < 2, "waited"
    got = open_ones(held)
    assert 1 <= got <= most, got
    print(got, flush=True)
    sys.stdin.read()  # until others have had their turn
    for s in held:
        s.settimeout(10)
        assert is_closed(s)
    mine.settimeout(0.3)
    try:
        assert mine.recv(1), "the one that spoke was closed"
        assert False, "something came"
    except socket.timeout:
        pass

def silent_root():
    silent(0, 256)

def silent_nobody():
    silent(65534, 32)

def full():
    """Attached ones stay; the last places are administrators'."""
    become(65534)
    held = []
    refused = 0
    # The agent may still be letting go of those that went before.
    while len(held) < 256 and refused < 10:
        s = attached()
        if isinstance(s, socket.socket):
            held.append(s)
            continue
        assert s == -28, s
        refused += 1
        time.sleep(0.3)
    assert 200 < len(held) <= 240, len(held)
    print(len(held), flush=True)
    sys.stdin.read()

def stolen():
    """As root; then again as somebody else; then as root."""
    mine = os.urandom(16)
    s = connect()
    s.send(hello(instance=mine))
    assert answer(s) == 0
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        t = connect()
        t.send(hello(instance=mine))
        os._exit(answer(t) != -17)
    assert os.waitpid(child, 0)[1] == 0
    s.settimeout(0.5)
    try:
        assert s.recv(4096) != b"", "the first one was detached"
    except socket.timeout:
        pass
    t = connect()
    t.send(hello(instance=mine))
    assert answer(t) == 0
    s.settimeout(5)
    assert is_closed(s)

globals()[what]()
END
stranger() { timeout 60 python3 "$dir/stranger.py" "$socket" "$1"; }
check "what is no attach message: closed, or told" stranger wrong
check "descriptors that nobody asked for are not kept" stranger descriptors
check "a second message on the socket: detached" stranger twice
check "somebody else's instance: refused; one's own: replaced" stranger stolen
check "3000 that come and go" stranger storm
check "the agent answers" ctl 1 status

# beside WHAT CHECK… - while strangers do WHAT, the checks hold.
ctl_as() { # UID ARG…
	local uid=$1
	shift
	SKERRY_NODE=$(host_name 1) on_host 1 setpriv --reuid="$uid" \
		--regid=nogroup --clear-groups timeout 3 "$BUILD/skerryctl" "$@"
}
beside() {
	local what=$1 pid
	shift
	mkfifo "$dir/stop-$what"
	timeout 60 python3 "$dir/stranger.py" "$socket" "$what" \
		<"$dir/stop-$what" >"$dir/$what" 2>"$dir/$what.err" &
	pid=$!
	exec 7>"$dir/stop-$what"
	wait_for 30 test -s "$dir/$what"
	"$@"
	exec 7>&-
	local status=0
	wait $pid || status=$?
	check "$what: they were treated as they should ($(cat "$dir/$what"))" \
		test $status -eq 0
	sed 's/^/# /' "$dir/$what.err"
}
others_come() {
	check "$1: root is let in" ctl_as root status
	check "$1: and so is another user" ctl_as 65533 status
}
beside silent_root others_come "300 of root say nothing"
beside silent_nobody others_come "300 of a user say nothing"
is_told() {
	ctl_as 65534 status 2>&1 | grep -q 'programs are attached already'
}
root_comes() {
	check "full of a user's programs: root is let in" ctl_as root status
	refuse "and that user has no more places" ctl_as 65534 status
	check "and is told so" is_told
}
beside full root_comes
check "the agent answers again" ctl 1 status
wait $sender
check "the program that was there had no error" test $? -eq 0
sleep 0.5
kill $receiver
wait $receiver
check "and lost nothing" test \
	"$(value "$dir/in" received)" = "$(value "$dir/out" sent)"
check "nothing is left open" wait_for 5 at_most "$at_rest"
check "the log is short" between 1 "$(wc -l <"$dir/1.log")" 100
host_stop 1 TERM
check "the agent ended by itself" grep -q ' stopped ' "$dir/1.log"
