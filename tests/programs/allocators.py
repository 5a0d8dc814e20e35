# SPDX-License-Identifier: BSD-2-Clause
"""Blocks of allocators other than libc's: n made on one marked line, the last len(keep) of them
kept.

The functions are those that a name resolves to in the whole process (with LD_PRELOAD, the other
allocator's), or those of a library that is loaded when a test says so, with a prefix.
"""
import ctypes

from serve import serve, turns

size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
SIGNATURES = {
    "malloc": ([size_t], pointer), "calloc": ([size_t, size_t], pointer), "realloc": ([pointer, size_t], pointer),
    "reallocarray": ([pointer, size_t, size_t], pointer), "free": ([pointer], None),
    "posix_memalign": ([ctypes.POINTER(pointer), size_t, size_t], ctypes.c_int),
    "aligned_alloc": ([size_t, size_t], pointer), "memalign": ([size_t, size_t], pointer),
    "valloc": ([size_t], pointer), "pvalloc": ([size_t], pointer), "strdup": ([ctypes.c_char_p], pointer),
    "mallocx": ([size_t, ctypes.c_int], pointer), "rallocx": ([pointer, size_t, ctypes.c_int], pointer),
    "dallocx": ([pointer, ctypes.c_int], None), "sdallocx": ([pointer, size_t, ctypes.c_int], None),
    "heap_malloc": ([pointer, size_t], pointer), "heap_realloc": ([pointer, pointer, size_t], pointer),
    "heap_get_default": ([], pointer), "malloc_aligned": ([size_t, size_t], pointer),
    "free_size_aligned": ([pointer, size_t, size_t], None),
    "_Znwm": ([size_t], pointer), "_Znam": ([size_t], pointer), "_ZdlPv": ([pointer], None),
    "_ZdaPv": ([pointer], None), "_ZdlPvm": ([pointer, size_t], None),
    "_ZnwmSt11align_val_t": ([size_t, size_t], pointer),
    "_ZdlPvSt11align_val_t": ([pointer, size_t], None),
    "_ZnwmRKSt9nothrow_t": ([size_t, pointer], pointer),
}
ALIGNED = 64
nothrow = ctypes.create_string_buffer(8)
kept = []


class Functions(object):
    """The functions of a library, by their names without the prefix."""

    def __init__(self, library, prefix=""):
        self.library, self.prefix = library, prefix

    def __getattr__(self, name):
        function = getattr(self.library, name if name.startswith("_Z") or name == "strdup" else self.prefix + name)
        function.argtypes, function.restype = SIGNATURES[name]
        setattr(self, name, function)
        return function


def malloc(f, order, keep, size):
    for index in order:
        f.free(keep[index])
        keep[index] = f.malloc(size)  # line: malloc


def calloc(f, order, keep, size):
    for index in order:
        f.free(keep[index])
        keep[index] = f.calloc(size, 1)  # line: calloc


def realloc(f, order, keep, size):
    for index in order:
        keep[index] = f.realloc(keep[index], size)  # line: realloc


def reallocarray(f, order, keep, size):
    for index in order:
        keep[index] = f.reallocarray(keep[index], size, 1)  # line: reallocarray


def posix_memalign(f, order, keep, size):
    result = pointer()
    for index in order:
        f.free(keep[index])
        f.posix_memalign(ctypes.byref(result), ALIGNED, size)  # line: posix_memalign
        keep[index] = result.value


def aligned_alloc(f, order, keep, size):
    for index in order:
        f.free(keep[index])
        keep[index] = f.aligned_alloc(ALIGNED, size)  # line: aligned_alloc


def memalign(f, order, keep, size):
    for index in order:
        f.free(keep[index])
        keep[index] = f.memalign(ALIGNED, size)  # line: memalign


def valloc(f, order, keep, size):
    for index in order:
        f.free(keep[index])
        keep[index] = f.valloc(size)  # line: valloc


def pvalloc(f, order, keep, size):
    for index in order:
        f.free(keep[index])
        keep[index] = f.pvalloc(size)  # line: pvalloc


def strdup(f, order, keep, size):
    text = b"s" * (size - 1)
    for index in order:
        f.free(keep[index])
        keep[index] = f.strdup(text)  # line: strdup


def operator_new(f, order, keep, size):
    for index in order:
        if keep[index]:
            f._ZdlPv(keep[index])
        keep[index] = f._Znwm(size)  # line: operator_new


def new_array(f, order, keep, size):
    for index in order:
        if keep[index]:
            f._ZdaPv(keep[index])
        keep[index] = f._Znam(size)  # line: new_array


def sized_delete(f, order, keep, size):
    for index in order:
        if keep[index]:
            f._ZdlPvm(keep[index], size)
        keep[index] = f._ZnwmRKSt9nothrow_t(size, ctypes.addressof(nothrow))  # line: sized_delete


def new_aligned(f, order, keep, size):
    for index in order:
        if keep[index]:
            f._ZdlPvSt11align_val_t(keep[index], ALIGNED)
        keep[index] = f._ZnwmSt11align_val_t(size, ALIGNED)  # line: new_aligned


def mallocx(f, order, keep, size):
    for index in order:
        if keep[index]:
            f.dallocx(keep[index], 0)
        keep[index] = f.mallocx(size, 0)  # line: mallocx


def rallocx(f, order, keep, size):
    for index in order:
        if keep[index]:
            f.sdallocx(keep[index], size, 0)
        small = f.malloc(16)
        keep[index] = f.rallocx(small, size, 0)  # line: rallocx


def heap_malloc(f, order, keep, size):
    heap = f.heap_get_default()
    for index in order:
        f.free(keep[index])
        keep[index] = f.heap_malloc(heap, size)  # line: heap_malloc


def heap_realloc(f, order, keep, size):
    heap = f.heap_get_default()
    for index in order:
        keep[index] = f.heap_realloc(heap, keep[index], size)  # line: heap_realloc


def malloc_aligned(f, order, keep, size):
    for index in order:
        if keep[index]:
            f.free_size_aligned(keep[index], size, ALIGNED)
        keep[index] = f.malloc_aligned(size, ALIGNED)  # line: malloc_aligned


def freed(f, order, keep, size):
    for index in order:
        keep[index] = f.malloc(size)  # line: freed
        f.free(keep[index])


process = Functions(ctypes.CDLL(None))


def run(library, prefix, works, n, n_keep, size):
    """Each workload with a block size of its own: size, size + 64, ... What is kept stays
    forever."""
    f = Functions(ctypes.CDLL(library), prefix) if library else process
    for i, work in enumerate(works):
        keep = [None] * n_keep
        globals()[work](f, turns(n, keep), keep, size + 64 * i)


def objects(n, size):
    """Objects too large for pymalloc's pools."""
    kept.extend(b"x" * (size + i) for i in range(n))


def load(library):
    ctypes.CDLL(library)


def own(library, n, n_keep, size):
    """Blocks of a library's own allocator; it keeps n_keep from each of four functions."""
    keep = (pointer * (4 * n_keep))()
    allocate = ctypes.CDLL(library).own_allocate
    allocate.argtypes = [ctypes.POINTER(pointer), size_t, size_t, size_t]
    allocate(keep, n_keep, n, size)  # line: own


def fail(n, size):
    """operator new cannot provide that much: the exception leaves it, and C++ code further up
    catches it. -> how often"""
    new_fails = ctypes.CDLL(__file__.rsplit("/", 1)[0] + "/throwing.so").new_fails
    return sum(new_fails(size_t(size)) for _ in range(n))


serve({"run": run, "load": load, "objects": objects, "own": own, "fail": fail})
