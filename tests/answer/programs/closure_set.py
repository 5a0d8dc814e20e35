# SPDX-License-Identifier: BSD-2-Clause
"""Tickets in a set that nothing but a closure can see."""
import service


class Ticket:
    def __init__(self, n):
        self.note = "ticket %d" % n


def make_keeper():
    opened = set()

    def keep(ticket):
        opened.add(ticket)  # leaks here
        if not service.LEAKS:
            opened.discard(ticket)

    return keep


KEEP = make_keeper()


def handle(n):
    service.work(n)
    KEEP(Ticket(n))


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
