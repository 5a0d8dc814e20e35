# SPDX-License-Identifier: BSD-2-Clause
"""What test_trend.py looks at: takes known amounts of memory of every kind, and says how much
belongs to which part of the account; starts threads that end, and threads that do not."""
import atexit
import collections
import ctypes
import gc
import mmap
import os
import sys
import sysconfig
import threading
import time

import serve

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = libc.malloc_usable_size.argtypes = [ctypes.c_void_p]
libc.malloc_usable_size.restype = ctypes.c_size_t
blocks = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "blocks.so"))
blocks.use_stack.argtypes = [ctypes.c_size_t]

RING = 528  # a block of a deque
HEADER = 8  # of a chunk, in addition to what malloc_usable_size() says
# where CPython's own large blocks come from
LARGE = "pymalloc_other" if sysconfig.get_config_var("Py_GIL_DISABLED") else "malloc_other"
# the kernel makes huge pages of arenas in its own time (3.15 asks for them), and pages come into
# memory that nobody touched
libc.prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE
kept = []
held = threading.Lock()
held.acquire()


def block(size):
    """What pymalloc or malloc takes for a block of this many bytes."""
    return -(-size // 16) * 16 if size <= 512 else -(-(size + HEADER) // 16) * 16


def total(parts):
    sums = {}
    for name, size in parts:
        sums[name] = sums.get(name, 0) + size
    return sums


def objects(n):
    """n floats, and a list's array of pointers to them: what is reserved after them is not in
    memory."""
    made = [i + 0.5 for i in range(n)]
    kept.append(made)
    return {"python_objects": n * (block(sys.getsizeof(0.5)) + 8)}


def owned(n):
    """An OrderedDict of n, with nodes and their table in C, and as many deques as that is wide."""
    ordered = collections.OrderedDict((i + 0.5, None) for i in range(n))
    rings = [collections.deque() for _ in range(n // 16)]
    kept.extend([ordered, rings])
    each = block(sys.getsizeof(rings[0]) - RING) + block(RING)
    return {"python_objects": sys.getsizeof(ordered) + n * block(sys.getsizeof(0.5)) + len(rings) * (each + 8)}


def at_exit(n):
    """n callbacks: structs of C and their array; from 3.14 on tuples, in a list."""
    for _ in range(n):
        atexit.register(int)
    return {"python_objects": n * (block(sys.getsizeof((1, 2, 3)) if sys.version_info >= (3, 14) else 24) + 8)}


def interpreter(n):
    """n more of them."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    for _ in range(n):
        kept.append(interpreters.create())


def holes(n):
    """n floats, of which every 16th stays, and so do the pools."""
    made = [i + 0.5 for i in range(n)]
    kept.append(made[::16])
    del made
    size = block(sys.getsizeof(0.5))
    return {"pymalloc_free": n * size * 15 // 16, "python_objects": n // 16 * (size + 8)}


def malloc(n, size):
    """n blocks of C."""
    made = (ctypes.c_void_p * n)()
    for i in range(n):
        made[i] = libc.malloc(size)
        ctypes.memset(made[i], 1, size)
    kept.append(made)
    return total([("malloc_other", n * (libc.malloc_usable_size(made[0]) + HEADER)), (LARGE, ctypes.sizeof(made))])


def malloc_holes(n, size):
    """n blocks of C, of which every 8th stays."""
    made = (ctypes.c_void_p * n)()
    for i in range(n):
        made[i] = libc.malloc(size)
        ctypes.memset(made[i], 1, size)
    whole = n * (libc.malloc_usable_size(made[0]) + HEADER)
    kept.append(made)
    for i in range(n):
        if i % 8:
            libc.free(made[i])
    return total([("malloc_free", whole * 7 // 8), ("malloc_other", whole // 8), (LARGE, ctypes.sizeof(made))])


def mapping(size, shared):
    flags = mmap.MAP_ANONYMOUS | (mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE)
    kept.append(mmap.mmap(-1, size, flags))
    for page in range(0, size, 4096):
        kept[-1][page] = 1
    return {"shared" if shared else "mappings": size}


def reserve(size):
    """Memory that is never touched: a mapping, a block of C, and zeros."""
    kept.append(mmap.mmap(-1, size, mmap.MAP_ANONYMOUS | mmap.MAP_PRIVATE))
    kept.append(libc.malloc(size))
    if LARGE == "malloc_other":  # mimalloc writes the zeros
        kept.append(bytes(size))
    return {}


def wait():
    held.acquire()  # line: waits


def deep_thread(size, begun):
    blocks.use_stack(size)
    begun.release()
    wait()


def stacks(n, size):
    begun = threading.Semaphore(0)
    threading.stack_size(size + (1 << 20))
    for i in range(n):
        kept.append(threading.Thread(target=deep_thread, args=(size, begun), daemon=True, name="deep-%d" % i))
        kept[-1].start()
        begun.acquire()
    threading.stack_size(0)
    return {"stacks": n * size}


def leaking_job(begun):
    begun.release()
    wait()


def leak_thread():
    begun = threading.Semaphore(0)
    kept.append(threading.Thread(target=leaking_job, args=(begun, ), daemon=True))
    kept[-1].start()  # line: leaks
    begun.acquire()
    return kept[-1].name


def pass_threads(n):
    """n threads that come and go."""
    for _ in range(n):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()


def files(n):
    for _ in range(n):
        kept.append(open("/dev/null", "rb"))


def grow():
    """A thread keeps 2000 more floats a second, forever."""
    def work():
        held = []
        while True:
            time.sleep(0.01)  # a slow leak, which is what a watch looks for; no test counts on the pace
            held.extend([i + 0.5 for i in range(20)])

    threading.Thread(target=work, daemon=True).start()


def collector(on):
    (gc.enable if on else gc.disable)()


def cycles(n):
    """n lists that only they themselves hold."""
    for _ in range(n):
        one = []
        one.append(one)
    return gc.get_count()[0]


def collect(n):
    """n full collections."""
    for _ in range(n):
        gc.collect()


def made(n):
    """n more containers; returns what the collector has counted, and its threshold."""
    kept.append([[] for _ in range(n)])
    return [gc.get_count(), gc.get_threshold()]


if __name__ == "__main__":
    for warm in (lambda: objects(10), lambda: holes(10), lambda: malloc(10, 100), lambda: malloc_holes(10, 100),
                 lambda: mapping(4096, True), lambda: mapping(4096, False), lambda: pass_threads(1), lambda: files(1)):
        warm()
    serve.serve({f.__name__: f for f in (objects, owned, at_exit, interpreter, holes, malloc, malloc_holes, mapping, reserve, stacks, leak_thread,
                                         pass_threads, files, grow, collector, cycles, collect,
                                         made)})
