# SPDX-License-Identifier: BSD-2-Clause
"""Errors are collected for a mail that nobody sends."""
import service

ERRORS = []


class Problem:
    def __init__(self, title):
        self.title = title
        self.tags = {"level": "warning", "page": title}


def report(title):
    ERRORS.append(Problem(title))  # leaks here
    if not service.LEAKS:
        del ERRORS[:-50]


def handle(n):
    answer = service.work(n)
    if n % 2 == 0:
        report(answer["title"])


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
