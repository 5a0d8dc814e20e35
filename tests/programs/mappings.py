# SPDX-License-Identifier: BSD-2-Clause
"""Anonymous mappings: made, cut, moved, grown, replaced."""
import ctypes
import mmap

from serve import serve, turns

libc = ctypes.CDLL(None, use_errno=True)
PAGE = 4096
READ_WRITE, PRIVATE_ANONYMOUS, FIXED, MAYMOVE = 3, 0x22, 0x10, 1
FAILED = ctypes.c_void_p(-1).value
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mmap.restype = ctypes.c_void_p
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
libc.mremap.restype = ctypes.c_void_p
kept = []


def check(address):
    if address == FAILED:
        raise OSError(ctypes.get_errno(), "mapping failed")
    return address


def modules(n, n_keep):
    keep = [None] * n_keep
    kept.append(keep)
    for index in turns(n, keep):
        keep[index] = mmap.mmap(-1, 16 * PAGE)  # line: modules


def odd_length():
    """The kernel rounds up to pages, and so do the figures."""
    kept.append(libc.mmap(None, 5 * PAGE + 1, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: odd_length


def cut_middle():
    base = check(libc.mmap(None, 16 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: cut_middle
    libc.munmap(base + 4 * PAGE, 2 * PAGE)


def cut_ends():
    base = check(libc.mmap(None, 16 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: cut_ends
    libc.munmap(base, 3 * PAGE)
    libc.munmap(base + 12 * PAGE, 4 * PAGE)


def cut_in_pieces():
    """Unmapped page by page, in an order of its own: nothing remains."""
    base = check(libc.mmap(None, 8 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: cut_in_pieces
    for page in (3, 0, 7, 5, 1, 6, 2, 4):
        libc.munmap(base + page * PAGE, PAGE)


def replaced():
    base = check(libc.mmap(None, 8 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: replaced
    check(libc.mmap(base + 3 * PAGE, 2 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS | FIXED, -1, 0))  # line: replacement


def grown():
    base = check(libc.mmap(None, 4 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: grown_from
    check(libc.mremap(base, 4 * PAGE, 64 * PAGE, MAYMOVE))  # line: grown


def shrunk():
    base = check(libc.mmap(None, 9 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: shrunk_from
    check(libc.mremap(base, 9 * PAGE, 2 * PAGE, 0))  # line: shrunk


def growth_failed():
    base = check(libc.mmap(None, 7 * PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0))  # line: growth_failed
    if libc.mremap(base, 7 * PAGE, 1 << 50, MAYMOVE) != FAILED:
        raise MemoryError("a failure was expected")


def failed():
    if libc.mmap(None, 1 << 50, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) != FAILED:  # line: failed
        raise MemoryError("a failure was expected")


def all_of_them(n, n_keep):
    modules(n, n_keep)
    for work in (odd_length, cut_middle, cut_ends, cut_in_pieces, replaced, grown, shrunk, growth_failed, failed):
        work()


modules(20, 5)
serve({"all": all_of_them})
