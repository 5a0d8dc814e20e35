# SPDX-License-Identifier: BSD-2-Clause
"""A function whose results are cached for ever."""
import functools

import service


@functools.lru_cache(maxsize=None if service.LEAKS else 128)
def price(item):
    return {"item": item, "price": "%d.99" % item}  # leaks here


def handle(n):
    service.work(n)
    for i in range(3):
        price(3 * n + i)  # leaks here


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
