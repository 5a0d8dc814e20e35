# SPDX-License-Identifier: BSD-2-Clause
"""gc.DEBUG_SAVEALL, left over from debugging: the collector keeps what it finds."""
import gc

import service

if service.LEAKS:
    gc.set_debug(gc.DEBUG_SAVEALL)


class Order:
    def __init__(self, n):
        self.title = "order %d" % n
        self.itself = self


def place(n):
    Order(n)  # leaks here


def handle(n):
    service.work(n)
    place(n)
    if n % 100 == 0:
        gc.collect()  # leaks here


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
