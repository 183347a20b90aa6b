# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# hosts.sh - hosts made of network namespaces, joined by veth and a bridge,
# with an agent on each. Sourced by the demo and by tests/net_*.sh.
#
#   HOSTS_PREFIX   what namespaces begin with (unique for each user)
#   HOSTS_DIR      working directory: configuration, state, sockets, logs
#   BUILD          where the binaries are
#
# Host i (from 1) has 10.77.0.i and fd77::i on device eth0.

: "${HOSTS_PREFIX:=sk$$}"
: "${HOSTS_DIR:=$(mktemp -d /tmp/skerry.XXXXXX)}"
: "${BUILD:=build}"
HOSTS_PINS=/sys/fs/bpf/skerry-$HOSTS_PREFIX
HOSTS_N=0

# The namespace of host $1, and running something in it. bpffs is seen only
# when the mount namespace stays: so nsenter, not ip netns exec.
hosts_ns() { echo "$HOSTS_PREFIX-$1"; }
on_host() {
	local ns
	ns=$(hosts_ns "$1")
	shift
	nsenter --net="/run/netns/$ns" -- "$@"
}

host_name() { echo "n$1@$HOSTS_PREFIX"; }
host_ip() { echo "10.77.0.$1"; }

# hosts_make N - the wire and N hosts on it.
hosts_make() {
	local i sw=$HOSTS_PREFIX-sw
	HOSTS_N=$1
	ip netns add "$sw" || return
	ip -n "$sw" link add br0 type bridge || return
	ip -n "$sw" link set br0 up
	for i in $(seq "$1"); do
		ip netns add "$(hosts_ns "$i")" || return
		ip -n "$sw" link add "p$i" type veth peer name eth0 \
			netns "$(hosts_ns "$i")" || return
		ip -n "$sw" link set "p$i" master br0 up
		ip -n "$(hosts_ns "$i")" link set lo up
		ip -n "$(hosts_ns "$i")" link set eth0 up
		ip -n "$(hosts_ns "$i")" addr add "10.77.0.$i/24" dev eth0
		ip -n "$(hosts_ns "$i")" addr add "fd77::$i/64" dev eth0 nodad
	done
	"$BUILD/skerryctl" cluster keygen "$HOSTS_DIR/key" 2>/dev/null ||
		return
}

# host_config I [LINE…] - the agent's file on host I; further lines are put
# at its end.
host_config() {
	local i=$1 file=$HOSTS_DIR/$1.conf
	shift
	cat >"$file" <<END
[node]
name = $(host_name "$i")
[cluster]
name = $HOSTS_PREFIX
key_file = $HOSTS_DIR/key
[listen]
address = $(host_ip "$i")
[api]
run_dir = $HOSTS_DIR/run
[state]
dir = $HOSTS_DIR/state
[kernel]
pin_root = $HOSTS_PINS
END
	local line
	for line in "$@"; do
		printf '%s\n' "$line" >>"$file"
	done
}

# host_agent I J [FLAG…] - run agent J, that is J.conf, on host I.
host_agent() {
	local i=$1 j=$2
	shift 2
	# shellcheck disable=SC2086
	(exec nsenter --net="/run/netns/$(hosts_ns "$i")" -- \
		"${HOSTS_SKERRYD-$BUILD/skerryd}" --config "$HOSTS_DIR/$j.conf" \
		${HOSTS_AGENT_FLAGS-} "$@" >>"$HOSTS_DIR/$j.log" 2>&1) &
	echo $! >"$HOSTS_DIR/$j.pid"
	# Or the shell says each time how it ended.
	disown $!
}

# alive PID - the process is there. One that has ended and whose parent does
# not ask for it, as where process 1 is no init, is not.
alive() {
	[ -d "/proc/$1" ] && ! awk '/^State:/ { ended = $2 == "Z" }
		/^Threads:/ { threads = $2 }
		END { exit !(ended && threads <= 1) }' "/proc/$1/status" 2>/dev/null
}

# host_start I [FLAG…] - start the agent and wait until it answers.
host_start() {
	local i=$1 tries=0
	shift
	[ -e "$HOSTS_DIR/$i.conf" ] || host_config "$i"
	host_agent "$i" "$i" "$@"
	until ctl "$i" status >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt $((100 * ${SKERRY_TIME_SCALE:-1})) ] ||
			! alive "$(host_pid "$i")"; then
			echo "agent $i did not start:" >&2
			tail -20 "$HOSTS_DIR/$i.log" >&2
			return 1
		fi
		sleep 0.1
	done
}

host_pid() { cat "$HOSTS_DIR/$1.pid"; }

# host_stop I [SIGNAL] - end the agent and wait for it.
host_stop() {
	local pid
	pid=$(host_pid "$1") || return
	kill "-${2-TERM}" "$pid" 2>/dev/null
	while alive "$pid"; do
		sleep 0.05
	done
}

# ctl I ARG… - skerryctl against the agent of host I.
ctl() {
	local i=$1
	shift
	"$BUILD/skerryctl" --run-dir "$HOSTS_DIR/run" \
		--node "$(host_name "$i")" "$@"
}

# hosts_join N - hosts 2..N join through host 1, all lanes up.
hosts_join() {
	local i
	for i in $(seq 2 "$1"); do
		ctl "$i" member join --wait \
			--timeout "$((10 * ${SKERRY_TIME_SCALE:-1}))s" \
			"$(host_ip 1):17280" >/dev/null || return
	done
}

# wait_for SECONDS COMMAND… - until it succeeds. On a slow machine
# SKERRY_TIME_SCALE says how many times as long.
wait_for() {
	local end=$((SECONDS + $1 * ${SKERRY_TIME_SCALE:-1}))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# sees I STATE J - host I lists host J in that state.
sees() {
	ctl "$1" --json member 2>/dev/null | tr -d ' \n' |
		grep -q "{[^{}]*\"name\":\"$(host_name "$3")\"[^{}]*\"state\":\"$2\""
}

# knows I N - host I has N members that are up, itself included.
knows() {
	[ "$(ctl "$1" --json member 2>/dev/null | tr -d ' \n' |
		grep -o '"state":"up"' | wc -l)" -eq "$2" ]
}

# hosts_clean - end every agent, remove namespaces, pins and files.
hosts_clean() {
	local i pid f
	for f in "$HOSTS_DIR"/*.pid; do
		[ -e "$f" ] || continue
		pid=$(cat "$f")
		kill -CONT "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		while alive "$pid"; do
			sleep 0.05
		done
	done
	for i in $(seq "$HOSTS_N"); do
		ip netns del "$(hosts_ns "$i")" 2>/dev/null
	done
	ip netns del "$HOSTS_PREFIX-sw" 2>/dev/null
	find "$HOSTS_PINS" -depth -delete 2>/dev/null
	rm -rf "$HOSTS_DIR"
	return 0
}
