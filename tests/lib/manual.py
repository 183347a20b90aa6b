# SPDX-License-Identifier: GPL-2.0-only
"""What manual.sh looks at: pages and README against the header and programs.

Each check yields what is wrong, a line each; TAP comes out.
"""
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = sys.argv[1]

# Pages of other packages that ours refer to.
FOREIGN = {"bpftool(8)", "connect(2)", "errno(3)", "poll(2)"}


def read(path):
    with open(path) as file:
        return file.read()


def output(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.stdout


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


def uncommented(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


PAGES = {os.path.basename(path): read(path)
         for path in glob.glob("tools/man/*.[1-8]")}
THREE = PAGES.get("skerry.3", "")
CONF = PAGES.get("skerry.conf.5", "")
README = read("README.md")
HEADER = uncommented(read("include/skerry/skerry.h"))
WORDS = {word for path in glob.glob("include/skerry/*.h")
         for word in re.findall(r"\w+", uncommented(read(path)))}
CALLS = {name: (one_line(kind), one_line(arguments))
         for kind, name, arguments in re.findall(
             r"SKERRY_API\s([^;(]*?)\b(skerry_\w+)\s*\(([^;]*?)\);", HEADER)}
CALLBACKS = {name: (one_line(kind), one_line(arguments))
             for kind, name, arguments in re.findall(
                 r"typedef\s([^;(]*?)\b(skerry_\w+_fn)\s*\(([^;]*?)\);",
                 HEADER)}


# ---- links ------------------------------------------------------------------


def dead_links():
    unused = set(FOREIGN)
    for page, text in PAGES.items():
        for name, section in re.findall(r"^\.Xr ([\w.-]+) (\d)", text, re.M):
            link = f"{name}({section})"
            unused.discard(link)
            if f"{name}.{section}" not in PAGES and link not in FOREIGN:
                yield f"{page}: {link} does not exist"
        titles = set(re.findall(r"^\.S[hs] (.*)", text, re.M))
        for title in re.findall(r"^\.Sx (.*?)(?: [.,;)]+)?$", text, re.M):
            if title not in titles:
                yield f"{page}: no section {title}"
    for link in unused:
        yield f"{link}: no page refers to it any more"


def lonely_pages():
    for page in PAGES:
        name, section = page.rsplit(".", 1)
        if not any(re.search(rf"^\.Xr {re.escape(name)} {section}\b", text,
                             re.M)
                   for other, text in PAGES.items() if other != page):
            yield f"no other page refers to {name}({section})"
        if f"{name}({section})" not in README:
            yield f"README.md does not name {name}({section})"


# ---- skerry(3) --------------------------------------------------------------


def sections_of_calls():
    there = set()
    for title in re.findall(r"^\.Ss (skerry_.*)", THREE, re.M):
        there.update(re.findall(r"skerry_\w+", title))
    for call in CALLS.keys() - there:
        yield f"{call} has no section in skerry(3)"
    for call in there - CALLS.keys():
        yield f"skerry(3) has a section on {call}, which is no call"


def prototype_lines():
    """(result, name, arguments) of those that the page shows in full."""
    for kind, name, rest in re.findall(
            r"^\.Ft (.*)\n\.Fn (skerry_\w+) (.*)", THREE, re.M):
        words = re.findall(r"\"([^\"]*)\"|(\S+)", rest)
        yield kind.strip('"'), name, ", ".join(a or b for a, b in words)


def prototypes():
    wanted = CALLS | CALLBACKS
    shown = {}
    for kind, name, arguments in prototype_lines():
        shown[name] = (kind, arguments)
    for name, (kind, arguments) in wanted.items():
        if name not in shown:
            yield f"{name} has no prototype"
        elif shown[name] != (kind, arguments):
            yield f"{name}: {kind} ({arguments})"
    for name in shown.keys() - wanted.keys():
        yield f"{name} is not in the header"


def definitions(text):
    return {name: one_line(uncommented(body)) for body, name in re.findall(
        r"^((?:struct|enum) (skerry_\w+) \{.*?^\};)", text, re.S | re.M)}


def structs():
    wanted = definitions(HEADER)
    shown = definitions(re.sub(r"\\e", r"\\", THREE))
    for name in wanted.keys() - shown.keys():
        yield f"{name} is not shown"
    for name in shown.keys() - wanted.keys():
        yield f"{name} is not in the header"
    for name in wanted.keys() & shown.keys():
        if wanted[name] != shown[name]:
            yield f"{name} is not as in the header"
    for flag in re.findall(r"#define (SKERRY_(?!(?:H|API)\b)\w+)", HEADER):
        if not re.search(rf"\b{flag}\b", THREE):
            yield f"{flag} is not there"


def strange_names():
    for page, text in PAGES.items():
        for name in re.findall(
                r"^\.(?:Fn|Fo|Dv|Vt|Ft) \"?(?:struct |enum )?([sS][kK]\w+)",
                text, re.M):
            if name not in WORDS:
                yield f"{page}: {name} is not in the headers"


def examples():
    """Each program in the page, as text."""
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", THREE,
                            re.S | re.M):
        if "int main(" in block:
            yield block.replace("\\e", "\\").replace("\\&", "")


def compile_examples():
    count = 0
    with tempfile.TemporaryDirectory() as directory:
        for count, text in enumerate(examples(), 1):
            path = f"{directory}/example{count}.c"
            with open(path, "w") as file:
                file.write(text)
            said = output("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra",
                          "-Wno-unused-parameter", "-Werror", "-Iinclude",
                          path, f"{BUILD}/libskerry.so.0", "-o",
                          f"{directory}/example")
            for line in said.splitlines():
                yield line
    if not count:
        yield "no program is there"


# ---- configuration and the agent's flags ------------------------------------


def documented_keys():
    """Keys of skerry.conf(5), as flags; those of a channel apart."""
    keys, channel, section = set(), set(), None
    for line in CONF.splitlines():
        match = re.match(r"\.Ss Section (\w+)", line)
        if match:
            section = match.group(1)
        elif line.startswith((".Ss", ".Sh")):
            section = None
        match = re.match(r"\.It Ic ([a-z_]+)", line)
        if match and section == "channel":
            channel.add(match.group(1))
        elif match and section:
            keys.add(f"{section}-{match.group(1)}")
    return keys, channel


def keys():
    text = output(f"{BUILD}/skerryd", "--help").partition("Key k of")[2]
    there = set(re.findall(r"^  --([a-z]+-[a-z_]+)  ", text, re.M))
    channel = set(re.findall(r"^  --channel NAME:([a-z_]+)=", text, re.M))
    documented, of_channel = documented_keys()
    if not there or not channel:
        yield "skerryd --help names no key"
    for key in there - documented:
        yield f"{key}: not in skerry.conf(5)"
    for key in documented - there:
        yield f"{key}: in skerry.conf(5), and no key"
    for key in channel ^ of_channel:
        yield f"channel: {key}: on one side only"


def keys_named():
    documented, of_channel = documented_keys()
    for page, text in PAGES.items():
        for section, key in re.findall(
                r"\bIc \[(\w+)(?: [^]]*)?\] ([a-z_]+)", text):
            known = of_channel if section == "channel" else {
                name.partition("-")[2] for name in documented
                if name.startswith(section + "-")}
            if key not in known:
                yield f"{page}: [{section}] {key} is no key"


def agents_flags():
    text = output(f"{BUILD}/skerryd", "--help").partition("Key k of")[0]
    page = flags_of(PAGES.get("skerryd.8", ""))
    there = set(re.findall(r"--([a-z][a-z-]*)", text))
    if not there:
        yield "skerryd --help names no flag"
    for flag in there - page:
        # Those of keys are with their sections.
        if not re.match(r"[a-z]+-[a-z_]+$", flag) or flag in (
                "check-config", "no-kernel"):
            yield f"--{flag} is not in skerryd(8)"


# ---- skerryctl ----------------------------------------------------------------


def flags_of(text):
    """Long flags that mdoc text names."""
    return set(re.findall(r"\bFl -([a-z][a-z-]*)", text)) | set(
        re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


def ctl_sections():
    text = PAGES["skerryctl.1"].partition("\n.Sh COMMANDS")[2]
    text = text.partition("\n.Sh ")[0]
    found = re.split(r"^\.Ss (\w+)\n", text, flags=re.M)
    return dict(zip(found[1::2], found[2::2]))


@functools.lru_cache(maxsize=None)
def ctl_help():
    text = output(f"{BUILD}/skerryctl", "--help")
    nouns = re.findall(r"^  ([a-z]+)  ", text.partition("\nOptions")[0], re.M)
    return text, {noun: output(f"{BUILD}/skerryctl", noun, "--help")
                  for noun in nouns}


def verbs_in_help(noun, text):
    return set(re.findall(rf"skerryctl {noun} ([a-z]+)\b", text))


def verbs_in_page(noun, text):
    return set(re.findall(rf"\bIc {noun} ([a-z]+)\b", text))


def ctl():
    top, helps = ctl_help()
    sections = ctl_sections()
    shared = flags_of(top)
    head = PAGES["skerryctl.1"].partition("\n.Sh COMMANDS")[0]
    if not helps:
        yield "skerryctl --help names no noun"
    for noun in helps.keys() ^ sections.keys():
        yield f"{noun}: on one side only"
    for flag in shared ^ flags_of(head):
        yield f"--{flag}: on one side only"
    for noun in helps.keys() & sections.keys():
        said, page = helps[noun], sections[noun]
        for verb in verbs_in_help(noun, said) ^ verbs_in_page(noun, page):
            yield f"{noun} {verb}: on one side only"
        flags = flags_of(page)
        # Short for partition inject, whose flags are described there.
        if noun == "cut":
            flags |= flags_of(sections["partition"])
        for flag in flags_of(said) - flags - shared:
            yield f"{noun} --{flag}: not in skerryctl(1)"
        for flag in flags_of(page) - flags_of(said) - shared:
            yield f"{noun} --{flag}: in skerryctl(1), and not in its help"


def exit_codes():
    top, _ = ctl_help()
    codes = set(re.findall(r"\b(\d) [a-z]", top.partition("Exit codes")[2]))
    text = PAGES["skerryctl.1"].partition(".Sh EXIT STATUS")[2]
    page = set(re.findall(r"^\.It (\d)$", text.partition("\n.Sh")[0], re.M))
    for code in codes ^ page:
        yield f"{code}: on one side only"


def completion():
    text = read("tools/completion/skerryctl.bash")
    words = set(re.findall(r"[\w-]+", text))
    top, helps = ctl_help()
    for noun, said in helps.items():
        for verb in verbs_in_help(noun, said):
            if verb not in words:
                yield f"{noun} {verb}"
        for flag in flags_of(said):
            if f"--{flag}" not in words:
                yield f"{noun} --{flag}"


# ---- README --------------------------------------------------------------------


def command_lines():
    """Commands of fenced blocks: all of it, or what follows a prompt."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", README,
                                  re.S | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            if kind == "console":
                if not line.startswith("$ "):
                    continue
                line = line[2:]
            elif kind:
                continue
            line = re.sub(r"\s#\s.*", "", line)
            for part in re.split(r"&&|\||;|\$\(", line):
                yield [word for word in part.split() if word != "sudo"]


def readme_skerryctl(helps, words):
    words = [word for word in words if not re.match(r"\$|SKERRY_", word)]
    noun = next((word for word in words if word in helps), None)
    if noun is None:
        return f"skerryctl {' '.join(words)}: no noun"
    said = helps[noun]
    after = words[words.index(noun) + 1:]
    verbs = verbs_in_help(noun, said)
    if (noun not in ("cut", "heal") and after and verbs and
            re.match(r"[a-z]+$", after[0]) and after[0] not in verbs):
        return f"skerryctl {noun} {after[0]}: no such verb"
    known = flags_of(said) | flags_of(ctl_help()[0])
    for word in words:
        if word.startswith("--") and word[2:].partition("=")[0] not in known:
            return f"skerryctl {noun} {word}: no such flag"
    return None


def readme_commands():
    helps = ctl_help()[1]
    targets = set(re.findall(r"^([a-z][a-z-]*)\b[^:=\n]*:(?!=)",
                             read("Makefile"), re.M))
    asked = set(re.findall(r"`(?:sudo )?make\s+([a-z][a-z-]*)", README))
    seen = 0
    for words in command_lines():
        if words and words[0].startswith("SKERRY_NODE="):
            words = words[1:]
        if words and words[0] == "make":
            asked.update(words[1:2])
        if words and words[0] == "skerryctl":
            seen += 1
            wrong = readme_skerryctl(helps, words[1:])
            if wrong:
                yield wrong
    for target in asked - targets:
        yield f"make {target}: no such target"
    if not seen:
        yield "no command is there"


def anchor(title):
    return re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")


def readme_links():
    anchors = {anchor(title)
               for title in re.findall(r"^#+ (.*)", README, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            if target[1:] not in anchors:
                yield f"{target}: no such heading"
        elif "://" not in target and not os.path.exists(target):
            yield f"{target}: no such file"
    for name, section in re.findall(r"\b(skerry[\w.-]*)\((\d)\)", README):
        if f"{name}.{section}" not in PAGES:
            yield f"{name}({section}): no such page"
    tree = README.partition("## The tree")[2].partition("```\n")[2]
    tree = tree.partition("```")[0]
    folder = ""
    for line in tree.splitlines():
        match = re.match(r"([\w./-]+/|\w+/[\w.-]+) ", line)
        if match:
            folder = match.group(1)
            if not os.path.exists(folder):
                yield f"{folder}: not in the tree"
            line = line[match.end():]
        for name in re.findall(r"\b([\w-]+\.[hc])\b", line):
            if not os.path.exists(folder + name):
                yield f"{folder}{name}: not in the tree"


# ---- skerry-partisan(7) -------------------------------------------------------


def behaviour():
    page = PAGES.get("skerry-partisan.7", "")
    for line in read("tests/behaviour.txt").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        item, call, _ = [word.strip() for word in line.split("|")]
        name = item.partition(" ")[2]
        if name not in page:
            yield f"{name}: not in skerry-partisan(7)"
        if call != "-" and not re.search(rf"\b{call}\b", page):
            yield f"{call}: not in skerry-partisan(7)"


CHECKS = [
    ("no page refers to a page or section that does not exist", dead_links),
    ("every page is found from another, and from README", lonely_pages),
    (f"all {len(CALLS)} calls of skerry.h have their section in skerry(3)",
     sections_of_calls),
    ("prototypes of skerry(3) are those of skerry.h", prototypes),
    ("structs and constants of skerry(3) are those of skerry.h", structs),
    ("no page names a call, type or constant that is not there",
     strange_names),
    ("examples of skerry(3) compile", compile_examples),
    ("skerry.conf(5) has every key, and no other", keys),
    ("no page names a key that is not there", keys_named),
    ("skerryd(8) has every flag of its help", agents_flags),
    ("skerryctl(1) has every noun, verb and flag of its help, and no other",
     ctl),
    ("skerryctl(1) has every exit code", exit_codes),
    ("completion knows every verb and flag", completion),
    ("commands of README are there", readme_commands),
    ("links and paths of README lead somewhere", readme_links),
    ("skerry-partisan(7) has everything that behaviour.txt has", behaviour),
]


def main():
    failed = False
    print(f"1..{len(CHECKS)}")
    for number, (name, check) in enumerate(CHECKS, 1):
        if check is compile_examples and not shutil.which("cc"):
            print(f"ok {number} - {name} # SKIP no compiler")
            continue
        wrong = sorted(set(check()))
        failed = failed or bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        for line in wrong:
            print(f"# {line}")
    return failed


sys.exit(main())
