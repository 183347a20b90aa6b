#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The demo succeeds; with the kernel's part secretly off it fails.
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-$PWD/build}
export HOSTS_PREFIX=tdemo$$
echo 1..3
if tools/demo/run "$build" >"/tmp/$HOSTS_PREFIX.log" 2>&1 &&
	tail -1 "/tmp/$HOSTS_PREFIX.log" | grep -qx 'demo: ok'; then
	echo "ok 1 - the demo ends with demo: ok"
else
	echo "not ok 1 - the demo ends with demo: ok"
	tail -40 "/tmp/$HOSTS_PREFIX.log" | sed 's/^/# /'
fi
if ip netns list | grep -q "$HOSTS_PREFIX"; then
	echo "not ok 2 - it cleans up"
else
	echo "ok 2 - it cleans up"
fi
if HOSTS_AGENT_FLAGS=--no-kernel tools/demo/run "$build" \
	>"/tmp/$HOSTS_PREFIX.log" 2>&1; then
	echo "not ok 3 - it fails when the kernel's part is secretly off"
elif ! grep -q 'FAILED: .*\(kernel\|agent\)' "/tmp/$HOSTS_PREFIX.log"; then
	echo "not ok 3 - it fails when the kernel's part is secretly off"
	echo "# it fails, but for another reason:"
	tail -20 "/tmp/$HOSTS_PREFIX.log" | sed 's/^/# /'
else
	echo "ok 3 - it fails when the kernel's part is secretly off"
	grep FAILED "/tmp/$HOSTS_PREFIX.log" | sed 's/^/# /'
fi
rm -f "/tmp/$HOSTS_PREFIX.log"
