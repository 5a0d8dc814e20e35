# SPDX-License-Identifier: BSD-2-Clause
"""Hits by address of the client: looking one up makes an entry."""
import collections

import service

HITS = collections.defaultdict(list)


def is_banned(address):
    return len(HITS[address]) > 100  # leaks here


def handle(n):
    service.work(n)
    address = "10.%d.%d.%d" % (n >> 16 & 255, n >> 8 & 255, n & 255)
    is_banned(address)
    if not service.LEAKS:
        del HITS[address]


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
