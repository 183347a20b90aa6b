#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every function that the core or the library offers is reached by some test:
# read from the symbols and the code of the test programs, not from text. A
# function is reached when calls, or addresses that are taken, lead to it from
# a function that is the test's own.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-build}

for tool in python3 objdump readelf nm; do
	if ! command -v $tool >/dev/null; then
		echo "1..0 # SKIP $tool is not installed"
		exit 0
	fi
done

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/lib exec python3 - "$build" <<'END'
import sys

import reach

build = sys.argv[1]
failed = False


def verdict(number, what, missing):
    global failed
    if missing:
        failed = True
        print(f"not ok {number} - {what}")
        for name in sorted(missing):
            print(f"# no test reaches {name}")
    else:
        print(f"ok {number} - {what}")


others = reach.foreign(build)
found = set()
for binary in reach.binaries(build):
    found |= reach.Program(binary).reached_from_own(others)

print("1..2")
core = reach.offered(f"{build}/libcore.a")
verdict(1, f"tests reach all {len(core)} functions of libcore.a",
        core - found if core else {"libcore.a, which is not there"})
library = reach.exported(f"{build}/libskerry.so.0")
verdict(2, f"tests reach all {len(library)} functions of libskerry",
        library - found if library else {"libskerry, which is not there"})
sys.exit(failed)
END
