#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A second reader of Skerry's formats, written from skerry-wire(7) alone.

wire-decode.py KIND FILE [--key HEX]
wire-decode.py each FILE... [--key HEX]
wire-decode.py proofs DIALLER ACCEPTOR --key HEX

KIND: lane (preamble and frames), datagram, ring (records), tlv, or one of
the structures of the attach exchange: attach attached offer mapping slot.
Prints what is there; exit 1 and `malformed: WHY` when it cannot be. `each`
takes the kind from the file's name, KIND-NAME.bin, and writes beside it what
it finds, to KIND-NAME.out.

`proofs` reads both sides' bytes of a handshake and checks the proofs with
the key. With --key the MAC of a datagram is checked.
"""
import argparse
import contextlib
import hashlib
import hmac
import ipaddress
import pathlib
import struct
import sys

KEYS = """
1 version u64, 2 version_min u64, 3 version_max u64, 4 nonce bytes,
5 proof bytes, 6 details nest, 7 error s64, 8 reason str, 9 cluster str,
10 expected_name str, 11 features_offered u64, 12 features_required u64,
13 lane u64, 14 generation u64, 15 channel str, 16 takeover bool,
20 spec nest, 21 name str, 22 incarnation u64, 23 boot_nonce u64,
24 spec_version u64, 25 addresses addr*, 26 port_block u64, 27 tags str*,
28 overlay str, 29 overlay_digest u64, 30 channels nest*,
31 parallelism u64, 32 monotonic bool, 33 compression bool,
34 priority u64, 35 transport str, 36 state str, 37 source str,
38 self bool, 39 members nest*, 40 removed bool, 41 knows str*,
42 digest u64, 43 since time, 44 machine_id id, 45 pending bool,
46 left bool, 60 heard_sequence u64, 61 heard_age_ms u64, 62 echo_us u64,
63 round_trip_us u64, 70 program id, 71 flow_id u64, 72 endpoint str,
73 want_bytes u64, 74 total_bytes u64, 75 slot u64, 76 next_sequence u64,
77 node str, 78 partition_key u64, 79 fast_id u64, 80 fast_source addr,
81 fast_target addr, 82 clock bytes, 83 causal nest, 84 trace bytes,
85 mtu_bytes u64, 100 reference id, 101 origin str, 102 shape str,
103 ttl u64, 104 duration_ms u64, 105 remaining_ms u64,
106 visibility str, 107 scope str, 108 components nest*,
109 participants str*, 110 missing str*, 111 resolved bool,
112 force bool, 113 local_only bool, 114 seen_packets u64,
115 dropped_packets u64, 116 leaked_packets u64, 117 dropped_bytes u64,
118 entries nest*, 119 kind str, 120 chunk u64, 121 chunks u64,
122 blob bytes, 123 one_way bool, 124 rule u64, 125 direction str,
126 first_drop time, 127 last_drop time, 128 by_lease bool, 129 uid u64,
130 pid u64, 131 why str, 132 all bool, 150 rows nest*, 151 query str,
152 watch u64, 153 count u64, 154 up bool, 155 time time, 156 event str,
157 wait bool, 158 timeout_ms u64, 159 join_address str,
160 features str*, 161 supported bool, 162 local_address addr,
163 remote_address addr, 164 sent_bytes u64, 165 received_bytes u64,
166 sent_messages u64, 167 received_messages u64, 168 queued_bytes u64,
169 program_name str, 170 lanes_up u64, 171 lanes_wanted u64, 172 key str,
173 value str, 174 limit u64, 175 skerry_version str, 176 uptime_ms u64,
177 device str, 178 hook str, 179 dropped_messages u64, 180 cast bool,
181 known bool, 182 wall_us u64, 183 dialled bool, 184 refused u64,
185 pins str, 186 from_sequence u64, 187 to_sequence u64,
188 retransmits u64, 189 persist_format u64, 190 free_from u64,
240 plain_bytes u64, 241 packed_bytes u64,
242 unreadable_messages u64, 243 superseded_messages u64,
244 receiver_features u64, 245 any_lane bool,
"""

LANE_TYPES = {
    0x01: "HELLO", 0x02: "CHALLENGE", 0x03: "PROOF", 0x04: "WELCOME",
    0x05: "REFUSE", 0x06: "DUPLICATE", 0x07: "READY",
    0x10: "FLOW_OPEN", 0x11: "FLOW_REFUSE", 0x12: "FLOW_CLOSE",
    0x13: "DATA", 0x14: "CREDIT", 0x15: "ACK", 0x16: "RESUME", 0x17: "SKIP",
    0x20: "DRAIN", 0x21: "DRAINED", 0x28: "PING", 0x29: "PONG",
    0x30: "OVERLAY", 0x31: "MEMBER", 0x32: "PARTITION", 0x33: "RELAY",
    0x34: "BCAST", 0x3f: "ERROR",
}
RING_TYPES = {
    0x13: "DATA", 0x80: "WANT", 0x81: "SYNC", 0x82: "CLOSE",
    0x88: "INFLOW", 0x89: "INFLOW_GONE", 0x8a: "INFLOW_SKIP",
    0x90: "COMMAND", 0x91: "ANSWER", 0x92: "EVENT", 0x93: "OFFER",
    0x94: "DETACH",
}
# What follows the header: fields, bytes of the owner's, or nothing.
FIELDS = {
    "HELLO", "CHALLENGE", "PROOF", "WELCOME", "REFUSE", "DUPLICATE",
    "FLOW_OPEN", "FLOW_REFUSE", "RESUME", "MEMBER", "PARTITION", "ERROR",
    "INFLOW", "COMMAND", "ANSWER", "EVENT", "DETACH",
}
RECEIVES = {1: "EXTENSIONS", 2: "PACKED"}
BYTES = {"DATA", "OVERLAY", "RELAY", "BCAST"}
DATAGRAM_TYPES = {1: "FAST", 2: "HEARTBEAT", 3: "PARTITION", 4: "NONCE"}
COMMANDS = {
    1: "JOIN", 2: "JOIN_WAIT", 3: "LEAVE", 4: "REMOVE", 5: "WATCH",
    6: "UNWATCH", 7: "WATCH_ACK", 8: "INJECT", 9: "RESOLVE", 10: "QUERY",
    11: "FOLLOW", 32: "REGISTER", 33: "UNREGISTER", 34: "FLOW_OPEN",
    35: "FLOW_CLOSE", 36: "CHANNEL", 37: "FRONTIER", 38: "DATA_QUERY",
}
CREDIT_KINDS = {1: "WANT", 2: "GRANT", 3: "REVOKE", 4: "KEPT"}
SLOT_STATES = {0: "FREE", 1: "OPENING", 2: "OPEN", 3: "DOWN", 4: "CLOSED"}

PREAMBLE = b"SKERRY\0\1"
FRAME_MAX = 64 * 1024 + 4096
RING_MAGIC = 0x474E4952594B5321
DGRAM_MAGIC = 0x5B53
CRITICAL = 0x8000
NEST_MAX = 8


class Malformed(Exception):
    pass


def key_table():
    table = {}
    for entry in KEYS.replace("\n", " ").split(","):
        if entry.strip():
            number, name, kind = entry.split()
            table[int(number)] = (name, kind.rstrip("*"))
    return table


KEY = key_table()


def text_of(data):
    if 0 in data:
        raise Malformed("NUL inside a string")
    try:
        return '"' + data.decode("utf-8") + '"'
    except UnicodeDecodeError as error:
        raise Malformed("string is not UTF-8") from error


def address_of(data):
    address = ipaddress.IPv6Address(data[:16])
    port = struct.unpack("<H", data[16:])[0]
    if address.ipv4_mapped:
        return f"{address.ipv4_mapped}:{port}"
    return f"[{address}]:{port}"


SIZES = {"u64": 8, "s64": 8, "time": 8, "bool": 1, "id": 16, "addr": 18}


def value_of(kind, data):
    if kind in SIZES and len(data) != SIZES[kind]:
        raise Malformed(f"{kind} of {len(data)} bytes")
    if kind in ("u64", "time"):
        return str(struct.unpack("<Q", data)[0])
    if kind == "s64":
        return str(struct.unpack("<q", data)[0])
    if kind == "bool":
        if data[0] > 1:
            raise Malformed("bool above 1")
        return "true" if data[0] else "false"
    if kind == "addr":
        return address_of(data)
    if kind == "str":
        return text_of(data)
    return data.hex() or "(empty)"


def split_fields(data):
    """(offset of the field, key with critical bit, value) one by one."""
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise Malformed("field cut off")
        key, length = struct.unpack_from("<HH", data, at)
        if len(data) - at - 4 < length:
            raise Malformed("field longer than what holds it")
        yield at, key, data[at + 4 : at + 4 + length]
        at += 4 + length


def print_fields(data, indent, depth=0):
    if depth > NEST_MAX:
        raise Malformed("fields nested too deep")
    for _, key, value in split_fields(data):
        name, kind = KEY.get(key & ~CRITICAL, (None, "bytes"))
        if name is None:
            name = f"key-{key & ~CRITICAL}"
        mark = "!" if key & CRITICAL else ""
        if kind == "nest":
            print(f"{indent}{name}{mark}:")
            print_fields(value, indent + "  ", depth + 1)
        else:
            print(f"{indent}{name}{mark}: {value_of(kind, value)}")


def print_bytes(data):
    if len(data) > 64:
        digest = hashlib.sha256(data).hexdigest()
        print(f"  payload: {len(data)} bytes, sha256 {digest}")
    else:
        print(f"  payload: {data.hex() or '(empty)'}")


def flag_words(value, words):
    names = [word for bit, word in words.items() if value & bit]
    rest = value & ~sum(words)
    if rest:
        names.append(f"0x{rest:02x}")
    return "+".join(names) or "0"


def flags_of(name, flags, ring):
    if name == "DATA":
        return flag_words(flags, {1: "MORE", 2: "CONT", 4: "CAST",
                                  8: "PACKED"})
    if name == "CREDIT":
        if flags not in CREDIT_KINDS:
            raise Malformed(f"CREDIT of kind {flags}")
        return CREDIT_KINDS[flags]
    if name == "ANSWER":
        return flag_words(flags, {1: "MORE"})
    return flag_words(flags, {})


def read_header(data, at, most):
    if len(data) - at < 24:
        raise Malformed("header cut off")
    length, kind, flags, header, flow, correlation, sequence = (
        struct.unpack_from("<IBBHIIQ", data, at)
    )
    if length < 24 or length > most:
        raise Malformed(f"length {length}")
    if header < 24 or header > length:
        raise Malformed(f"header length {header}")
    if len(data) - at < length:
        raise Malformed("frame cut off")
    return length, kind, flags, header, flow, correlation, sequence


def print_frame(data, at, types, ring):
    length, kind, flags, header, flow, correlation, sequence = read_header(
        data, at, FRAME_MAX
    )
    name = types.get(kind)
    if name is None:
        if kind < 0x80 or ring:
            raise Malformed(f"unknown type 0x{kind:02x}")
        name = f"IGNORABLE-0x{kind:02x}"
    if name == "COMMAND" and flow in COMMANDS:
        flow = COMMANDS[flow]
    line = f"{name} length={length} header={header}"
    line += f" flags={flags_of(name, flags, ring)} flow={flow}"
    if ring:
        line += f" correlation={correlation}"
    elif correlation:
        raise Malformed("correlation on a lane")
    print(f"{line} sequence={sequence}")
    extensions = data[at + 24 : at + header]
    payload = data[at + header : at + length]
    if extensions:
        print("  extensions:")
        print_fields(extensions, "    ")
    if name in FIELDS:
        print_fields(payload, "  ")
    elif name in BYTES or name.startswith("IGNORABLE"):
        print_bytes(payload)
    elif payload:
        raise Malformed(f"{name} with a payload")
    return length


def print_lane(data, _options):
    at = 0
    if data.startswith(PREAMBLE):
        print("preamble, version 1")
        at = len(PREAMBLE)
    while at < len(data):
        at += print_frame(data, at, LANE_TYPES, False)


def print_ring(data, _options):
    at = 0
    while at < len(data):
        at += print_frame(data, at, RING_TYPES, True)
        if at % 8 and len(data) - at < 8 - at % 8:
            raise Malformed("record not filled up to 8 bytes")
        at += -at % 8


def cluster_mac(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def check_mac(data, header, options):
    """HMAC over all but the MAC, then the sender's name in 64 bytes, its
    incarnation, and the receiver's nonce: the first three fields."""
    fields = list(split_fields(data[header:-16]))
    if [key for _, key, _ in fields[:3]] != [21, 22, 23]:
        raise Malformed("name, incarnation, boot_nonce do not come first")
    name, incarnation, nonce = (value for _, _, value in fields[:3])
    tail = name.ljust(64, b"\0") + incarnation + nonce
    good = cluster_mac(options.key, data[:-16], tail)[:16]
    return "good" if hmac.compare_digest(good, data[-16:]) else "BAD"


def print_datagram(data, options):
    if len(data) < 32:
        raise Malformed("header cut off")
    magic, version, kind, header, flags, ident, flow, reserved, sequence = (
        struct.unpack_from("<HBBHHQIIQ", data)
    )
    if magic != DGRAM_MAGIC or version != 1:
        raise Malformed("not a datagram of version 1")
    if kind not in DATAGRAM_TYPES:
        raise Malformed(f"unknown type {kind}")
    if header < 32 or header > len(data):
        raise Malformed(f"header length {header}")
    name = DATAGRAM_TYPES[kind]
    print(
        f"{name} length={len(data)} header={header} flags={flags}"
        f" id=0x{ident:016x} flow={flow} reserved={reserved}"
        f" sequence={sequence}"
    )
    if header > 32:
        print("  extensions:")
        print_fields(data[32:header], "    ")
    if name == "FAST":
        print_bytes(data[header:])
        return
    if len(data) - header < 16:
        raise Malformed("MAC cut off")
    print_fields(data[header:-16], "  ")
    verdict = f" {check_mac(data, header, options)}" if options.key else ""
    print(f"  mac: {data[-16:].hex()}{verdict}")


def c_string(data):
    if 0 not in data:
        raise Malformed("string without its end")
    return text_of(data[: data.index(0)])


def unpack(form, data, what):
    size = struct.calcsize(form)
    if len(data) != size:
        raise Malformed(f"{what} of {len(data)} bytes, not {size}")
    return struct.unpack(form, data)


def check_magic(magic):
    if magic != RING_MAGIC:
        raise Malformed("wrong magic")


def print_attach(data, _options):
    magic, abi, flags, instance, features, program = unpack(
        "<QII16sQ64s", data, "attach"
    )
    check_magic(magic)
    words = flag_words(flags, {1: "ADMIN", 2: "AGAIN"})
    features = flag_words(features, RECEIVES)
    print(f"attach abi={abi} flags={words} features={features}")
    print(f"  instance: {instance.hex()}\n  program: {c_string(program)}")


def print_attached(data, _options):
    magic, abi, error, features, nonce, size, flags, text = unpack(
        "<QIiQQII256s", data, "attached"
    )
    check_magic(magic)
    words = flag_words(flags, {1: "ADMIN", 2: "AGAIN"})
    print(f"attached abi={abi} error={error} features={features}")
    print(f"  boot_nonce: {nonce}\n  mapping_bytes: {size}")
    print(f"  flags: {words}\n  text: {c_string(text)}")


def print_offer(data, _options):
    magic, kind, channel, size, flags, name = unpack(
        "<QIIII32s", data, "offer"
    )
    check_magic(magic)
    word = {1: "CHANNEL", 2: "FAST"}.get(kind)
    if word is None:
        raise Malformed(f"offer of kind {kind}")
    print(f"offer {word} channel={channel} mapping_bytes={size}")
    words = flag_words(flags, {1: "MONOTONIC", 2: "COMPRESSION"})
    print(f"  flags: {words}\n  name: {c_string(name)}")


def print_mapping(data, _options):
    if len(data) != 832:
        raise Malformed(f"mapping header of {len(data)} bytes, not 832")
    head = struct.unpack_from("<QIIQQIIIIIIII", data)
    check_magic(head[0])
    names = (
        "abi kind features boot_nonce mapping_bytes channel"
        " to_agent.data_offset to_agent.size_bytes"
        " to_program.data_offset to_program.size_bytes slots_offset slots"
    ).split()
    print("mapping")
    for name, value in zip(names, head[1:]):
        print(f"  {name}: {value}")
    later = {
        "agent_ring.tail": (128, "Q"), "agent_ring.head": (192, "Q"),
        "program_ring.tail": (256, "Q"), "program_ring.head": (320, "Q"),
        "agent_sleeps": (384, "I"), "program_sleeps": (448, "I"),
        "busy": (512, "I"), "reassembly_freed_bytes": (576, "Q"),
        "agent_wants_space": (640, "I"), "program_wants_credit": (704, "I"),
        "plain_bytes": (768, "Q"), "packed_bytes": (776, "Q"),
        "unreadable_messages": (784, "Q"), "superseded_messages": (792, "Q"),
        "casts_dropped": (800, "Q"),
    }
    for name, (at, form) in later.items():
        print(f"  {name}: {struct.unpack_from('<' + form, data, at)[0]}")


def print_slot(data, _options):
    (epoch, state, error, lane, lanes, granted, base, expected, large, flags,
     receives, arrived) = unpack("<IIiHHQQQQIIQ", data, "slot")
    if state not in SLOT_STATES:
        raise Malformed(f"slot in state {state}")
    print(f"slot {SLOT_STATES[state]} epoch={epoch} error={error} lane={lane}"
          f" of {lanes}")
    print(f"  granted: {granted}\n  base: {base}\n  expected: {expected}")
    print(f"  large: {large}")
    print(f"  flags: {flag_words(flags, {1: 'UNCERTAIN'})}")
    print(f"  receives: {flag_words(receives, RECEIVES)}")
    print(f"  arrived: {arrived}")


def print_tlv(data, _options):
    print_fields(data, "")


def split_lane(data):
    """The preamble and each frame, as bytes."""
    if not data.startswith(PREAMBLE):
        raise Malformed("no preamble")
    pieces, at = [data[:8]], 8
    while at < len(data):
        length = read_header(data, at, FRAME_MAX)[0]
        pieces.append(data[at : at + length])
        at += length
    return pieces


def proof_of(frame):
    """Where the proof's field begins, and the proof."""
    fields = [f for f in split_fields(frame[24:]) if f[1] == 5]
    if len(fields) != 1:
        raise Malformed("not one proof")
    return 24 + fields[0][0], fields[0][2]


def check_proof(key, name, role, before, frame):
    at, proof = proof_of(frame)
    good = cluster_mac(key, role, before, frame[:at])
    verdict = "good" if hmac.compare_digest(good, proof) else "BAD"
    print(f"{name}: proof {verdict}")
    return verdict == "good"


def check_proofs(dialler, acceptor, key):
    d, a = split_lane(dialler), split_lane(acceptor)
    if [f[4] for f in d[1:]] != [1, 3, 7] or [f[4] for f in a[1:]] != [2, 4]:
        raise Malformed("not a whole handshake")
    acceptor_role, dialler_role = b"skerry acceptor 1", b"skerry dialler 1"
    said = d[0] + d[1] + a[0]
    good = check_proof(key, "CHALLENGE", acceptor_role, said, a[1])
    said += a[1]
    good &= check_proof(key, "PROOF", dialler_role, said, d[2])
    said += d[2]
    good &= check_proof(key, "WELCOME", acceptor_role, said, a[2])
    return 0 if good else 1


KINDS = {
    "lane": print_lane, "datagram": print_datagram, "ring": print_ring,
    "tlv": print_tlv, "attach": print_attach, "attached": print_attached,
    "offer": print_offer, "mapping": print_mapping, "slot": print_slot,
}


def decode(kind, name, options):
    with open(name, "rb") as file:
        data = file.read()
    try:
        KINDS[kind](data, options)
    except Malformed as error:
        print(f"malformed: {error}")
        return 1
    return 0


def decode_each(options):
    for name in options.files:
        path = pathlib.Path(name)
        with open(path.with_suffix(".out"), "w", encoding="utf-8") as out:
            with contextlib.redirect_stdout(out):
                decode(path.name.split("-")[0], path, options)
    return 0


def decode_proofs(options):
    dialler, acceptor = (pathlib.Path(n).read_bytes() for n in options.files)
    try:
        return check_proofs(dialler, acceptor, options.key)
    except Malformed as error:
        print(f"malformed: {error}")
        return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=[*KINDS, "each", "proofs"])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--key", type=bytes.fromhex)
    options = parser.parse_args()
    if options.kind == "each":
        return decode_each(options)
    if options.kind == "proofs":
        if len(options.files) != 2 or not options.key:
            parser.error("proofs needs two files and --key")
        return decode_proofs(options)
    if len(options.files) != 1:
        parser.error("one file")
    return decode(options.kind, options.files[0], options)


if __name__ == "__main__":
    sys.exit(main())
