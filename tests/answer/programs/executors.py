# SPDX-License-Identifier: BSD-2-Clause
"""A pool of threads for each batch, which is never shut down."""
import concurrent.futures

import service

POOLS = []


def batch(n):
    pool = concurrent.futures.ThreadPoolExecutor(1)
    POOLS.append(pool)
    pool.submit(service.work, n).result()  # leaks here
    if not service.LEAKS:
        POOLS.pop().shutdown()


def handle(n):
    service.work(n)
    if n % 100 == 0:
        batch(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
