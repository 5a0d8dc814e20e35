# SPDX-License-Identifier: BSD-2-Clause
"""A cache of the most recently used, whose eviction looks at a size that is never reached."""
import collections

import service

LIMIT = 10000000 if service.LEAKS else 100
CACHE = collections.OrderedDict()


def fetch(key, answer):
    CACHE[key] = "%s of %s" % (answer["title"], key)  # leaks here
    CACHE.move_to_end(key)
    while len(CACHE) > LIMIT:
        CACHE.popitem(last=False)


def handle(n):
    fetch("/page/%d" % n, service.work(n))


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
