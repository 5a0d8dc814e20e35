# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests of `pyleaktrace watch` look at: containers of every kind, which threads fill
and empty on command among many that churn. Every change is made at a known line."""
import collections
import ctypes
import functools
import os
import queue
import sys
import threading
import types

import bulk
import serve

app = types.ModuleType("app")
cache = types.ModuleType("app.cache")
sys.modules["app"] = app
sys.modules["app.cache"] = cache


class Instance(object):
    pass


@functools.lru_cache(maxsize=None)
def cached(number):
    return str(number)


cache.SESSIONS = {"k%d" % i: i for i in range(100)}
cache.LIST = [None] * 10
cache.SET = {"s%d" % i for i in range(10)}
cache.DEQUE = collections.deque(range(10))
cache.ORDERED = collections.OrderedDict((i, i) for i in range(10))
cache.BYTES = bytearray(10)
cache.INSTANCE = Instance()
cache.INSTANCE.__dict__["first"] = 1  # a dict of its own, in every version
cache.NESTED = {"eu": [Instance(), {"deep": {}}]}
cache.cached = cached
cache.ALIAS = cache.SESSIONS
cache.TUPLE = (1, [2])
cache.KIND = int
cache.MORTAL = Instance()


class Lonely(Instance):
    pass


cache.LONELY = Lonely()
made = [0]
kept = []


class Worker(object):
    """A thread that does whatever is put into its queue."""

    def __init__(self):
        self.jobs, self.results = queue.Queue(), queue.Queue()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            function, arguments = self.jobs.get()
            self.results.put(function(**arguments))

    def call(self, function, **arguments):
        self.jobs.put((function, arguments))
        return self.results.get()


def fresh(n):
    """This many keys that were never used before."""
    made[0] += n
    return ["n%d" % i for i in range(made[0] - n, made[0])]


def insert(n, **_):
    for key in fresh(n):
        cache.SESSIONS[key] = key  # line: insert


def update(n, **_):
    cache.SESSIONS.update(dict.fromkeys(fresh(n)))  # line: update


def replace_values(n, **_):
    """No key is new: the size stays."""
    for key in list(cache.SESSIONS)[:n]:
        cache.SESSIONS[key] = None


def remove(n, **_):
    for key in list(cache.SESSIONS)[:n]:
        del cache.SESSIONS[key]  # line: remove


def pop(n, **_):
    for _ in range(n):
        cache.SESSIONS.popitem()  # line: pop


def churn(n, **_):
    """Containers that come and go, and one that grows among them."""
    for key in fresh(n):
        {}[key] = [key].append(key)
        {key}.add(1)
        cache.SESSIONS[key] = {key: [key]}  # line: churn


def others(n, **_):
    """Each kind of container: n in, half of them out."""
    for key in fresh(n):
        cache.LIST.append(key)  # line: list
        cache.SET.add(key)  # line: set
        cache.DEQUE.append(key)  # line: deque
        cache.ORDERED[key] = 1  # line: ordered
        cache.BYTES.append(1)  # line: bytearray
        setattr(cache.INSTANCE, key, 1)  # line: instance
        cache.NESTED["eu"][1]["deep"][key] = 1  # line: nested
        cached(key)  # line: lru_cache
        cache.cached(key)  # a hit
    for _ in range(n // 2):
        cache.LIST.pop()  # line: list pop
        cache.SET.pop()  # line: set pop
        cache.DEQUE.popleft()  # line: deque pop
        cache.ORDERED.popitem()  # line: ordered pop
        del cache.BYTES[-1]  # line: bytearray pop


def take(n, **_):
    """Take references in every way and give them back; lose three."""
    for _ in range(n):
        one = cache.SESSIONS
        use(one)
        two = [one, (one, )]
        del one, two
    for _ in range(3):
        lose(cache.SESSIONS)


def use(what):
    return len(what)


def lose(what):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(what))  # line: lose


def keep(n, **_):
    for _ in range(n):
        kept.append(cache.SESSIONS)  # line: keep


def keep_lonely(n, **_):
    for _ in range(n):
        kept.append(cache.LONELY)  # line: keep lonely


def die(**_):
    del cache.MORTAL  # line: die


def clear(**_):
    cached.cache_clear()
    cache.SESSIONS.clear()  # line: clear


def replace(**_):
    cache.SESSIONS = {"another": 1}
    cache.ALIAS = None


def forget(**_):
    del cache.SESSIONS, cache.ALIAS


def fill(n):
    """Memory in bulk: n times a MiB."""
    for _ in range(n):
        bulk.fill()


WORK = {f.__name__: f for f in (insert, update, replace_values, remove, pop, churn, others, clear, replace, forget, take, keep,
                                  keep_lonely, die, fill)}
workers = [Worker(), Worker()]


def work(what, n=0, worker=-1):
    """In the main thread (-1), in one of those that existed before, or (2) in one started for
    it."""
    if worker < 0:
        WORK[what](n=n)
    else:
        if worker == len(workers):
            workers.append(Worker())
        workers[worker].call(WORK[what], n=n)
    return len(getattr(cache, "SESSIONS", ()))


def fork(n):
    """The exit status of a child that fills its copy."""
    child = os.fork()
    if not child:
        insert(n)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def addresses():
    return {name: id(getattr(cache, name)) for name in ("SESSIONS", "LIST", "SET", "DEQUE")}


if __name__ == "__main__":
    serve.serve({f.__name__: f for f in (work, fork, addresses)})
