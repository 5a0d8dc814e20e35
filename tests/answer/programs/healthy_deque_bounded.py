# SPDX-License-Identifier: BSD-2-Clause
"""The last five thousand events, in a deque that has a bound."""
import collections

import service

EVENTS = collections.deque(maxlen=5000)


def handle(n):
    EVENTS.append({"event": n, "title": service.work(n)["title"]})
    EVENTS.append({"event": -n, "title": "done %d" % n})


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
