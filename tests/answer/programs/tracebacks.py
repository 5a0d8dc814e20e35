# SPDX-License-Identifier: BSD-2-Clause
"""Failed tasks are kept with their exception, whose traceback has the frames and their locals."""
import service

FAILED = []


class Task:
    def __init__(self, n):
        self.url = "http://host/%d" % n
        self.error = None


def parse(n):
    words = ["word %d of %d" % (i, n) for i in range(20)]
    raise ValueError("bad page with %d words" % len(words))


def run(task, n):
    try:
        parse(n)
    except ValueError as error:
        if not service.LEAKS:
            return
        task.error = error
        FAILED.append(task)  # leaks here


def handle(n):
    service.work(n)
    run(Task(n), n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
