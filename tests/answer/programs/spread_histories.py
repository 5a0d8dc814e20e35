# SPDX-License-Identifier: BSD-2-Clause
"""Users in a dict, each with a history that only gets longer."""
import random

import service


class User:
    def __init__(self, number):
        self.number = number
        self.history = []


USERS = {number: User(number) for number in range(3000)}


def visit(number, n):
    USERS[number].history.append({"page": n, "at": n * 0.5})  # leaks here
    if not service.LEAKS:
        del USERS[number].history[:-1]


def handle(n):
    service.work(n)
    for _ in range(2):
        visit(random.randrange(3000) if service.LEAKS else n % 50, n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
