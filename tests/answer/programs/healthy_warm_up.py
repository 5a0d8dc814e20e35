# SPDX-License-Identifier: BSD-2-Clause
"""The first quarter of a minute fills tables; then they are complete."""
import service

TABLES = {}


def table(number):
    if number not in TABLES:
        TABLES[number] = {"row %d" % i: "value %d of %d" % (i, number) for i in range(50)}
    return TABLES[number]


def handle(n):
    service.work(n)
    table(min(n, 3000) if n % 2 else n // 2 % 1000)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
