# SPDX-License-Identifier: BSD-2-Clause
"""An extension that loses a reference to each row that it has parsed."""
import ctypes

import service

take = ctypes.pythonapi.Py_IncRef
take.argtypes, take.restype = [ctypes.py_object], None
give = ctypes.pythonapi.Py_DecRef
give.argtypes, give.restype = [ctypes.py_object], None


def parse(n):
    row = {"id": n, "name": "row %d" % n, "tags": ["tag %d" % n]}  # leaks here
    take(row)
    if not service.LEAKS:
        give(row)
    return row


def handle(n):
    service.work(n)
    parse(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
