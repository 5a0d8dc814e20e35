# SPDX-License-Identifier: BSD-2-Clause
"""A cache with a bound, which is reached after some seconds."""
import functools

import service


@functools.lru_cache(maxsize=4000)
def price(item):
    return {"item": item, "price": "%d.99" % item}


def handle(n):
    service.work(n)
    for i in range(2):
        price(2 * n + i)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
