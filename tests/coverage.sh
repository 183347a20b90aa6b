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

exec python3 - "$build" <<'END'
import glob
import os
import re
import subprocess
import sys

build = sys.argv[1]
failed = False


def lines(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return done.stdout.splitlines()


def is_elf(path):
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def offered(archive):
    """Functions for other modules: global, and not hidden."""
    names = set()
    for line in lines("readelf", "-sW", archive):
        word = line.split()
        if len(word) == 8 and word[3] == "FUNC" and word[4] == "GLOBAL" \
                and word[5] == "DEFAULT" and word[6] != "UND":
            names.add(word[7])
    return names


def defined(archive):
    """All functions of an archive, its own ones too."""
    names = set()
    for line in lines("readelf", "-sW", archive):
        word = line.split()
        if len(word) == 8 and word[3] == "FUNC" and word[6] != "UND":
            names.add(word[7])
    return names


def reached(binary, foreign):
    """Names of functions that the binary's own code leads to.

    Those of an archive with hidden symbols are local in the binary.
    """
    name_of = {}
    for line in lines("readelf", "-sW", binary):
        word = line.split()
        if len(word) == 8 and word[3] == "FUNC" and word[6] != "UND":
            address = int(word[1], 16)
            name_of.setdefault(address, []).append(word[7])
    edges = {}
    here = None
    head = re.compile(r"^([0-9a-f]+) <")
    target = re.compile(r"\b([0-9a-f]+) <[^>+]+>")
    for line in lines("objdump", "-d", "--no-show-raw-insn", "-j", ".text",
                      binary):
        if "<" not in line:
            continue
        match = head.match(line)
        if match:
            here = int(match.group(1), 16)
            edges[here] = set()
            continue
        for match in target.finditer(line):
            edges[here].add(int(match.group(1), 16))
    # Tables of functions: an address in data counts as taken.
    todo = []
    for line in lines("readelf", "-rW", binary):
        word = line.split()
        if len(word) >= 4 and word[2].endswith("_RELATIVE"):
            todo.append(int(word[3], 16))
    for address, names in name_of.items():
        if not any(name in foreign for name in names):
            todo.append(address)
    seen = set()
    while todo:
        address = todo.pop()
        if address in seen or address not in name_of:
            continue
        seen.add(address)
        todo.extend(edges.get(address, ()))
    return {name for address in seen for name in name_of[address]}


def verdict(number, what, missing):
    global failed
    if missing:
        failed = True
        print(f"not ok {number} - {what}")
        for name in sorted(missing):
            print(f"# no test reaches {name}")
    else:
        print(f"ok {number} - {what}")


archives = [path for path in (f"{build}/libcore.a", f"{build}/librun.a",
                              f"{build}/libskerry.a") if os.path.exists(path)]
foreign = set()
for archive in archives:
    foreign |= defined(archive)
binaries = [path for pattern in ("tests/*", "tests/programs/*", "programs/*",
                                 "examples/*")
            for path in sorted(glob.glob(f"{build}/{pattern}"))
            if is_elf(path)]
found = set()
for binary in binaries:
    found |= reached(binary, foreign)

print("1..2")
core = offered(f"{build}/libcore.a")
verdict(1, f"tests reach all {len(core)} functions of libcore.a",
        core - found if core else {"libcore.a, which is not there"})
library = {line.split()[-1].split("@")[0]
           for line in lines("nm", "-D", "--defined-only",
                             f"{build}/libskerry.so.0")
           if line.split()[-2] in ("T", "W")}
verdict(2, f"tests reach all {len(library)} functions of libskerry",
        library - found if library else {"libskerry, which is not there"})
sys.exit(failed)
END
