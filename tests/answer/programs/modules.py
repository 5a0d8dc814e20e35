# SPDX-License-Identifier: BSD-2-Clause
"""A module is made for each uploaded script, and stays in sys.modules."""
import sys
import types

import service

SOURCE = "LIMIT = 10\n\ndef run(value):\n    return value < LIMIT\n"


def load(name):
    module = types.ModuleType(name)
    exec(SOURCE, module.__dict__)
    sys.modules[name] = module  # leaks here
    return module


def handle(n):
    service.work(n)
    if n % 8:
        return
    load("script_%d" % n).run(n)
    if not service.LEAKS:
        del sys.modules["script_%d" % n]


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
