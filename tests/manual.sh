#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The manual pages and the README say what is there, all of it and nothing
# else: every call of the header has its section in skerry(3), every key its
# item in skerry.conf(5), every noun, verb and flag its place; no page refers
# to a page, a call or a key that does not exist; examples compile. That make
# install brings every page, install.sh looks.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-build}

if ! command -v python3 >/dev/null; then
	echo "1..0 # SKIP python3 is not installed"
	exit 0
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 tests/lib/manual.py "$build"
