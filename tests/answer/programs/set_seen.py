# SPDX-License-Identifier: BSD-2-Clause
"""A crawler that remembers each page it has seen."""
import service

SEEN = set()


def visit(url):
    if url not in SEEN:
        SEEN.add(url)  # leaks here


def handle(n):
    service.work(n)
    for link in range(3):
        visit("http://host/%d/%d" % (n if service.LEAKS else n % 10, link))


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
