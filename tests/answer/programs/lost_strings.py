# SPDX-License-Identifier: BSD-2-Clause
"""An extension that returns strings with one reference too many."""
import ctypes

import service

take = ctypes.pythonapi.Py_IncRef
take.argtypes, take.restype = [ctypes.py_object], None
give = ctypes.pythonapi.Py_DecRef
give.argtypes, give.restype = [ctypes.py_object], None


def encode(n):
    text = "value %d, as the extension writes it" % n  # leaks here
    take(text)
    if not service.LEAKS:
        give(text)
    return text


def handle(n):
    service.work(n)
    for i in range(5):
        encode(5 * n + i)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
