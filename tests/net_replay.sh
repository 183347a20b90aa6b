#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A real agent recorded through joins, a cut, a crash of a peer and a leave:
# a core fed with the record does the same, operation by operation.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"

hosts_make 3 || die "hosts"
record=$HOSTS_DIR/record
host_start 1 --record "$record" || die "agent 1"
host_start 2 || die "agent 2"
host_start 3 || die "agent 3"
hosts_join 3 || die "join"
wait_for 5 knows 1 3 || die "members"
ctl 1 member >/dev/null
ctl 1 cut "$(host_name 3)" --for 30s >/dev/null || die "cut"
wait_for 6 sees 1 down 3 || die "down"
ctl 1 heal --all >/dev/null || die "heal"
wait_for 10 knows 1 3 || die "members again"
host_stop 2 KILL
wait_for 8 sees 1 down 2 || die "down"
ctl 1 member leave >/dev/null || die "leave"
sleep 1
host_stop 1 TERM
check "the record is there" test -s "$record"
replay() { "$BUILD/skerry-replay" --key "$HOSTS_DIR/key" "$@"; }
check "it replays to the same operations" replay "$record"
check "all of it, not just its beginning" between 100 \
	"$(replay "$record" 2>&1 | sed -n 's/.*: \([0-9]*\) steps agree$/\1/p')" \
	1000000
# And the comparison is one: a changed byte is seen.
python3 - "$record" "$record.bad" <<'END'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at, seen = 8, 0
while at < len(data):
    length = int.from_bytes(data[at:at + 4], "little")
    if data[at + 4] == 2 and length > 60:  # an operation with bytes
        seen += 1
        if seen == 10:
            data[at + length - 1] ^= 1
            break
    at += 4 + length
open(sys.argv[2], "wb").write(data)
END
refuse "a record with one bit changed does not" replay "$record.bad"
