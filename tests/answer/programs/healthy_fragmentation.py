# SPDX-License-Identifier: BSD-2-Clause
"""A peak long ago left arenas in which a few blocks live; what is free gets used again."""
import service

KEPT = []


def peak():
    everything = ["text %d of the import" % i for i in range(400000)]
    KEPT.extend(everything[::40])


def handle(n):
    if n == 100:
        peak()
    service.work(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
