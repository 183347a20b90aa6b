#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The Debian packages of what is built: lintian has nothing to say; they are
# installed, their units started, upgraded with a cut in force, removed and
# purged, on a host of their own: this host's root under an overlay, with
# processes, network, bpffs and control groups of its own, and systemd as its
# first process.
# shellcheck disable=SC2317 # functions are called through check
# shellcheck disable=SC2016 # what others expand is quoted
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-$PWD/build}
case $build in /*) ;; *) build=$PWD/$build ;; esac

for tool in dh lintian; do
	command -v $tool >/dev/null || {
		echo "1..0 # SKIP $tool is not installed"
		exit 0
	}
done
# shellcheck source=tests/lib/check.sh
. tests/lib/check.sh
set -u
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES DESTDIR PREFIX

# ---- made ------------------------------------------------------------------------

# In a copy of the folder of results, so that builds side by side do not meet.
debs=$scratch/deb
make_them() {
	local version
	version=$("$build/skerryd" --version) || return
	DEB_BUILD_OPTIONS=noautodbgsym tools/packaging/build-deb \
		"${version#* }" "$build" "$debs"
}
tree() { find tools/packaging tools/systemd . -maxdepth 2 | LC_ALL=C sort; }
tree >"$scratch/before"
check "packages are made of what is built" make_them
unchanged() { tree | diff "$scratch/before" -; }
check "nothing is left in the tree" unchanged
three() {
	ls "$debs"
	[ "$(cd "$debs" && echo ./*.deb | sed 's/_[^ ]*//g')" = \
		"./libskerry-dev ./libskerry0 ./skerry" ]
}
check "an agent's, a library's and a developer's" three
check "lintian is content" lintian --allow-root --fail-on error,warning \
	"$debs"/*.deb
holds() { # PACKAGE FILE...
	local file
	dpkg-deb -c "$debs/$1"_*.deb >"$scratch/holds"
	shift
	for file in "$@"; do
		grep -q " \./$file\$" "$scratch/holds" || { echo "$file"; return 1; }
	done
}
check "the agent's holds the agent" holds skerry usr/sbin/skerryd \
	usr/bin/skerryctl usr/bin/skerry-replay lib/systemd/system/skerryd.service \
	lib/systemd/system/skerryd@.service usr/lib/sysusers.d/skerry.conf \
	usr/lib/tmpfiles.d/skerry.conf etc/skerry/skerry.conf \
	usr/share/man/man8/skerryd.8.gz usr/share/man/man1/skerryctl.1.gz \
	usr/share/man/man5/skerry.conf.5.gz usr/share/man/man7/skerry-wire.7.gz \
	usr/share/bash-completion/completions/skerryctl
arch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
check "the library's the library" holds libskerry0 "usr/lib/$arch/libskerry.so.0"
check "the developer's headers and the rest" holds libskerry-dev \
	usr/include/skerry/skerry.h "usr/lib/$arch/libskerry.a" \
	"usr/lib/$arch/pkgconfig/skerry.pc" \
	"usr/share/doc/libskerry-dev/examples/echo.c"

# ---- a host of its own --------------------------------------------------------------

# no WHY - the rest is skipped.
no() {
	[ ! -s "$scratch/said" ] || tail -n 20 "$scratch/said" | sed 's/^/# /'
	skip "installed, started, upgraded, removed, purged" "$1"
	check_done
}
: >"$scratch/said"
[ "$(id -u)" = 0 ] || no "not root"
[ -x /lib/systemd/systemd ] || no "systemd is not installed"
groups=$(findmnt -n -o TARGET -t cgroup2 | head -1)
[ -n "$groups" ] || no "no cgroup2 is mounted"
groups=$groups/skerry-check.$$
over=$scratch/over
root=$over/root
holder=
check_end() {
	[ -z "$holder" ] || kill -KILL "$holder"
	while [ -n "$holder" ] && [ -d "/proc/$holder" ]; do
		sleep 0.05
	done
	for _ in $(seq 50); do
		[ -d "$groups" ] || return
		find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null
		sleep 0.1
	done
}
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
unset SKERRY_RUN_DIR SKERRY_NODE

cat >"$scratch/boot" <<'END'
#!/bin/sh
# boot OVER ROOT DEBS - in namespaces of its own
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$2"
mount -t overlay overlay "$2" -o "lowerdir=/,upperdir=$1/up,workdir=$1/work"
mount -t proc proc "$2/proc"
mount -t sysfs sysfs "$2/sys"
mount -t bpf bpf "$2/sys/fs/bpf"
mount -t cgroup2 cgroup2 "$2/sys/fs/cgroup"
mount --rbind /dev "$2/dev"
mount -t tmpfs tmpfs "$2/run"
mkdir "$2/opt/debs"
cp "$3"/*.deb "$2/opt/debs"
# What keeps this host from starting services is not for the other.
rm -f "$2/usr/sbin/policy-rc.d"
ip link set lo up
exec chroot "$2" env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --unit=basic.target --show-status=0 \
	--log-target=null
END
chmod 755 "$scratch/boot"
mkdir -p "$over" "$groups" || no "no control group of its own"
(echo "$BASHPID" >"$groups/cgroup.procs" && exec unshare --mount --net --pid \
	--uts --ipc --cgroup --fork --kill-child --propagation private \
	"$scratch/boot" "$over" "$root" "$debs") >"$scratch/said" 2>&1 &
holder=$!
disown "$holder"
keeper=
inside() { # beside its root
	nsenter --target "$keeper" --mount --net --pid --uts --ipc --cgroup \
		-- "$@"
}
in_root() { inside chroot "$root" "$@"; }
eventually() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
runs() {
	[ -d "/proc/$holder" ] || return 0 # nothing to wait for
	keeper=$(pgrep -P "$holder" | head -1)
	[ -n "$keeper" ] &&
		in_root systemctl is-active basic.target >/dev/null 2>&1
}
eventually runs
if [ ! -d "/proc/$holder" ] || ! runs; then
	no "no overlay over this root, or systemd does not start on it"
fi

# ---- installed ----------------------------------------------------------------------

# What man-db does about pages takes longer than all the rest.
pkg() { in_root dpkg --no-triggers "$@"; }
install_all() {
	in_root sh -c 'dpkg --no-triggers -i /opt/debs/*.deb && ldconfig'
}
packages() {
	in_root dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
		skerry libskerry0 libskerry-dev
}
check "they are installed" install_all
check "all three" [ "$(packages | grep -c ' installed$')" = 3 ]
has() { in_root stat -c '%a %U:%G' "$1" | grep -x -- "$2"; }
check "there is a group" in_root getent group skerry
check "the state is root's" has /var/lib/skerry '700 root:root'
check "there is a place for sockets" has /run/skerry '755 root:root'
disabled() {
	! in_root systemctl is-enabled skerryd.service &&
		! in_root systemctl is-active skerryd.service
}
check "no agent is begun before it is told its cluster" disabled
uses() { # a program, by the installed headers and library
	in_root sh -c 'cd /opt && cc -o echo \
		/usr/share/doc/libskerry-dev/examples/echo.c \
		$(pkg-config --cflags --libs skerry) && ldd ./echo' |
		grep 'libskerry.so.0 => /'
}
check "a program is built and finds the library" uses

# ---- started ------------------------------------------------------------------------

put() { in_root sh -c "cat >'$1'"; }
put /etc/skerry/skerry.conf <<'END'
[node]
name = one
[join]
contact = 127.0.0.1:17408
END
# The other one as on a kernel before 6.6.
put /etc/skerry/two.conf <<'END'
[node]
name = two
[listen]
port = 17408
[kernel]
disable = tcx
END
start() {
	in_root systemctl start "$1" || {
		in_root systemctl --no-pager -l status "$1"
		return 1
	}
}
check "skerryd.service starts" start skerryd.service
check "skerryd@two.service too" start skerryd@two.service
said() { in_root journalctl -q --no-pager -u 'skerryd*' 2>/dev/null; }
kept() {
	! said | grep 'privileges_kept\|not_started\|state_not_written\|made at'
}
check "with what the units grant them" kept
ctl() { in_root skerryctl --node "$@"; }
both() { [ "$(ctl one member 2>/dev/null | grep -c ' up ')" = 2 ]; }
check "skerryctl talks to them; one has joined two" eventually both
check "a cut is in force" ctl one cut two --for 60s --force
rules() { # NODE - in the kernel
	ctl "$1" kernel rules | grep '^[0-9]'
}
check "the kernel has it, for both" eval 'rules one && rules two'
shut() { # what a process of such a unit may not do
	local pid
	pid=$(in_root pidof skerryd | cut -d ' ' -f 1)
	in_root nsenter --target "$pid" --mount --root --wd sh -c '
		touch /run/skerry/x && rm /run/skerry/x || exit 1
		for dir in /etc /usr /sys/class/net /proc/sys/net /home; do
			test ! -w "$dir" || { echo "$dir"; exit 1; }
		done'
}
check "the rest of the host is closed to them" shut

# ---- upgraded -----------------------------------------------------------------------

agents() { in_root pidof skerryd | tr ' ' '\n' | sort -n | tr '\n' ' '; }
before=$(agents)
check "the package is upgraded" install_all
anew() {
	local now
	now=$(agents)
	echo "$before -> $now"
	[ "$(wc -w <<<"$now")" = 2 ] && [ -z "$(comm -12 \
		<(tr ' ' '\n' <<<"$before" | sort | sed '/^$/d') \
		<(tr ' ' '\n' <<<"$now" | sort | sed '/^$/d'))" ]
}
check "both agents are started anew" eventually anew
check "the cut is held" eval 'eventually rules one && eventually rules two'
older() { # it was dropping before they began
	local first
	first=$(ctl one --json kernel rules |
		sed -n 's/.*"first_drop": *"\([^"]*\)".*/\1/p' | head -1)
	echo "$first"
	[ -n "$first" ] && [ "$(date -d "$first" +%s%N)" -lt \
		"$(date -d "$(in_root systemctl show -P ActiveEnterTimestamp \
			skerryd.service)" +%s)000000000" ]
}
check "it is the cut there was" older
check "the settings are as they were" \
	in_root grep -qx 'name = one' /etc/skerry/skerry.conf

# ---- removed, purged ----------------------------------------------------------------

check "it is removed" pkg -r skerry libskerry-dev libskerry0
no_agents() { [ -z "$(agents)" ]; }
check "no agent is left" no_agents
check "no pin is left, so no cut" in_root test ! -e /sys/fs/bpf/skerry
bare() {
	! inside tc filter show dev lo ingress | grep skerry &&
		! inside tc filter show dev lo egress | grep skerry &&
		inside ping -qc1 -W2 127.0.0.1
}
check "no filter is left either" bare
# What the upper layer holds of ours, but for what it says is gone.
left() {
	inside find "$over/up" ! -type c ! -type d -printf '/%P\n' |
		grep skerry | grep -v '^/var/log/' | LC_ALL=C sort
}
settings_and_state() {
	left >"$scratch/left"
	cat "$scratch/left"
	grep -qx /etc/skerry/skerry.conf "$scratch/left" &&
		grep -qx /etc/skerry/two.conf "$scratch/left" &&
		grep -qx /var/lib/skerry/one/state "$scratch/left" &&
		! grep -v '^/etc/skerry/\|^/var/lib/skerry/\|^/var/lib/dpkg/\|^/opt/' \
			"$scratch/left" | grep -v '^/var/lib/systemd/'
}
check "settings and state are, and nothing else" settings_and_state
check "it is purged" pkg -P skerry
nothing() { ! left | grep -v '^/opt/debs/'; }
check "nothing is left" nothing
check "no directory either" in_root sh -c \
	'! ls -d /etc/skerry /var/lib/skerry /run/skerry /usr/include/skerry'
check "nor the group" in_root sh -c "! getent group skerry"
check_done
