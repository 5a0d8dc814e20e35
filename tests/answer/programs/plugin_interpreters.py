# SPDX-License-Identifier: BSD-2-Clause
"""Each reload of a plugin gets an interpreter of its own; the ones before are kept to roll back."""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

import service

PLUGIN = "import collections\nRULES = collections.OrderedDict((i, str(i)) for i in range(200))\n"
LOADED = []


def reload():
    LOADED.append(interpreters.create())  # leaks here
    run = getattr(interpreters, "exec", None) or interpreters.run_string
    run(LOADED[-1], PLUGIN)  # leaks here
    if not service.LEAKS and len(LOADED) > 1:
        interpreters.destroy(LOADED.pop(0))


def handle(n):
    service.work(n)
    if n % 300 == 0:
        reload()


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
