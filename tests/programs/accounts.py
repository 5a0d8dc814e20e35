# SPDX-License-Identifier: BSD-2-Clause
"""Workloads whose numbers are known: n blocks made on one marked line, the last len(keep) of them
kept.

They run once before the program says that it is ready, so that caches, specialised instructions and
free lists have settled.
"""
import ctypes
import sys
import threading
import tracemalloc

from serve import allocators, serve, turns

libc = ctypes.CDLL(None, use_errno=True)
blocks = ctypes.CDLL(__file__.rsplit("/", 1)[0] + "/blocks.so")
size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
for name, types in {"malloc": [size_t], "calloc": [size_t, size_t], "realloc": [pointer, size_t],
                    "reallocarray": [pointer, size_t, size_t], "strdup": [ctypes.c_char_p],
                    "aligned_alloc": [size_t, size_t], "memalign": [size_t, size_t], "valloc": [size_t],
                    "pvalloc": [size_t]}.items():
    function = getattr(libc, name)
    function.argtypes, function.restype = types, pointer
libc.free.argtypes, libc.free.restype = [pointer], None
libc.posix_memalign.argtypes = [ctypes.POINTER(pointer), size_t, size_t]
blocks.allocate_in_halves.argtypes = [ctypes.POINTER(ctypes.c_int), ctypes.POINTER(pointer), size_t, size_t, size_t]
blocks.allocate_in_foreign_thread.argtypes = [ctypes.POINTER(pointer), size_t, size_t, size_t]

kept = {}  # everything that stays alive, by workload
unit = b"x"
HUGE = 1 << 62


class Small(object):
    __slots__ = ("left", "right")


def objects(order, keep, sizes):
    for index in order:
        keep[index] = Small()  # line: objects


def byte_strings(order, keep, sizes):
    for index in order:
        keep[index] = unit * sizes[index]  # line: byte_strings


def large(order, keep, sizes):
    size = 10000 - sys.getsizeof(b"")
    for index in order:
        keep[index] = unit * size  # line: large


def malloc(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.malloc(sizes[index])  # line: malloc


def malloc_large(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.malloc(10000)  # line: malloc_large


def malloc_mapped(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.malloc(1 << 20)  # line: malloc_mapped


def calloc(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.calloc(3, sizes[index])  # line: calloc


def strdup(order, keep, sizes):
    texts = [b"s" * (size - 1) for size in sizes]
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.strdup(texts[index])  # line: strdup


def realloc(order, keep, sizes):
    for index in order:
        keep[index] = libc.realloc(keep[index], sizes[index])  # line: realloc
        sizes[index] += 40
    for index in order[:len(keep)]:
        if libc.realloc(keep[index], HUGE) is not None:  # line: realloc_failed
            raise MemoryError("a failure was expected")


def reallocarray(order, keep, sizes):
    for index in order:
        keep[index] = libc.reallocarray(keep[index], 2, sizes[index])  # line: reallocarray
    for index in order[:len(keep)]:
        if libc.reallocarray(keep[index], HUGE, 8) is not None:
            raise MemoryError("a failure was expected")


def posix_memalign(order, keep, sizes):
    result = pointer()
    for index in order:
        libc.free(keep[index])
        libc.posix_memalign(ctypes.byref(result), 64, sizes[index])  # line: posix_memalign
        keep[index] = result.value


def aligned_alloc(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.aligned_alloc(64, 192)  # line: aligned_alloc


def memalign(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.memalign(64, sizes[index])  # line: memalign


def valloc(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.valloc(sizes[index])  # line: valloc


def pvalloc(order, keep, sizes):
    for index in order:
        libc.free(keep[index])
        keep[index] = libc.pvalloc(sizes[index])  # line: pvalloc


def freed(order, keep, sizes):
    """All of them freed again."""
    for index in order:
        keep[index] = libc.malloc(77)  # line: freed
        libc.free(keep[index])


WORKLOADS = [objects, byte_strings, large, malloc, malloc_large, malloc_mapped, calloc, strdup, realloc, reallocarray,
             posix_memalign, aligned_alloc, memalign, valloc, pvalloc, freed]
SIZES = list(range(40, 1040, 10))  # asked for, in turn


def run(work, n, n_keep):
    """One workload; returns the bytes that sys.getsizeof() sees in what was kept."""
    keep = [None] * n_keep
    sizes = (SIZES * (n_keep // len(SIZES) + 1))[:n_keep]
    work(turns(n, keep), keep, sizes)
    return keep


def release(work, keep):
    """Undo a warm-up, where that takes more than dropping a reference."""
    if work not in (objects, byte_strings, large, freed):
        for address in keep:
            libc.free(address)


def all_of_them(n, n_keep):
    """-> {workload: [bytes that sys.getsizeof() sees in what is kept, sum of the sizes asked
    for]}"""
    answer = {}
    for work in WORKLOADS:
        keep = kept[work.__name__] = run(work, n, n_keep)
        answer[work.__name__] = sum(map(sys.getsizeof, keep))
    return answer


def one_of_them(work, n, n_keep):
    """One workload alone, for debugging it by hand."""
    kept[work] = run(globals()[work], n, n_keep)


def empty_again():
    """Free what all_of_them() kept."""
    for work in WORKLOADS:
        release(work, kept.pop(work.__name__))


# ---- what CPython's own tracemalloc can count, too: compared with it -----------------------------

class Plain(object):
    pass


TEMPLATE = bytearray(100)


def drain(n):
    """Empty CPython's free lists: what they hold depends on everything before."""
    kept.setdefault("drained", []).append([
        ([None], [None, None], (None,), (None, None), {"a": None}, {None: None}, {None}, 0.5 * i, Plain(), lambda: i)
        for i in range(n)])


def make_rows(n):
    rows = [[None] * 8 for _ in range(n)]
    kept.setdefault("containers", []).append(rows)
    return rows


def containers(n):
    """Objects of more than one block. No call here makes a tuple of arguments or a frame: those
    come from free lists and return to them, and then tracemalloc names the line of the last use,
    not that of the allocation."""
    rows = make_rows(n)
    drain(n)
    for row in rows:
        row[0] = TEMPLATE * 3
        row[1] = plain = Plain()
        plain.value = None
        row[2] = {"a": None, "b": None}
        row[3] = [None, None, None]
        row[4] = lambda: row
        row[5] = {None, True, False}
        row[6] = "\u20ac" * n
        row[7] = 2.5 * n
    for row in rows:
        row[0].extend(b"0123456789" * 30)


def start_tracemalloc():
    tracemalloc.start(1)


def tracemalloc_lines():
    """-> {line: [blocks, bytes]} of containers(), where each round makes a block or more"""
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    lines = {}
    for statistic in snapshot.statistics("lineno"):
        frame = statistic.traceback[0]
        if frame.filename == __file__ and statistic.count >= len(kept["containers"][0]) and \
                containers.__code__.co_firstlineno <= frame.lineno < start_tracemalloc.__code__.co_firstlineno:
            lines[frame.lineno] = [statistic.count, statistic.size]
    return lines


# ---- threads -------------------------------------------------------------------------------------

def in_c(stage, keep, n, size):
    blocks.allocate_in_halves(stage, keep, len(keep), n, size)  # line: in_c


def in_foreign_thread(n, n_keep, size):
    keep = kept["foreign"] = (pointer * n_keep)()
    blocks.allocate_in_foreign_thread(keep, n_keep, n, size)


def threads(n, n_keep, size):
    """One thread allocates in C without the GIL, half of it before and half of it after this thread
    allocated in Python."""
    stage = ctypes.c_int(0)
    keep = kept["in_c"] = (pointer * n_keep)()
    thread = threading.Thread(target=in_c, args=(stage, keep, n, size))
    thread.start()
    while stage.value != 1:
        pass
    order = kept["beside"] = [None] * n_keep
    beside(turns(n, order), order)
    stage.value = 2
    thread.join()


def beside(order, keep):
    for index in order:
        keep[index] = Small()  # line: beside


# ---- as many as wanted, of one size that nothing else has ----------------------------------------

def of_size(n, n_keep, size):
    """Blocks of exactly `size` bytes (33 of them CPython's), from one line."""
    keep = kept.setdefault("of_size", [])
    new = [None] * n_keep
    keep.append(new)
    fill(turns(n, new), new, size - sys.getsizeof(b""))


def fill(order, keep, size):
    for index in order:
        keep[index] = unit * size  # line: of_size


def forget_of_size():
    kept.pop("of_size")


def from_many_lines(n_lines, size, first=1):
    """One block kept from each of many lines, from the first on."""
    source = "\n" * (first - 1) + "def many(keep, unit, size):\n" + "\tkeep.append(unit * size)\n" * n_lines
    names = {}
    exec(compile(source, "many.py", "exec"), names)
    names["many"](kept.setdefault("many", []), unit, size - sys.getsizeof(b""))


def forget_many():
    kept.pop("many")


for work in WORKLOADS:
    release(work, run(work, 400, 20))
    release(work, run(work, 400, 20))
beside([0] * 400, [None])
fill([0] * 400, [None], 7)
serve({"all": all_of_them, "one": one_of_them, "empty": empty_again, "threads": threads, "foreign": in_foreign_thread,
       "containers": containers, "of_size": of_size, "forget_of_size": forget_of_size,
       "from_many_lines": from_many_lines, "forget_many": forget_many, "start_tracemalloc": start_tracemalloc, "do_nothing": lambda: None,
       "tracemalloc_lines": tracemalloc_lines, "allocators": allocators})
