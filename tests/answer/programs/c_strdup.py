# SPDX-License-Identifier: BSD-2-Clause
"""A library that copies each name and never frees the copy."""
import ctypes

import service

libc = ctypes.CDLL(None)
libc.strdup.argtypes, libc.strdup.restype = [ctypes.c_char_p], ctypes.c_void_p
libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None


def copy(n):
    name = libc.strdup(b"name of request %d " % n * 10)  # leaks here
    if not service.LEAKS:
        libc.free(name)


def handle(n):
    service.work(n)
    copy(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
