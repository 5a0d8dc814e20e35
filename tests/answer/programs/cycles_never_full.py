# SPDX-License-Identifier: BSD-2-Clause
"""The oldest generation is never collected: what survives the others is never looked at again."""
import collections
import gc

import service

gc.set_threshold(200, 5, 1000000)
OPEN = collections.deque(maxlen=500)


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
    OPEN.append(order)


def handle(n):
    service.work(n)
    place(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
