#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# behaviour.txt names a call and a test for everything the behaviour has. Here
# is looked whether that is so: the call is in the library, the test is there,
# and its code leads to the call (a script's check: its sentence is there).
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
import os
import re
import sys

import reach

build = sys.argv[1]
# What may be left out, and nothing else.
NOT_YET = {"acknowledgement", "causal order", "relaying"}

library = reach.exported(f"{build}/libskerry.so.0")
with open("include/skerry/skerry.h") as file:
    header = set(re.findall(r"\w+", file.read()))
programs = {}


def wrong_test(call, shown):
    """What is wrong with that test; None: it shows the call."""
    name, _, test = shown.partition(":")
    if not test:
        return "no test is named"
    path = f"tests/{name}"
    if not os.path.exists(path):
        return f"{path} is not there"
    if name.endswith(".sh"):
        with open(path) as file:
            # A sentence may be broken in two lines of the script.
            text = re.sub(r"\s*\\\n\s*", " ", file.read())
        return None if test in text else f"{path} does not say so"
    binary = f"{build}/tests/{name[:-2]}"
    if not os.path.exists(binary):
        return f"{binary} is not built"
    if binary not in programs:
        programs[binary] = reach.Program(binary)
    names = programs[binary].reached_from(test)
    if not names:
        return f"{path} has no test {test}"
    # A type or a constant is no symbol: the test itself is all there is.
    if call in library and call not in names:
        return f"{test} does not lead to {call}"
    return None


rows = []
with open("tests/behaviour.txt") as file:
    for line in file:
        if line.strip() and not line.startswith("#"):
            rows.append([word.strip() for word in line.split("|")])

print(f"1..{len(rows)}")
failed = False
for number, (item, call, shown) in enumerate(rows, 1):
    wrong = None
    if call == "-":
        if shown.lstrip("- ") not in NOT_YET:
            wrong = "left out without a reason that holds"
    elif call not in library and call not in header:
        wrong = f"{call} is not in the library"
    else:
        wrong = wrong_test(call, shown)
    if wrong:
        failed = True
    print(f"{'not ok' if wrong else 'ok'} {number} - {item}: {call}, {shown}")
    if wrong:
        print(f"# {wrong}")
sys.exit(failed)
END
