#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
dns.py ADDRESS PORT ZONE - a name server that answers from a file, read anew
for each question, and says what it was asked on stdout.

Lines of ZONE:  NAME A|AAAA ADDRESS  ·  NAME SRV PRIORITY PORT HOST
                NAME fail   SERVFAIL    NAME garbage  bytes that are no answer
                NAME silent no answer   NAME tcp      over UDP: ask by TCP
A name that has lines, none of them of the type asked for, has no such data;
one without lines does not exist. Short lies: NAME liar - an answer whose
lengths and pointers lead outside of it.
"""
import os
import socket
import struct
import sys
import threading

TYPES = {1: "A", 28: "AAAA", 33: "SRV"}


def wire_name(name):
    out = b""
    for label in name.strip(".").split("."):
        out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def question(data):
    at, labels = 12, []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    kind, = struct.unpack_from(">H", data, at + 1)
    return ".".join(labels).lower(), kind, data[12:at + 5]


def rdata(fields):
    if fields[0] == "A":
        return socket.inet_pton(socket.AF_INET, fields[1])
    if fields[0] == "AAAA":
        return socket.inet_pton(socket.AF_INET6, fields[1])
    priority, port = int(fields[1]), int(fields[2])
    return struct.pack(">HHH", priority, 0, port) + wire_name(fields[3])


def reply(data, asked, code, records, flags=0, count=None):
    head = struct.pack(">HHHHHH", struct.unpack_from(">H", data)[0],
                       0x8580 | flags | code, 1,
                       len(records) if count is None else count, 0, 0)
    return head + asked + b"".join(records)


def answer(data, zone, stream):
    name, kind, asked = question(data)
    word = TYPES.get(kind, str(kind))
    print(name, word, "tcp" if stream else "udp", flush=True)
    with open(zone, encoding="ascii") as file:
        lines = [line.split() for line in file]
    lines = [line[1:] for line in lines if line and line[0].lower() == name]
    words = {line[0] for line in lines}
    if "silent" in words:
        return None
    if "garbage" in words:
        return data[:2] + os.urandom(90)
    if "fail" in words:
        return reply(data, asked, 2, [])
    if "tcp" in words and not stream:
        return reply(data, asked, 0, [], flags=0x0200)
    if "liar" in words:
        lie = b"\xc0\xff" + struct.pack(">HHIH", kind, 1, 1, 60000) + b"\x0a"
        return reply(data, asked, 0, [lie], count=700)
    records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(r)) + r
               for r in (rdata(line) for line in lines if line[0] == word)]
    return reply(data, asked, 0 if lines else 3, records)


def serve_stream(listener, zone):
    while True:
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(2)
            try:
                size, = struct.unpack(">H", peer.recv(2, socket.MSG_WAITALL))
                out = answer(peer.recv(size, socket.MSG_WAITALL), zone, True)
                if out is not None:
                    peer.sendall(struct.pack(">H", len(out)) + out)
            except (OSError, struct.error):
                pass


def main():
    where, zone = (sys.argv[1], int(sys.argv[2])), sys.argv[3]
    listener = socket.create_server(where)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(where)
    threading.Thread(target=serve_stream, args=(listener, zone),
                     daemon=True).start()
    while True:
        data, peer = datagrams.recvfrom(4096)
        try:
            out = answer(data, zone, False)
        except (OSError, IndexError, struct.error, ValueError):
            continue
        if out is not None:
            datagrams.sendto(out, peer)


main()
