# SPDX-License-Identifier: BSD-2-Clause
"""Cycles that live for some seconds, so that only the rare collection of the oldest takes them."""
import collections

import service

RECENT = collections.deque(maxlen=1500)


class Page:
    def __init__(self, n):
        self.itself = self
        self.rows = ["row %d of %d" % (i, n) for i in range(5)]


def handle(n):
    service.work(n)
    for i in range(3):
        RECENT.append(Page(3 * n + i))


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
