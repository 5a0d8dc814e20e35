# SPDX-License-Identifier: BSD-2-Clause
"""Sessions of a shop, which are looked up by number and never expire."""
import service

SESSIONS = {}


class Session:
    def __init__(self, number):
        self.number = number
        self.basket = ["item %d" % number]


def remember(n):
    SESSIONS[n] = Session(n)  # leaks here


def handle(n):
    service.work(n)
    remember(n)
    if not service.LEAKS:
        SESSIONS.pop(n - 100, None)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
