# SPDX-License-Identifier: BSD-2-Clause
"""An application whose packages leak: of n blocks of one size that each workload makes, the last
n_keep are kept."""
import ctypes
import sys

folder = __file__.rsplit("/", 1)[0]
sys.path.insert(0, folder + "/site-packages")

import leaky_one.cache  # noqa: E402
import leaky_two  # noqa: E402
from serve import serve, turns  # noqa: E402

blocks = ctypes.CDLL(folder + "/blocks.so")
size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
blocks.allocate_in_foreign_thread.argtypes = [ctypes.POINTER(pointer), size_t, size_t, size_t]
unit = b"z"
kept = []


def own(order, keep, size):
    size -= sys.getsizeof(b"")
    for index in order:
        keep[index] = unit * size  # line: own


WORKLOADS = {
    "one": leaky_one.cache.remember,
    "stdlib": leaky_one.cache.quote,
    "two": leaky_two.remember,
    "two_in_c": leaky_two.duplicate,
    "own": own,
    "own_by_two": lambda *args: leaky_two.call(own, *args),
}


def leak(what, n, n_keep, size):
    keep = [None] * n_keep
    kept.append(keep)
    WORKLOADS[what](turns(n, keep), keep, size)


def leak_in_foreign_thread(n, n_keep, size):
    keep = (pointer * n_keep)()
    kept.append(keep)
    blocks.allocate_in_foreign_thread(keep, n_keep, n, size)


if __name__ == "__main__":
    for name in WORKLOADS:
        leak(name, 3, 1, 100)
    serve({"leak": leak, "leak_in_foreign_thread": leak_in_foreign_thread})
