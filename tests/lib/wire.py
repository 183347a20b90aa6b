#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a sender sees of a cut, from block to block.

wire.py listen IP PORT           TCP and UDP, counts what comes; on SIGTERM
                                 prints `tcp BYTES` and `udp DATAGRAMS`
wire.py send FROM TO PORT FILE   connects, says `ready`; waits for FILE to
                                 appear, sends for 4 s, prints `error NAME`
                                 for each error of UDP (IP_RECVERR),
                                 `retransmits N`, `backoff N`, `sent TCP UDP`
"""
import errno
import os
import selectors
import signal
import socket
import struct
import sys
import time

IP_RECVERR = 11


def listen(ip, port):
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((ip, port))
    tcp.listen()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((ip, port))
    counts = {"tcp": 0, "udp": 0}

    def report(*_):
        for word, count in counts.items():
            print(word, count)
        sys.stdout.flush()
        os._exit(0)

    signal.signal(signal.SIGTERM, report)
    selector = selectors.DefaultSelector()
    selector.register(tcp, selectors.EVENT_READ)
    selector.register(udp, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select(0.2):
            if key.fileobj is tcp:
                conn, _ = tcp.accept()
                selector.register(conn, selectors.EVENT_READ)
            elif key.fileobj is udp:
                counts["udp"] += 1 if udp.recv(2048) else 0
            else:
                data = key.fileobj.recv(65536)
                counts["tcp"] += len(data)
                if not data:
                    selector.unregister(key.fileobj)


def send(source, target, port, flag):
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((source, port + 1))
    tcp.connect((target, port))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    udp.bind((source, port + 1))
    udp.connect((target, port))
    tcp.sendall(b"x" * 100)
    print("ready", flush=True)
    while not os.path.exists(flag):
        time.sleep(0.02)
    end = time.monotonic() + 4
    n_tcp = n_udp = 0
    while time.monotonic() < end:
        try:
            n_udp += 1 if udp.send(b"datagram") else 0
        except OSError as error:
            print("error", errno.errorcode[error.errno])
        n_tcp += tcp.send(b"y" * 100)
        time.sleep(0.05)
    info = tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    print("backoff", info[4])
    print("retransmits", struct.unpack_from("I", info, 100)[0])
    print("sent", n_tcp + 100, n_udp)
    sys.stdout.flush()
    # The bytes are the kernel's now; wait until they are through or not.
    time.sleep(6)


if sys.argv[1] == "listen":
    listen(sys.argv[2], int(sys.argv[3]))
else:
    send(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
