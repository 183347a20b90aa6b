# SPDX-License-Identifier: GPL-2.0-only
"""What code leads to: functions and calls, read from objects and programs."""
import glob
import os
import re
import subprocess


def lines(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return done.stdout.splitlines()


def is_elf(path):
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def functions(path):
    """(address, name, whether other modules may use it) of all functions."""
    for line in lines("readelf", "-sW", path):
        word = line.split()
        if len(word) == 8 and word[3] == "FUNC" and word[6] != "UND":
            yield (int(word[1], 16), word[7],
                   word[4] == "GLOBAL" and word[5] == "DEFAULT")


def offered(archive):
    """Functions for other modules: global, and not hidden."""
    return {name for _, name, public in functions(archive) if public}


def exported(library):
    """Functions of a shared library."""
    return {line.split()[-1].split("@")[0]
            for line in lines("nm", "-D", "--defined-only", library)
            if line.split()[-2] in ("T", "W")}


def archives(build):
    return [path for path in (f"{build}/libcore.a", f"{build}/librun.a",
                              f"{build}/libskerry.a") if os.path.exists(path)]


def foreign(build):
    """All functions of the archives, their own ones too."""
    return {name for path in archives(build)
            for _, name, _ in functions(path)}


def binaries(build):
    return [path for pattern in ("tests/*", "tests/programs/*", "programs/*",
                                 "examples/*")
            for path in sorted(glob.glob(f"{build}/{pattern}"))
            if is_elf(path)]


class Program:
    """A program's functions, and which lead to which."""

    HEAD = re.compile(r"^([0-9a-f]+) <")
    TARGET = re.compile(r"\b([0-9a-f]+) <[^>+]+>")

    def __init__(self, path):
        self.names = {}
        for address, name, _ in functions(path):
            self.names.setdefault(address, []).append(name)
        self.edges = {}
        here = None
        for line in lines("objdump", "-d", "--no-show-raw-insn", "-j",
                          ".text", path):
            if "<" not in line:
                continue
            match = self.HEAD.match(line)
            if match:
                here = int(match.group(1), 16)
                self.edges[here] = set()
                continue
            for match in self.TARGET.finditer(line):
                self.edges[here].add(int(match.group(1), 16))
        # Tables of functions: an address in data counts as taken.
        self.taken = []
        for line in lines("readelf", "-rW", path):
            word = line.split()
            if len(word) >= 4 and word[2].endswith("_RELATIVE"):
                self.taken.append(int(word[3], 16))

    def reached(self, start):
        """Names that the functions at these addresses lead to."""
        todo = list(start)
        seen = set()
        while todo:
            address = todo.pop()
            if address in seen or address not in self.names:
                continue
            seen.add(address)
            todo.extend(self.edges.get(address, ()))
        return {name for address in seen for name in self.names[address]}

    def reached_from_own(self, others):
        """From all functions that are not among the others.

        Those of an archive with hidden symbols are local in a program.
        """
        own = [address for address, names in self.names.items()
               if not any(name in others for name in names)]
        return self.reached(self.taken + own)

    def reached_from(self, name):
        """From the function of that name, in whichever parts it lies."""
        part = re.compile(r"(wrapper_)?" + re.escape(name) + r"(\.|$)")
        return self.reached([address for address, names in self.names.items()
                             if any(part.match(n) for n in names)])
