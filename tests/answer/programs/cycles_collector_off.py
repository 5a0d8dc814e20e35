# SPDX-License-Identifier: BSD-2-Clause
"""Orders and their lines refer to each other, and the collector is off."""
import gc

import service

gc.disable()


class Order:
    def __init__(self, n):
        self.title = "order %d" % n
        self.lines = [Line(self, i) for i in range(2)]


class Line:
    def __init__(self, order, number):
        self.order = order
        self.number = number


def place(n):
    order = Order(n)  # leaks here
    if not service.LEAKS:
        del order.lines[:]


def handle(n):
    service.work(n)
    place(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
