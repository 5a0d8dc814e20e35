# SPDX-License-Identifier: BSD-2-Clause
"""Streams that were begun and not read to their end are kept for a client that never comes back."""
import service

STREAMS = {}


def stream(n):
    buffer = ["chunk %d of %d" % (i, n) for i in range(5)]
    for chunk in buffer:
        yield chunk


def begin(n):
    STREAMS[n] = reader = stream(n)  # leaks here
    next(reader)
    if not service.LEAKS:
        del STREAMS[n]


def handle(n):
    service.work(n)
    begin(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
