# SPDX-License-Identifier: BSD-2-Clause
"""A configuration that is replaced again and again; each keeps the one before, to roll back."""
import service


class Config:
    def __init__(self, values, previous):
        self.values = values
        self.previous = previous


class State:
    def __init__(self):
        self.config = Config({}, None)


STATE = State()


def reload(n):
    previous = STATE.config if service.LEAKS else None
    STATE.config = Config({"turn": n, "title": "config %d" % n}, previous)  # leaks here


def handle(n):
    service.work(n)
    reload(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
