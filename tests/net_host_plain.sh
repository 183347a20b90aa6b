#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Hosts that have less than others. An agent of an ordinary user: says that it
# needs privileges, and works without the kernel, cuts at the lanes included.
# Root without CAP_BPF: the same. A host whose kernel shows no BTF: what is
# built from source and what runs needs none.
#
# Exit code and sentence of a start without privileges: net_agent. Cuts at the
# lane between two nodes on one host: net_agent.
# shellcheck source=tests/lib/own_mounts.sh
. "$(dirname "$0")/lib/own_mounts.sh"
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/lib/tap.sh"
dir=$HOSTS_DIR
hosts_make 2 || die "hosts"
chmod 755 "$dir"
mkdir -m 777 "$dir/run" "$dir/state"
feature() { # I NAME yes|no
	ctl "$1" --json status --features | python3 -c "
import json, sys
def rows(d):
    if isinstance(d, dict):
        if '$2' in str(d.get('feature', d.get('features', ''))): yield d
        d = d.values()
    for v in d if not isinstance(d, (str, int, float, type(None))) else ():
        yield from rows(v)
sys.exit(not any(r.get('supported') is ($3 == 1) for r in rows(json.load(sys.stdin))))"
}
start_as() { # I PREFIX… - agent I by somebody with less
	local i=$1
	shift
	(exec nsenter --net="/run/netns/$(hosts_ns "$i")" -- "$@" \
		"$BUILD/skerryd" --config "$dir/$i.conf" --no-kernel \
		>>"$dir/$i.log" 2>&1) &
	echo $! >"$dir/$i.pid"
	disown $!
	wait_for 10 ctl "$i" status >/dev/null || die "agent $i"
}
meet_and_cut() { # NAME
	hosts_join 2 || die "$1: join"
	check "$1: they meet" wait_for 5 knows 1 2
	check "$1: a cut" ctl 1 cut "$(host_name 2)" --for 60s
	check "$1: is seen here" wait_for 8 sees 1 down 2
	check "$1: and there" wait_for 8 sees 2 down 1
	check "$1: healed" ctl 1 heal --all
	check "$1: they meet again" wait_for 15 knows 1 2
}

# ---- an ordinary user, and root without CAP_BPF ----------------------------------

host_config 1
host_config 2
chown 65534 "$dir/key"
# Of another owner the key is nobody's: each has its own.
cp "$dir/key" "$dir/key2" && chown 0:0 "$dir/key2" && chmod 600 "$dir/key2"
sed -i "s|key_file = .*|key_file = $dir/key2|" "$dir/2.conf"
on_host 2 timeout 10 setpriv --bounding-set=-bpf,-sys_admin \
	--inh-caps=-bpf,-sys_admin -- "$BUILD/skerryd" --config "$dir/2.conf" \
	>"$dir/denied" 2>&1
check "root without CAP_BPF: exit 3" test $? = 3
check "and it is named" grep -q CAP_BPF "$dir/denied"
start_as 1 setpriv --reuid=65534 --regid=65534 --clear-groups --
start_as 2 setpriv --bounding-set=-bpf,-sys_admin,-net_admin \
	--inh-caps=-bpf,-sys_admin,-net_admin --
check "unprivileged: it is nobody's process" test \
	"$(stat -c %u "/proc/$(host_pid 1)")" = 65534
check "unprivileged: says that cuts are not the kernel's" \
	feature 1 kernel-cuts 0
meet_and_cut unprivileged
host_stop 1
host_stop 2
check "unprivileged: nothing was pinned" test ! -e "$HOSTS_PINS"

# ---- no BTF -------------------------------------------------------------------------

rm -rf "$dir/state" "$dir/run" "$dir/key2"
chown 0 "$dir/key"
if [ -d /sys/kernel/btf ]; then
	mount -t tmpfs -o ro tmpfs /sys/kernel/btf || die "mount"
	check "no BTF: there is none to be seen" test ! -e /sys/kernel/btf/vmlinux
else
	skip "no BTF: there is none to be seen" "this kernel has none anyway"
fi
check "no BTF: the programs are built" make -s B="$dir/build" WERROR=1 \
	"$dir/build/gen/skerry.skel.h" "$dir/build/gen/tables.skel.h"
for i in 1 2; do
	host_config $i
	host_start $i || die "agent $i"
done
check "no BTF: cuts are the kernel's" feature 1 kernel-cuts 1
has() { # FEATURE yes|no
	ctl 1 kernel | grep -q "^$1  *$2"
}
check "no BTF: tables are not to be had" has iterators no
check "no BTF: rules end by themselves" has timer yes
meet_and_cut "no BTF"
host_stop 1
host_stop 2
