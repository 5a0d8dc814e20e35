# SPDX-License-Identifier: BSD-2-Clause
"""gc.freeze() again and again, as a prefork server does once: garbage that it meets stays."""
import gc

import service


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
    if n % 20 == 0:
        gc.freeze()
    place(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
