# SPDX-License-Identifier: BSD-2-Clause
"""A cached method: the cache keeps each instance, and all that it has."""
import functools

import service


class Report:
    def __init__(self, n):
        self.rows = ["row %d of %d" % (i, n) for i in range(10)]

    @functools.lru_cache(maxsize=None if service.LEAKS else 16)
    def total(self):
        return len(self.rows)


def handle(n):
    service.work(n)
    report = Report(n)  # leaks here
    report.total()  # leaks here


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
