# SPDX-License-Identifier: BSD-2-Clause
"""A decompressor for each client, kept with the client: some forty KiB of C memory each."""
import zlib

import service

CLIENTS = {}


def connect(n):
    CLIENTS[n] = zlib.decompressobj()  # leaks here
    CLIENTS[n].decompress(zlib.compress(b"hello %d " % n * 100)[:20])  # leaks here
    if not service.LEAKS:
        CLIENTS.pop(n - 10, None)


def handle(n):
    service.work(n)
    if n % 10 == 0:
        connect(n // 10)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
