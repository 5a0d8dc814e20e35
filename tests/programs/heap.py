# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests of the heap commands look at: it reports what is in its own heap, and makes
known amounts more."""
import collections
import gc
import json
import os
import sys
import threading
import time

import serve

kept = {}
threads = []
rounds = [0]


class Session(object):
    def __init__(self, number):
        self.number = number
        self.name = "session"


class Slotted(object):
    __slots__ = ("number", "other")


class Steady(object):
    pass


class Packed(object):
    __slots__ = ("number", )


class Items(list):
    __slots__ = ()


class Mapping(dict):
    __slots__ = ()


class Members(set):
    __slots__ = ()


class Raw(bytearray):
    __slots__ = ()


class Ring(collections.deque):
    __slots__ = ()


class Ordered(collections.OrderedDict):
    __slots__ = ()


def slotted(number):
    made = Slotted()
    made.number = made.other = None
    return made


MAKERS = {
    "Session": Session,
    "Slotted": slotted,
    "float": lambda i: i + 0.5,
    "complex": lambda i: complex(i, 1),
    "small bytes": lambda i: b"%07d" % i,
    "large bytes": lambda i: b"%07d" % i * 200,
    "mapped bytes": lambda i: b"%07d" % i * 40000,
    "str": lambda i: "pyleaktrace %d" % i,
    "wide str": lambda i: "\u20ac%d" % i,
    "long str": lambda i: "pyleaktrace %7d" % i * 100,
    "int": lambda i: (1 << 80) + i,
    "frozenset": lambda i: frozenset((i, )),
}


def make(kind, n):
    """Make n more of a kind and keep them; returns what sys.getsizeof() says of one."""
    kept.setdefault(kind, []).append([MAKERS[kind](i) for i in range(1000, 1000 + n)])
    return sys.getsizeof(kept[kind][-1][-1])


def containers(n):
    """One of each, with n items: what sys.getsizeof() says."""
    kept["containers"] = made = {
        "Items": Items(range(n)),
        "Mapping": Mapping((i, i) for i in range(n)),
        "Members": Members(range(n)),
        "Raw": Raw(n),
        "Ring": Ring(range(n)),
        "Ordered": Ordered((i, i) for i in range(n)),
    }
    return {name: sys.getsizeof(one) for name, one in made.items()}


def stand():
    """Report how many objects of each type the collector tracks, then stand still until there is a
    byte to read."""
    if hasattr(gc, "unfreeze"):
        gc.unfreeze()  # 3.12 freezes what is immortal, which gc.get_objects() leaves out then
    counts = {"tuple": 0}
    objects = one = kind = name = None
    objects = gc.get_objects()
    for one in objects:
        kind = type(one)
        name = kind.__qualname__ if kind.__module__ == "builtins" else kind.__module__ + "." + kind.__qualname__
        counts[name] = counts.get(name, 0) + 1
    objects = one = kind = None
    os.write(1, (json.dumps({"done": counts}) + "\n").encode())
    os.read(0, 1)


def ended(n_threads, n):
    """Threads make objects and end; this one drops half of them, and two dozen more rounds of what
    a thread made."""
    made = []

    def work():
        for i in range(n):
            made.append((Session(i), complex(i, 5), b"%07d" % i * 200))

    for round_ in range(24 + n_threads):
        if round_ == 24:
            kept.setdefault("ended", []).append(made)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if round_ < 24:
            del made[:]
    del made[::2], thread


def interpreter(n):
    """Another interpreter, with n objects of its own of each of three types."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    run = getattr(interpreters, "exec", None) or interpreters.run_string
    kept["interpreters"] = interpreters
    kept["interpreter"] = interpreters.create()
    run(kept["interpreter"], INSIDE % (n, n, n))


INSIDE = """
class Inside(object):
    __slots__ = ("number", )
class Large(bytes):
    __slots__ = ()
kept = [Inside() for _ in range(%d)], [complex(i, 7) for i in range(%d)], [Large(b"%%07d" %% i * 200) for i in range(%d)]
"""


def close_interpreter():
    interpreters = kept.pop("interpreters")
    interpreters.destroy(kept.pop("interpreter"))


def churn(n):
    """A thread makes and drops objects forever, also of the classes of which n stay: returns how
    many of each there are."""
    kept["steady"] = [[Steady() for _ in range(n)], [Packed() for _ in range(n)], [complex(i, 2) for i in range(n)]]

    def work():
        held = []
        while True:
            held.append([Session(len(held)), {"key": str(len(held))}, (len(held), ), b"%d" % len(held)])
            if len(held) == 3000:
                held = held[2000:]
            Steady()
            Packed()
            complex(len(held), 3)
            rounds[0] += 1

    threads.append(threading.Thread(target=work, daemon=True))
    threads[-1].start()
    return {"__main__.Steady": n, "__main__.Packed": n, "complex": n + len(kept.get("complex", [[]])[0])}


def churned():
    """How many rounds that thread has done."""
    return rounds[0]


def garbage(n):
    gc.garbage.extend(range(n))


def collector(on, first):
    (gc.enable if on else gc.disable)()
    gc.set_threshold(first, 11, 12)


def freeze(n):
    """n more lists, which the collector leaves alone."""
    kept.setdefault("frozen", []).append([[] for _ in range(n)])
    if hasattr(gc, "freeze"):
        gc.freeze()
    gc.collect(0)


def collections():
    """How many objects are frozen, and how often the collector ran."""
    return [gc.get_freeze_count() if hasattr(gc, "freeze") else None, [row["collections"] for row in gc.get_stats()]]


def ballast(n, containers_too):
    """n objects for the benchmark: instances and strings, or floats alone."""
    kept["ballast"] = [Session(i) for i in range(n // 2)] if containers_too else [i + 0.5 for i in range(n)]
    return len(gc.get_objects())


def work(cpu_s):
    """Make and drop objects for so much CPU time, for the benchmark: operations, CPU seconds."""
    held = {}
    done = 0
    begin = time.process_time()
    while time.process_time() - begin < cpu_s:
        for i in range(5000):
            held[i] = [Session(i), {"key": str(i)}, (i, done)]
        done += 5000
    return [done, time.process_time() - begin]


def most_common():
    """Seconds that objgraph takes in this process, and its result; None if it is not installed."""
    try:
        import objgraph
    except ImportError:
        return None
    begin = time.monotonic()
    found = objgraph.most_common_types(limit=10)
    return [time.monotonic() - begin, found]


if __name__ == "__main__":
    for each in MAKERS:
        make(each, 10)
    json.dumps({"done": {"tuple": 0}})
    serve.serve({f.__name__: f for f in (make, ended, interpreter, close_interpreter, containers, stand, churn, churned, garbage, collector, freeze, collections,
                                           ballast, work, most_common)})
