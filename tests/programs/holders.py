# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests of growing containers look at: several that grow, each by a thread of its
own, at known lines and at distinct rates, among others that come and go by the million."""
import collections
import sys
import threading
import types

from heap_watch import Worker
import serve

app = types.ModuleType("app")
cache = types.ModuleType("app.state")
sys.modules["app"] = app
sys.modules["app.state"] = cache


class Registry(object):
    pass


cache.BY_NAME = {"n%d" % i: i for i in range(100)}
cache.LOG = [None] * 100
cache.SEEN = set(range(100))
cache.QUEUE = collections.deque(range(100))
cache.FULL = {i: None for i in range(100)}  # grows at first only
cache.REGISTRY = Registry()
for attribute in range(100):
    cache.REGISTRY.__dict__["a%d" % attribute] = None
made = [1000]


def name_it(number):
    cache.BY_NAME["n%d" % number] = number  # line: by name


def log_it(number):
    for _ in range(2):
        cache.LOG.append(number)  # line: log


def see_it(number):
    for i in range(4):
        cache.SEEN.add((number, i))  # line: seen


def queue_it(number):
    for _ in range(9):
        cache.QUEUE.append(number)  # line: queued
    cache.QUEUE.popleft()  # line: taken


def numbers(n):
    made[0] += n
    return range(made[0] - n, made[0])


def churn(n):
    """3 n containers, none of which stays."""
    for number in range(n):
        one = {number: [number]}
        one[0] = {number}


def grow(n):
    for number in numbers(n):
        name_it(number)
        log_it(number)
        see_it(number)
        queue_it(number)
        churn(3)


def warm(n):
    for number in numbers(n):
        cache.FULL[number] = None  # line: warm


def name_all(n):
    for number in numbers(n):
        name_it(number)


def log_all(n):
    for number in numbers(n):
        log_it(number)


workers = [Worker(), Worker()]


def among_churning(n, churned):
    """Two existing threads and one that starts now fill two containers, while the main thread makes
    and drops containers."""
    workers.append(Worker())
    for worker in workers:
        worker.jobs.put((name_all, {"n": n}))
        worker.jobs.put((log_all, {"n": n}))
    churn(churned // 3)
    for worker in workers:
        for _ in range(2):
            worker.results.get()
    return len(cache.BY_NAME), len(cache.LOG)


def work(n):
    grow(n)
    return made[0]


def in_thread(n):
    workers[0].call(grow, n=n)
    return made[0]


def warm_up(n):
    warm(n)
    return len(cache.FULL)


serve.serve({"among_churning": among_churning, "work": work, "in_thread": in_thread, "warm_up": warm_up})
