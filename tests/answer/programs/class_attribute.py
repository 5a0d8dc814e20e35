# SPDX-License-Identifier: BSD-2-Clause
"""Samples in a list that stands in the class, and so belongs to all of its instances."""
import service


class Timer:
    samples = []

    def stop(self, n):
        self.samples.append((n, n * 0.25))  # leaks here


def handle(n):
    timer = Timer()
    if not service.LEAKS:
        timer.samples = []
    service.work(n)
    for i in range(4):
        timer.stop(4 * n + i)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
