# SPDX-License-Identifier: BSD-2-Clause
"""Each job adds a handler to its logger, for a file of its own."""
import logging

import service


def set_up(job):
    logger = logging.getLogger("jobs")
    logger.propagate = False
    handler = logging.NullHandler()
    handler.set_name("job %d" % job)
    logger.addHandler(handler)  # leaks here
    return logger, handler


def handle(n):
    service.work(n)
    if n % 4:
        return
    logger, handler = set_up(n)
    if not service.LEAKS:
        logger.removeHandler(handler)
        handler.close()


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
