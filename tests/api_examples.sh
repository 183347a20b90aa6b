#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The examples work as their first comments say, are short, and need nothing
# but the installed header and library; the library exports its header's
# functions and nothing else.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-$PWD/build}
dir=$(mktemp -d /tmp/skerry-examples.XXXXXX)
netns=skex$$
pids=()
count=0
failed=0

finish() {
	trap - EXIT
	exec 2>/dev/null # "Killed" is what is asked for
	[ ${#pids[@]} -eq 0 ] || kill -9 "${pids[@]}" 2>/dev/null
	wait 2>/dev/null
	ip netns del $netns 2>/dev/null
	rm -rf "$dir"
	echo "1..$count"
	exit $((failed > 0))
}
trap finish EXIT
# Cut short is not passed.
trap 'failed=1; exit 130' INT TERM

check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@" >"$dir/check" 2>&1; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		sed 's/^/# /' "$dir/check" | head -20
	fi
}
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# ---- as files ---------------------------------------------------------------

for f in tools/examples/*.c; do
	check "${f##*/}: 60 lines at most" test "$(wc -l <"$f")" -le 60
done
declared() {
	grep -oE '\bskerry_[a-z_]+\(' include/skerry/skerry.h | tr -d '(' |
		grep -vE '_fn$' | sort -u
}
exported() {
	nm -D --defined-only "$build/libskerry.so.0" |
		sed -n 's/.* T \(.*\)@@SKERRY_0$/\1/p' | sort -u
}
all_exported() {
	nm -D --defined-only "$build/libskerry.so.0" | grep -c ' [TDBR] '
}
declared >"$dir/declared"
exported >"$dir/exported"
check "exported: what the header declares" diff "$dir/declared" "$dir/exported"
check "exported: nothing else" test "$(all_exported)" -eq \
	"$(wc -l <"$dir/exported")"

# As a user would: from an installation, with pkg-config.
prefix=$dir/prefix
mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
sed -e "s|^prefix=.*|prefix=$prefix|" -e "s|^libdir=.*|libdir=$prefix/lib|" \
	"$build/skerry.pc" \
	>"$prefix/lib/pkgconfig/skerry.pc"
cp -r include/skerry "$prefix/include/"
cp "$build/libskerry.so.0" "$prefix/lib/"
ln -s libskerry.so.0 "$prefix/lib/libskerry.so"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
compile() {
	# shellcheck disable=SC2046
	gcc -std=c99 -pedantic -D_GNU_SOURCE -Wall -Wextra \
		-Wno-unused-parameter -Werror "tools/examples/$1.c" \
		-o "$dir/$1" $(pkg-config --cflags --libs skerry)
}
for e in echo ask members cut; do
	check "$e: builds with pkg-config, C99" compile $e
done
export LD_LIBRARY_PATH=$prefix/lib

# ---- running ------------------------------------------------------------------

make_netns() { ip netns add $netns && ip -n $netns link set lo up; }
check "a network namespace" make_netns
[ $failed -eq 0 ] || exit 1
agent() { # NAME PORT
	nsenter --net=/run/netns/$netns "$build/skerryd" --config /dev/null --node-name "$1" \
		--listen-port "$2" --listen-address 127.0.0.1 --no-kernel \
		--api-run_dir "$dir/run" --state-dir "$dir/state" \
		"${@:3}" >>"$dir/$1.log" 2>&1 &
	pids+=($!)
}
mkdir -p "$dir/state"
agent one 17280
agent two 17408 --join-contact 127.0.0.1:17280
export SKERRY_RUN_DIR=$dir/run
as() { # NODE COMMAND...
	SKERRY_NODE=$1 timeout 20 "${@:2}"
}
sees_both() { as one "$dir/members" 1 | grep -q '^two'; }
check "two agents, joined" wait_for 10 sees_both

SKERRY_NODE=one "$dir/echo" serve >"$dir/serve" 2>&1 &
pids+=($!)
answered() { [ "$(as two "$dir/echo" one "$1")" = "$1" ]; }
check "echo: answers from the other node" wait_for 5 answered hello
check "echo: a longer text" answered "$(printf 'word %.0s' {1..100})"
unknown() { ! as two "$dir/echo" three hello 2>"$dir/err"; }
check "echo: an unknown node" unknown
check "echo: and says so" grep -q 'three' "$dir/err"

SKERRY_NODE=one "$dir/ask" serve >"$dir/serve" 2>&1 &
asked=$!
pids+=("$asked")
replied() { [ "$(as two "$dir/ask" one "$1")" = "$2" ]; }
check "ask: answers from the other node" wait_for 5 replied hello HELLO
nobody() { ! as two "$dir/ask" three hello 2>"$dir/err"; }
check "ask: an unknown node" nobody
kill "$asked"
wait "$asked" 2>/dev/null

SKERRY_NODE=two "$dir/members" 25 >"$dir/follow" 2>&1 &
pids+=($!)
check "members: lists this node" wait_for 5 \
	grep -qx 'two (this node)' "$dir/follow"
check "members: the other is up" wait_for 5 grep -q '^one is up' "$dir/follow"
SKERRY_NODE=two "$dir/cut" one 5 >"$dir/cut.out" 2>&1 &
cutter=$!
pids+=($!)
check "cut: says so" wait_for 5 grep -q '^one is cut off; 0 did' "$dir/cut.out"
check "members: the other goes down" wait_for 8 \
	grep -q '^one is down' "$dir/follow"
check "cut: ends well" wait $cutter
check "cut: healed" grep -q '^healed; 0 did' "$dir/cut.out"
ups() { [ "$(grep -c '^one is up' "$dir/follow")" -ge 2 ]; }
check "members: the other is up again" wait_for 15 ups
check "echo: answers again" wait_for 10 answered again
