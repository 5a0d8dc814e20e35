# SPDX-License-Identifier: BSD-2-Clause
# An interpreter holds objects in every way that a path can express, and says how; the test follows
# the references from outside. Nothing happens between the two.
import collections
import functools
import gc
import io
import os
import sys
import types

app = types.ModuleType("app")
cache = types.ModuleType("app.cache")
sys.modules["app"] = app
sys.modules["app.cache"] = cache


class Session(object):
    __slots__ = ("__weakref__", "link")


class Instance(object):
    pass


class Slotted(object):
    __slots__ = ("first", "held")


# names of classes say how their objects are held
def one(name):
    return type(name, (Session, ), {"__slots__": (), "__module__": "shapes"})()


def make_closure():
    captured = one("Closure")

    def closure():
        return captured

    return closure


def make_keeper():
    kept = [0.5]

    def keeper():
        return kept

    return keeper


def make():
    cache.GLOBAL = one("Global")
    cache.SESSIONS = {"k%d" % i: Session() for i in range(1500)}
    cache.SESSIONS["\x1b[31m"] = one("Hostile")
    cache.LIST = [Session() for _ in range(40)] + [one("InList")]
    cache.BY_NUMBER = {-17: one("ByNumber")}
    cache.NESTED = {"a": [0.5, (1.5, {"b": [one("Nested")]})]}
    cache.SET = {(i + 0.25, ) for i in range(30)}
    cache.DEQUE = collections.deque([i + 0.5 for i in range(1000)] + [[]])
    cache.ORDERED = collections.OrderedDict((i, i) for i in range(20))
    cache.TUPLE = (one("InTuple"), [], {})
    cache.BYTES = bytearray(5000)
    cache.INSTANCE = Instance()
    cache.INSTANCE.held = one("Attribute")
    cache.LOOSE = Instance()
    cache.LOOSE.__dict__["held"] = one("InDict")
    cache.SLOTTED = Slotted()
    cache.SLOTTED.held = one("Slot")
    cache.closure = make_closure()
    cache.keeper = make_keeper()

    def defaults(a, b=one("Default")):
        pass

    @functools.lru_cache(maxsize=100)
    def cached(number):
        return (number, )

    for i in range(60):
        cached(i)
    cache.defaults = defaults
    cache.cached = cached


# n pairs that hold each other, and nothing else does. They lie where no object was before, so that
# no word that was left behind (in a free list, say) happens to be the address of one
def cycles(n):
    members = {"__slots__": ("__dict__", ), "__module__": "shapes", "__del__": lambda self: None}
    cycle, freed = type("Cycle", (Session, ), members), [{i: i} for i in range(200)]
    del freed
    gc.collect()
    for _ in range(n):
        first, second = cycle(), Slotted()
        first.link, second.held = second, first


def paths():
    nested = cache.NESTED["a"][1][1]["b"]
    return (("app.cache.GLOBAL", cache.GLOBAL), ("app.cache.SESSIONS['\x1b[31m']", cache.SESSIONS["\x1b[31m"]),
            ("app.cache.LIST[40]", cache.LIST[40]), ("app.cache.BY_NUMBER[-17]", cache.BY_NUMBER[-17]),
            ("app.cache.NESTED['a'][1][1]['b'][0]", nested[0]), ("app.cache.DEQUE[1000]", cache.DEQUE[1000]),
            ("app.cache.TUPLE[0]", cache.TUPLE[0]), ("app.cache.INSTANCE.held", cache.INSTANCE.held),
            ("app.cache.LOOSE.held", cache.LOOSE.held), ("app.cache.SLOTTED.held", cache.SLOTTED.held),
            ("app.cache.closure closure `captured`", cache.closure.__closure__[0].cell_contents),
            ("app.cache.defaults default argument `b`", cache.defaults.__defaults__[0]),
            ("app.cache.defaults", cache.defaults))


def containers():
    nested = cache.NESTED["a"]
    return (("app.cache.SESSIONS", cache.SESSIONS), ("app.cache.LIST", cache.LIST), ("app.cache.NESTED", cache.NESTED),
            ("app.cache.NESTED['a']", nested), ("app.cache.NESTED['a'][1][1]['b']", nested[1][1]["b"]),
            ("app.cache.SET", cache.SET), ("app.cache.DEQUE", cache.DEQUE), ("app.cache.ORDERED", cache.ORDERED),
            ("app.cache.BYTES", cache.BYTES), ("app.cache.TUPLE[1]", cache.TUPLE[1]),
            ("app.cache.LOOSE", cache.LOOSE.__dict__), ("app.cache", cache.__dict__),
            ("app.cache.keeper closure `kept`", cache.keeper.__closure__[0].cell_contents))


# gc.get_referents() leaves keys out that are str
def referents(each):
    if isinstance(each, dict):
        return list(each) + list(each.values())
    return gc.get_referents(each)


def main():
    make()
    gc.collect()
    gc.disable()
    cycles(40)
    wait = io.FileIO(0, closefd=False).read
    batch = [one("Local")]
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    say = ["runtime %x %x %x %d %d" % (id(type), id(type(main.__code__)), id(None), sys.version_info[1], not gil)]
    say += ["object %x %s" % (id(each), path) for path, each in paths()]
    say += ["container %x %d %s" % (id(each), len(each), path) for path, each in containers()]
    say += ["container %x 1 local `batch` of main" % id(batch)]
    say += ["refers %x %s" % (id(each), " ".join("%x" % id(other) for other in referents(each)))
            for path, each in containers() if not isinstance(each, bytearray)]
    nested = cache.NESTED
    way = [sys.modules, cache, cache.__dict__, nested, nested["a"], nested["a"][1], nested["a"][1][1],
           nested["a"][1][1]["b"], nested["a"][1][1]["b"][0]]
    say += ["chain %s" % " ".join("%x" % id(each) for each in way)]
    say += ["slot %x %x" % (id(cache.SLOTTED.held), id(cache.SLOTTED))]
    del nested, way
    say += ["references %d" % (sys.getrefcount(cache.NESTED["a"]) - 1)]
    os.write(1, ("\n".join(say) + "\nready\n").encode())
    wait()


main()
