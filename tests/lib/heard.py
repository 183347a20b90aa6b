#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Who hears whom, by datagrams from block to block.

heard.py IP PORT GO PEER...   binds IP:PORT, says `ready`; when the file GO
                              appears sends to each PEER:PORT, thrice, and
                              prints the addresses it has heard, sorted.
"""
import os
import select
import socket
import sys
import time

ip, port, go, peers = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind((ip, port))
print("ready", flush=True)
while not os.path.exists(go):
    time.sleep(0.01)
heard = set()
end = time.monotonic() + 0.7
sends = [end - 0.7, end - 0.5, end - 0.3]
while time.monotonic() < end:
    if sends and time.monotonic() >= sends[0]:
        sends.pop(0)
        for peer in peers:
            try:
                sock.sendto(b"here", (peer, port))
            except OSError:
                pass  # a cut that tells its senders
    if select.select([sock], [], [], 0.02)[0]:
        try:
            heard.add(sock.recvfrom(64)[1][0])
        except OSError:
            pass
print("heard", *sorted(heard))
