# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests of `pyleaktrace holders`, `chain` and `backrefs` look at: objects held in
every possible way, each of a class of its own, and the target's own account of how they are
held."""
import atexit
import collections
import ctypes
import functools
import gc
import os
import sys
import threading
import types
import weakref

import serve


class Held(object):
    """An object that is held in some way; its class is made for it, and the name says which way."""
    __slots__ = ("__weakref__", "link")


kinds = {}
threads = []
gate = threading.Event()
app = types.ModuleType("app")
cache = types.ModuleType("app.cache")
sys.modules["app"] = app
sys.modules["app.cache"] = cache


def one(name):
    """A new object, the only one of its class; the class must not be on any chain."""
    kinds[name] = type(name, (Held, ), {"__slots__": (), "__module__": "shapes"})
    return kinds[name]()


class Instance(object):
    pass


class Slotted(object):
    __slots__ = ("number", "held")


class Method(object):
    __slots__ = ("held", )

    def call(self):
        pass


def wait_in_frame():
    batch = one("InFrame")
    gate.wait()
    return batch


def wait_with_local(local):
    local.mine = one("ThreadLocal")
    gate.wait()


def start(function, *arguments):
    threads.append(threading.Thread(target=function, args=arguments, name="worker-%d" % len(threads), daemon=True))
    threads[-1].start()


def make_closure():
    captured = one("Closure")

    def closure():
        return captured

    return closure


def make_generator():
    inside = one("Generator")
    yield 1
    yield inside


async def coroutine():
    waited = one("Coroutine")
    await sleeper()
    return waited


@types.coroutine
def sleeper():
    yield


def shapes():
    """Make them all."""
    cache.GLOBAL = one("Global")
    cache.SESSIONS = {"k%d" % i: i for i in range(5000)}
    cache.SESSIONS["wanted"] = one("InDict")
    cache.BY_NUMBER = {-17: one("ByNumber")}
    cache.NESTED = {"a": [0, (1, {"b": [one("Nested")]})]}
    cache.LIST = [None] * 3000 + [one("InList")]
    cache.SET = {1, one("InSet")}
    cache.DEQUE = collections.deque(range(1000))
    cache.DEQUE.rotate(100)
    cache.DEQUE[700] = one("Deque")
    cache.ORDERED = collections.OrderedDict((i, i) for i in range(2000))
    cache.ORDERED["x"] = one("Ordered")
    cache.INSTANCE = Instance()
    cache.INSTANCE.first = 1
    cache.INSTANCE.held = one("Instance_")
    cache.LOOSE = Instance()
    cache.LOOSE.__dict__["held"] = one("Dict_")  # has a dict of its own
    cache.SLOTTED = Slotted()
    cache.SLOTTED.held = one("Slot")
    cache.Class = type("WithAttribute", (object, ), {})  # no global of this module: one way is the shortest
    cache.Class.held = one("ClassAttribute")
    cache.METHODS = [bound(one("Bound"))]
    atexit.register(print, one("AtExit"))
    cache.closure = make_closure()

    def defaults(a, b=one("Default"), *, c=None):
        pass

    def keywords(a, b=None, *, c=one("KeywordDefault")):
        pass

    cache.defaults = defaults
    cache.keywords = keywords

    @functools.lru_cache(maxsize=5000)
    def cached(number):
        return one("Cached") if number == 7 else number * 1000

    for i in range(3000):
        cached(i)
    cache.cached = cached
    cache.partial = functools.partial(print, one("Partial"))
    cache.generator = make_generator()
    next(cache.generator)
    cache.coroutine = coroutine()
    cache.coroutine.send(None)
    weak = one("Weak")
    cache.WEAK = weakref.ref(weak)
    cache.ZZZ = [[[[weak]]]]
    start(wait_in_frame)
    start(wait_with_local, threading.local())
    while "InFrame" not in kinds or "ThreadLocal" not in kinds:
        threading.Event().wait(0.01)


def bound(held):
    owner = Method()
    owner.held = held
    return owner.call


class Filler(object):
    pass


def lost(n):
    """n objects held by one reference too many, each with a part. They lie where no object was
    before, so that no leftover word (above the end of a frame's stack, say) happens to be the
    address of one."""
    fillers.extend(Filler() for _ in range(3000))
    made = [one("Lost") if not i else kinds["Lost"]() for i in range(n)]
    for each in made:
        each.link = Slotted()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))


fillers = []


class Closing(object):
    def __del__(self):
        pass


def cycles(n):
    """n pairs that hold each other and that nothing else holds."""
    for i in range(n):
        first, second = one("Cycle") if not i else kinds["Cycle"](), Slotted()
        first.link, second.held = second, first


def closing(n):
    """n objects with __del__ that hold themselves. Their dicts come from free lists, which contain
    leftover words."""
    for _ in range(n):
        made = Closing()
        made.me = made


def addresses():
    """Address of the one object of each class."""
    found = {}
    for each in gc.get_objects():
        if isinstance(each, Held):
            found.setdefault(type(each).__name__, []).append(id(each))
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1}


def grow(n):
    cache.SESSIONS.update(("more%d" % i, i) for i in range(len(cache.SESSIONS), len(cache.SESSIONS) + n))
    return len(cache.SESSIONS)


def chain(name):
    """What objgraph finds from the module: [[type, id], ...]"""
    import objgraph
    wanted = [each for each in gc.get_objects() if type(each) is kinds[name]][0]
    frames = [id(sys._getframe()), id(sys._getframe().f_locals)]
    found = objgraph.find_backref_chain(wanted, lambda each: each is cache, extra_ignore=frames)
    return [[type(each).__name__, id(each)] for each in found]


def chains(names):
    return {name: chain(name) for name in names}


def many(n):
    """n objects for the benchmark."""
    cache.MANY = [Instance() for _ in range(n // 2)]
    for i, each in enumerate(cache.MANY):
        each.number, each.name = i, "name %d" % i
    return len(gc.get_objects())


if __name__ == "__main__":
    serve.serve({f.__name__: f for f in (shapes, lost, cycles, closing, addresses, grow, chains, many)})
