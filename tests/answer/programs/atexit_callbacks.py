# SPDX-License-Identifier: BSD-2-Clause
"""Each connection registers its close() for the end of the process; only C code sees that list."""
import atexit

import service


class Connection:
    def __init__(self, n):
        self.host = "10.0.0.%d" % (n % 250)
        self.output = "output %d" % n

    def close(self):
        self.host = None


def connect(n):
    connection = Connection(n)
    if service.LEAKS:
        atexit.register(connection.close)  # leaks here
    return connection


def handle(n):
    service.work(n)
    connect(n).close()


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
