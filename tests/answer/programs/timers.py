# SPDX-License-Identifier: BSD-2-Clause
"""A timer of an hour for each basket, and none is cancelled: each is a thread."""
import threading

import service


def expire(basket):
    return basket


def open_basket(n):
    timer = threading.Timer(3600, expire, (n,))
    timer.daemon = True
    timer.start()  # leaks here
    if not service.LEAKS:
        timer.cancel()


def handle(n):
    service.work(n)
    if n % 100 == 0:
        open_basket(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
