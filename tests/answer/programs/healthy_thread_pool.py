# SPDX-License-Identifier: BSD-2-Clause
"""Four threads that take requests."""
import concurrent.futures

import service

POOL = concurrent.futures.ThreadPoolExecutor(4)


def handle(n):
    jobs = [POOL.submit(service.work, 2 * n + i) for i in range(2)]
    return [job.result() for job in jobs]


def main():
    for n in service.turns(100):
        handle(n)


if __name__ == "__main__":
    main()
