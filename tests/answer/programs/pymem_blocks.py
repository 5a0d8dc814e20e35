# SPDX-License-Identifier: BSD-2-Clause
"""An extension that asks PyMem_Malloc() for a small struct per call and loses it."""
import ctypes

import service

allocate = ctypes.pythonapi.PyMem_Malloc
allocate.argtypes, allocate.restype = [ctypes.c_size_t], ctypes.c_void_p
release = ctypes.pythonapi.PyMem_Free
release.argtypes, release.restype = [ctypes.c_void_p], None


def encode(n):
    block = allocate(48)  # leaks here
    ctypes.memset(block, 0, 48)
    if not service.LEAKS:
        release(block)


def handle(n):
    service.work(n)
    for i in range(5):
        encode(n + i)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
