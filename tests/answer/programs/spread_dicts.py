# SPDX-License-Identifier: BSD-2-Clause
"""Counts by shop and by day: dicts in a dict, of which each gets more."""
import service

COUNTS = {"shop %d" % number: {} for number in range(200)}


def count(shop, key):
    COUNTS[shop][key] = "first seen in %s" % key  # leaks here
    if not service.LEAKS:
        COUNTS[shop].clear()


def handle(n):
    service.work(n)
    for i in range(2):
        count("shop %d" % ((2 * n + i) % 200), "product %d" % (2 * n + i))


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
