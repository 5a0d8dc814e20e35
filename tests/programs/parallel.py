# SPDX-License-Identifier: BSD-2-Clause
"""Threads that really allocate and free at the same time, where there is no GIL. Every number is
known: each of n_threads threads makes n blocks on one marked line, and keeps n_keep of them.

The thread that allocates is not the one that frees: blocks, code objects and cycles pass through
other threads' hands.
"""
import gc
import queue
import sys
import threading

from serve import serve, turns

kept = {}
unit = b"x"


class Small(object):
    __slots__ = ("left", "right")


class Cycle(object):
    __slots__ = ("other",)


def at_once(n_threads, function, *args):
    """function(number, *args) in each of the threads, which start together; returns their
    results."""
    barrier = threading.Barrier(n_threads)
    results = [None] * n_threads

    def run(number):
        # a thread gets its table of reference counts when it first makes an instance of a class
        # (3.14t)
        Small(), Cycle()
        barrier.wait()
        results[number] = function(number, *args)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# ---- many threads, one line ----------------------------------------------------------------------

def make_own(order, keep):
    for index in order:
        keep[index] = Small()  # line: own


def own(number, n, n_keep):
    keep = [None] * n_keep
    make_own(turns(n, keep), keep)
    return keep


def own_objects(n_threads, n, n_keep):
    kept["own"] = at_once(n_threads, own, n, n_keep)


# ---- all in one list: each block is dropped by the thread that comes next ------------------------

def make_shared(order, keep, size):
    for index in order:
        keep[index] = unit * size  # line: shared


def shared(number, order, keep, size):
    make_shared(order, keep, size - sys.getsizeof(b""))


def shared_list(n_threads, n, n_keep, size):
    keep = kept["shared"] = [None] * n_keep
    at_once(n_threads, shared, turns(n, keep), keep, size)


# ---- one makes, the other frees ------------------------------------------------------------------

def make_handed_over(order, to):
    for _ in order:
        to.put(Small())  # line: handed_over


def hand_over(number, pipes, n, n_keep):
    """An even thread makes for the odd one after it, which keeps the last n_keep."""
    if number % 2 == 0:
        make_handed_over(range(n), pipes[number // 2])
        return None
    keep = [None] * n_keep
    for index in turns(n, keep):
        keep[index] = pipes[number // 2].get()
    return keep


def handed_over(n_threads, n, n_keep):
    pipes = [queue.Queue(100) for _ in range(n_threads // 2)]
    kept["handed_over"] = at_once(n_threads, hand_over, pipes, n, n_keep)


# ---- short threads, one after the other: what belongs to a thread is used again ------------------

def make_short(number, keep, index, size):
    keep[index + number] = unit * size  # line: short


def short_threads(n, size):
    """The collector runs in between and frees what ended threads have left."""
    keep = kept["short"] = [None] * (2 * n)
    for index in range(0, 2 * n, 2):
        at_once(2, make_short, keep, index, size - sys.getsizeof(b""))
        if index % 20 == 18:
            gc.collect()


# ---- code objects that die in one thread while others run theirs ---------------------------------

SOURCE = "def made_%d_%d():\n%s\treturn unit * size\n"


def make_functions(number, n, size):
    """Functions that are made and called once. They are freed when the collector runs, which is the
    first thread's task; then any thread may reuse their memory."""
    answers = []
    names = {"unit": unit, "size": size - sys.getsizeof(b"")}
    for index in range(n):
        exec(SOURCE % (number, index, "\n" * (index % 50)), names)
        answers.append(names.pop("made_%d_%d" % (number, index))())
        if number == 0 and index % 10 == 9:
            gc.collect()
    return answers


def dying_code(n_threads, n, size):
    """-> {function: the line of its block}"""
    kept["dying"] = at_once(n_threads, make_functions, n, size)
    return dict(("made_%d_%d" % (number, index), 2 + index % 50) for number in range(n_threads) for index in range(n))


# ---- generators that wander ----------------------------------------------------------------------

def wanderer(size):
    while True:
        yield unit * size  # line: wanderer


def wandering_generators(n_threads, n, size):
    """n generators, started here, then resumed once by every thread."""
    generators = [wanderer(size - sys.getsizeof(b"")) for _ in range(n)]
    keep = kept["wanderer"] = [next(generator) for generator in generators]
    for _ in range(n_threads):
        keep.extend(at_once(1, lambda number: [next(generator) for generator in generators])[0])
    kept["generators"] = generators


# ---- cycles: made by several threads, freed by the one that collects -----------------------------

def make_cycles(number, n):
    """The last one is kept."""
    for _ in range(n):
        first, second = Cycle(), Cycle()  # line: cycles
        first.other, second.other = second, first
    return first


def cycles(n_threads, n):
    kept["cycles"] = at_once(n_threads, make_cycles, n)
    gc.collect()


for _ in range(2):
    own_objects(2, 400, 20)
    shared_list(2, 400, 20, 100)
    handed_over(2, 400, 20)
    wandering_generators(2, 2, 100)
    short_threads(2, 100)
    make_functions(0, 2, 100)
    cycles(2, 10)
kept.clear()
serve({"own": own_objects, "shared": shared_list, "handed_over": handed_over, "short": short_threads,
       "dying": dying_code, "wandering": wandering_generators, "cycles": cycles})
