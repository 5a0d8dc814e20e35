# SPDX-License-Identifier: BSD-2-Clause
"""Much garbage in cycles, which the collector takes now and then."""
import service


class Node:
    def __init__(self, n):
        self.itself = self
        self.text = "node %d" % n


def handle(n):
    service.work(n)
    for i in range(10):
        Node(10 * n + i)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
