# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests of a watch below a ceiling look at: a program that works all the time, leaks
at known lines, and does the same whether it is watched or not.

    think(n)           hardly any of that: n times a digest of a page
    ask(n)             no memory of C, but n times a thousand system calls
    work(n)            n steps: objects and text come and go; a digest of all that was computed
    collect(n)         the same, and one object of each step stays in app.cache.SESSIONS
    collect_slowly(n)  one object each time, and between them memory in bulk: 50 MiB
    lose_alone(n)      only memory of C that is never freed
    lose(n)            work(n), and memory of C that is never freed
    grow_alone(n)      little but lists that grow to 40 items, one by one, and stay
    cycle(n)           work(n), and pairs of objects that refer to each other, never collected
"""
import ctypes
import hashlib
import os
import sys
import types

import bulk
import serve

app = types.ModuleType("app")
cache = types.ModuleType("app.cache")
sys.modules["app"] = app
sys.modules["app.cache"] = cache
cache.SESSIONS = {"k%d" % i: i for i in range(100)}

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.free.argtypes = [ctypes.c_void_p]
LOST = 700  # bytes
KEPT = []
PAGE = bytes(300000)


class Node(object):
    def __init__(self, number):
        self.number = number
        self.name = "node-%d" % number
        self.place = (number, number + 1)
        self.other = None


class Session(Node):
    pass


state = {"step": 0, "digest": hashlib.sha256()}


def step():
    state["step"] += 1
    n = state["step"]
    nodes = [Node(1000 + n * 7 + i) for i in range(20)]
    text = ",".join(sorted(node.name for node in nodes))
    LIBC.free(LIBC.malloc(600))
    state["digest"].update(text.encode())
    return n


def done(n):
    return {"steps": state["step"], "digest": state["digest"].hexdigest(), "n": n}


def think(n):
    for _ in range(n):
        hashlib.sha256(PAGE)
    return n


def ask(n):
    for _ in range(1000 * n):
        os.getppid()
    return n


def work(n):
    for _ in range(n):
        step()
    return done(n)


def collect(n):
    for _ in range(n):
        number = step()
        session = Session(number)  # line: made
        cache.SESSIONS[number] = session  # line: inserted
    return done(n)


def collect_slowly(n):
    for _ in range(n):
        cache.SESSIONS[len(cache.SESSIONS)] = Session(n)  # line: inserted slowly
        for _ in range(50):
            bulk.fill()
    return n


def lose(n):
    for _ in range(n):
        step()
        LIBC.malloc(LOST)  # line: lost
    return done(n)


def lose_alone(n):
    for _ in range(n):
        LIBC.malloc(LOST)  # line: lost alone
    return n


def grow_alone(n):
    for _ in range(n):
        hashlib.sha256(PAGE)
        grown = []
        for _ in range(40):
            grown.append(None)  # line: grown
        KEPT.append(grown)
    return n


def cycle(n):
    for _ in range(n):
        number = step()
        one, two = Session(number), Session(number)  # line: cycle
        one.other, two.other = two, one
    return done(n)


for warm in (work, collect, lose, cycle):
    warm(10)

workloads = {function.__name__: function for function in (think, ask, work, collect, collect_slowly, lose, lose_alone, grow_alone, cycle)}
serve.serve(dict(workloads, allocators=serve.allocators))
