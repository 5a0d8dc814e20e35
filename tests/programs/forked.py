# SPDX-License-Identifier: BSD-2-Clause
"""A worker that shares what its parent has loaded, as a prefork server's does. The worker serves;
the parent waits for it.

The parent no longer reads the objects in its table, so none of it becomes private unless the worker
touches it (`read`) or another process makes it so.
"""
import gc
import mmap
import os
import sys

from serve import serve

MIB = 1 << 20


class Record:
    def __init__(self, number):
        self.number = number
        self.name = "record %d" % number


class App:
    table = {}  # of the parent
    reader = None  # how far `read` has come in it
    grown = {}


def load(n):
    for number in range(n):
        App.table[number] = Record(number)


def grow(n):
    for _ in range(n):
        key = len(App.grown)
        App.grown[key] = [key, "entry %d" % key]  # line: grow
    return len(App.grown)


def read(n):
    """Take and drop references to that many of the next records: this writes to their counts."""
    if App.reader is None:
        App.reader = iter(App.table.values())
    return sum(1 for _ in zip(range(n), App.reader))


def fork_many(n):
    """Fork n children that stay and touch as little as they can. -> PIDs"""
    for _ in range(n):
        hold, answer = os.pipe()
        child = os.fork()
        if not child:
            os.close(answer)
            os.read(hold, 1)  # until the worker ends, or `end_children`
            os._exit(0)
        os.close(hold)
        Children.pids.append(child)
        Children.pipes.append(answer)
    return Children.pids


def end_children():
    for answer in Children.pipes:
        os.close(answer)
    for child in Children.pids:
        os.waitpid(child, 0)
    del Children.pipes[:], Children.pids[:]


class Children:
    pids, pipes = [], []


class Reserved:
    kept = []


def own(mib):
    """Memory that only the worker has, all of it used."""
    Reserved.kept.append(b"x" * (mib * MIB))


def reserve(mib, every):
    """Anonymous memory with one page used in every so many; and as much from malloc, with only the
    first and the last page used."""
    area = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(area, "madvise"):
        area.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, mib * MIB, every * mmap.PAGESIZE):
        area[at] = 1
    Reserved.kept += [area, bytes(mib * MIB)]  # the bytes are zeros that calloc() has


def huge(mib):
    """Memory in huge pages, and as much that the kernel may take back when it wants to. -> whether
    the kernel can be asked for it"""
    if not hasattr(mmap, "MADV_HUGEPAGE") or not hasattr(mmap, "MADV_FREE"):
        return False
    for advice in (mmap.MADV_HUGEPAGE, mmap.MADV_NOHUGEPAGE):
        area = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        area.madvise(advice)
        area[:] = b"x" * (mib * MIB)
        Reserved.kept.append(area)
    area.madvise(mmap.MADV_FREE)
    return True


def main():
    load(int(sys.argv[1]))
    gc.collect()
    gc.disable()
    gc.collect = int  # the worker's first collection would write to all of it
    child = os.fork()
    if child:
        # the worker answers; the process that started this knows the parent's pid
        sys.stdin.close()
        os.waitpid(child, 0)
        return
    serve({"grow": grow, "read": read, "fork_many": fork_many, "end_children": end_children, "own": own, "huge": huge, "reserve": reserve})


main()
