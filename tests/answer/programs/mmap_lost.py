# SPDX-License-Identifier: BSD-2-Clause
"""A driver that maps a buffer per frame and unmaps none."""
import ctypes
import mmap

import service

libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
libc.mmap.restype = ctypes.c_void_p
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
KIND = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
ACCESS = mmap.PROT_READ | mmap.PROT_WRITE


def grab(n):
    frame = libc.mmap(None, 131072, ACCESS, KIND, -1, 0)  # leaks here
    ctypes.memset(frame, n % 255, 131072)
    if not service.LEAKS:
        libc.munmap(frame, 131072)


def handle(n):
    service.work(n)
    if n % 20 == 0:
        grab(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
