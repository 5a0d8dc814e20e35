# SPDX-License-Identifier: BSD-2-Clause
"""A shared buffer for each job, as mmap.mmap, which stays in the table of jobs."""
import mmap

import service

BUFFERS = {}


def begin(n):
    BUFFERS[n] = mmap.mmap(-1, 65536)  # leaks here
    BUFFERS[n].write(b"x" * 65536)
    if not service.LEAKS:
        BUFFERS.pop(n).close()


def handle(n):
    service.work(n)
    if n % 20 == 0:
        begin(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
