# SPDX-License-Identifier: BSD-2-Clause
"""A parser for each feed, left in the middle of its document and kept."""
import xml.parsers.expat

import service

PARSERS = []


def feed(n):
    parser = xml.parsers.expat.ParserCreate()  # leaks here
    PARSERS.append(parser)  # leaks here
    parser.Parse("<feed><entry>%d</entry>" % n, False)  # leaks here
    if not service.LEAKS:
        del PARSERS[:-5]


def handle(n):
    service.work(n)
    if n % 10 == 0:
        feed(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
