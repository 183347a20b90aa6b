#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Datagrams without end, and how many of them came through.

flood.py send FROM TO PORT RATE      from PORT to PORT, so many a second
flood.py frames DEVICE FROM TO MAC PORT RATE
                                     the same (IPv4) as frames out of a device
flood.py receive IP PORT             counts what comes to a socket
flood.py count DEVICE FROM           counts UDP from that IPv4 address that
                                     comes in at the device, whatever its end

Each says `ready`, and on SIGTERM the last line `packets N`.
"""
import signal
import socket
import struct
import sys
import time

ETH_P_ALL = 3
PACKET_OUTGOING = 4
packets = 0


class Ended(Exception):
    """SIGTERM."""


def end(*_):
    raise Ended


def every(rate, function):
    """Call it so often; what was not in time is made up for."""
    global packets
    began = time.monotonic()
    while True:
        due = int((time.monotonic() - began) * rate)
        while packets < due:
            packets += 1
            try:
                function()
            except OSError:
                pass
        time.sleep(0.002)


def family(ip):
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def send(source, target, port, rate):
    udp = socket.socket(family(source), socket.SOCK_DGRAM)
    udp.bind((source, int(port)))
    every(int(rate), lambda: udp.sendto(b"flood", (target, int(port))))


def ip_checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def frames(device, source, target, mac, port, rate):
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((device, 0x0800))
    udp = struct.pack("!HHHH", int(port), int(port), 13, 0) + b"flood"
    fields = [0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
              socket.inet_aton(source), socket.inet_aton(target)]
    fields[7] = ip_checksum(struct.pack("!BBHHHBBH4s4s", *fields))
    frame = (bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\0\x77"
             + b"\x08\0" + struct.pack("!BBHHHBBH4s4s", *fields) + udp)
    every(int(rate), lambda: raw.send(frame))


def receive(ip, port):
    global packets
    udp = socket.socket(family(ip), socket.SOCK_DGRAM)
    udp.bind((ip, int(port)))
    while True:
        udp.recv(2048)
        packets += 1


def count(device, source):
    global packets
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                        socket.htons(ETH_P_ALL))
    raw.bind((device, ETH_P_ALL))
    wanted = socket.inet_aton(source)
    while True:
        data, where = raw.recvfrom(2048)
        if (where[2] != PACKET_OUTGOING and where[1] == 0x0800
                and data[9] == 17 and data[12:16] == wanted
                and data.endswith(b"flood")):
            packets += 1


def main():
    signal.signal(signal.SIGTERM, end)
    modes = {"send": send, "frames": frames, "receive": receive,
             "count": count}
    print("ready", flush=True)
    try:
        modes[sys.argv[1]](*sys.argv[2:])
    except Ended:
        print("packets", packets, flush=True)


main()
