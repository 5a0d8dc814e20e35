# SPDX-License-Identifier: BSD-2-Clause
"""An extension that takes a reference to each message and never gives it back."""
import ctypes

import service

take = ctypes.pythonapi.Py_IncRef
take.argtypes, take.restype = [ctypes.py_object], None
give = ctypes.pythonapi.Py_DecRef
give.argtypes, give.restype = [ctypes.py_object], None


class Message:
    def __init__(self, n):
        self.text = "message %d" % n


def send(n):
    message = Message(n)  # leaks here
    take(message)  # leaks here
    if not service.LEAKS:
        give(message)


def handle(n):
    service.work(n)
    send(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
