# SPDX-License-Identifier: BSD-2-Clause
"""Log records, of which a handler in memory keeps the last hundred."""
import io
import logging
import logging.handlers

import service

TARGET = logging.StreamHandler(io.StringIO())
LOG = logging.getLogger("service")
LOG.propagate = False
LOG.addHandler(logging.handlers.MemoryHandler(100, target=TARGET))


def handle(n):
    LOG.warning("answered %s in turn %d", service.work(n)["title"], n)
    if n % 500 == 0:
        TARGET.stream = io.StringIO()


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
