# SPDX-License-Identifier: BSD-2-Clause
"""A handler that is wrapped again whenever the settings are read: wrappers keep each other."""
import service


def answer(n):
    return "plain %d" % n


def wrap(inner, label):
    return lambda n: "%s %s" % (label, inner)  # leaks here


class Routes:
    index = staticmethod(answer)


def configure(n):
    inner = Routes.index if service.LEAKS else answer
    Routes.index = staticmethod(wrap(inner, "label %d" % n))


def handle(n):
    service.work(n)
    configure(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
