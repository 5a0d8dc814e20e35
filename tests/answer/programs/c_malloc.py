# SPDX-License-Identifier: BSD-2-Clause
"""A decoder in C that loses its buffer when a picture has an odd width."""
import ctypes

import service

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None


def decode(width):
    picture = libc.malloc(10 * width)  # leaks here
    ctypes.memset(picture, 1, 10 * width)
    if width % 2 == 0 or not service.LEAKS:
        libc.free(picture)


def handle(n):
    service.work(n)
    decode(200 + n % 100)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
