# SPDX-License-Identifier: BSD-2-Clause
"""The same with PyObject_Malloc() and 240 bytes."""
import ctypes

import service

allocate = ctypes.pythonapi.PyObject_Malloc
allocate.argtypes, allocate.restype = [ctypes.c_size_t], ctypes.c_void_p
release = ctypes.pythonapi.PyObject_Free
release.argtypes, release.restype = [ctypes.c_void_p], None


def index(n):
    block = allocate(240)  # leaks here
    ctypes.memset(block, 0, 240)
    if not service.LEAKS:
        release(block)


def handle(n):
    service.work(n)
    index(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
