# SPDX-License-Identifier: BSD-2-Clause
"""Grows by as many objects as test_ways_growing.c knows, one step for each byte that it reads."""
import atexit
import collections
import ctypes
import functools
import gc
import io
import os
import sys
import types


class Item(object):
    def __init__(self):
        self.text = "%r" % id(self)


class User(object):
    def __init__(self):
        self.history = []


class Visit(object):
    pass


class Node(object):
    def __init__(self, before):
        self.before = before


class Task(object):
    pass


class Pair(object):
    pass


class Lost(object):
    pass


class Scratch(object):
    pass


def keeper():
    kept = set()

    def keep(task):
        kept.add(task)
    return keep


class Answer(object):
    pass


class Bounded(Answer):
    pass


class Line(object):
    pass


class Closing(object):
    def close(self):
        pass


def caches():
    @functools.lru_cache(maxsize=None)
    def forever(number):
        return Answer()

    @functools.lru_cache(maxsize=5000)
    def up_to(number):
        return Bounded()
    return forever, up_to


def step(app, number):
    for i in range(100):
        app.CACHE["%d.%d" % (number, i)] = Item()
    for user in app.USERS.values():
        user.history.extend(Visit() for _ in range(4))
    for i in range(60):
        app.LAST = Node(app.LAST)
    for i in range(30):
        app.keep(Task())
    for i in range(40):
        pair = Pair()
        pair.itself = pair
    for i in range(20):
        lost = Lost()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
    # as many as before, and never the same
    app.SCRATCH.clear()
    app.SCRATCH.extend(Scratch() for _ in range(300))
    for i in range(70):
        app.forever((number, i))
    for i in range(80):
        app.up_to((number, i))
    app.LINES.extend(Line() for _ in range(90))
    for i in range(50):
        atexit.register(Closing().close)


def main():
    app = sys.modules["app"] = types.ModuleType("app")
    app.CACHE, app.USERS, app.LAST, app.SCRATCH = {}, {i: User() for i in range(50)}, None, []
    app.keep = keeper()
    app.forever, app.up_to = caches()
    app.LINES = collections.deque(maxlen=7000)
    ctypes.pythonapi.Py_IncRef.restype = None
    gc.collect()
    gc.disable()
    read = io.FileIO(0, closefd=False).read
    for number in range(3):
        step(app, number)
    os.write(1, b"grown\nready\n")
    while read(1):
        number += 1
        step(app, number)
        os.write(1, b"grown\nready\n")


main()
