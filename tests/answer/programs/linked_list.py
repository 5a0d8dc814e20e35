# SPDX-License-Identifier: BSD-2-Clause
"""Jobs in a list that is linked by hand; the head is never taken."""
import service


class Job:
    def __init__(self, title, following):
        self.title = title
        self.following = following


class Pending:
    head = None


def push(title):
    Pending.head = Job(title, Pending.head)  # leaks here
    if not service.LEAKS:
        Pending.head.following = None


def handle(n):
    push(service.work(n)["title"])


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
