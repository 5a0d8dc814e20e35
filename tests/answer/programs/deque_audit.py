# SPDX-License-Identifier: BSD-2-Clause
"""An audit log in memory: a deque whose bound was forgotten."""
import collections

import service


class Audit:
    def __init__(self, limit):
        self.events = collections.deque(maxlen=limit)

    def record(self, n, answer):
        self.events.append(("request %d" % n, answer["title"]))  # leaks here


AUDIT = Audit(None if service.LEAKS else 100)


def handle(n):
    AUDIT.record(n, service.work(n))


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
