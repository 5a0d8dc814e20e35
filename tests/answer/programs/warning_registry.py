# SPDX-License-Identifier: BSD-2-Clause
"""Warnings whose text is different each time: Python remembers each of them."""
import warnings

import service

warnings.simplefilter("ignore" if not service.LEAKS else "default")
warnings.showwarning = lambda *what, **more: None


def check(n):
    warnings.warn("value %d is out of range" % n)  # leaks here


def handle(n):
    service.work(n)
    check(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
