# SPDX-License-Identifier: BSD-2-Clause
"""The last error is raised again from the one before, and so keeps all of them."""
import service


class Retry(Exception):
    pass


class Upstream:
    last = None


def call(n):
    try:
        raise Retry("attempt %d" % n) from Upstream.last  # leaks here
    except Retry as error:
        Upstream.last = error if service.LEAKS else None


def handle(n):
    service.work(n)
    call(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
