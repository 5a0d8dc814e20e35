# SPDX-License-Identifier: BSD-2-Clause
"""The last eight thousand events in a deque that has a bound, which takes minutes to be reached."""
import collections

import service

EVENTS = collections.deque(maxlen=8000)


def main():
    for n in service.turns(20):
        EVENTS.append({"event": n, "title": service.work(n)["title"]})


if __name__ == "__main__":
    main()
