# SPDX-License-Identifier: BSD-2-Clause
"""C code that allocates in greenlets: their C stacks occupy the same memory in turn, and are copied
out and back."""
import ctypes
import os

import gevent
import greenlet

from serve import serve, where

here = os.path.dirname(os.path.abspath(__file__))
lib = ctypes.CDLL(here + "/native.so")
lib.keep.restype = ctypes.c_void_p


def deeper(depth, size):
    """Another height of the C stack at each call: greenlets end up in different places."""
    if depth:
        return list(map(deeper, [depth - 1], [size]))[0]
    return lib.keep(size) and where()


def body(depth, size):
    """A greenlet's code: allocates, switches back to the one that started it, allocates, starts the
    next one, allocates."""
    stacks = [deeper(depth, size)]
    greenlet.getcurrent().parent.switch()
    stacks.append(deeper(depth + 1, size))
    if depth:
        inner = greenlet.greenlet(body)
        inner.switch(depth - 1, size)
        # it waits now, and its part of the stack is ours again: its frames have been copied away
        stacks.append(deeper(depth + 10, size))
        stacks += inner.switch()
    return stacks + [lib.keep(size) and where()]


def nested(size):
    """Greenlets nested three deep. -> the stack of each allocation, as Python knows it"""
    outermost = greenlet.greenlet(body)
    outermost.switch(2, size)
    here = [deeper(15, size)]
    # from another height than it was begun at: what lies above its part of the stack is another by
    # now
    stacks = list(map(lambda run: run.switch(), [outermost]))[0]
    return here + stacks + [deeper(0, size)]


def worker(number, rounds, size):
    """A gevent greenlet: the hub starts it, and every wait goes through the hub."""
    stacks = []
    for i in range(rounds):
        stacks.append(deeper((number + i) % 3, size))
        gevent.sleep(0)
    return stacks


def hub(n, rounds, size):
    jobs = [gevent.spawn(worker, number, rounds, size) for number in range(n)]
    gevent.joinall(jobs)
    return sum((job.value for job in jobs), [])


if __name__ == "__main__":
    for _ in range(3):
        nested(100)
        hub(2, 2, 100)
    serve({"nested": nested, "hub": hub})
