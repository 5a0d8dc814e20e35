# SPDX-License-Identifier: BSD-2-Clause
"""A service of a steady load that leaks at a steady rate, or not at all.

usage: detection_service.py healthy|container|class|str|strdup|cycle PER_S

Requests come at fixed times, whether the ones before are done or not, and so do the leaks. It is
busy for about 30 % of a core, and makes about a million allocations a second, most of them JSON.
What it drops has cycles, so that memory goes up and down with the collector.

It says {"ready": ...} when it is warm, then once a second how many requests came, how many leaked,
what that cost, and how late it is. It ends when its stdin is closed.
"""
import collections
import ctypes
import gc
import itertools
import json
import os
import select
import sys
import time

REQUESTS_PER_S = 50
SHARE = 0.3  # of a core
TURNS = 145  # of JSON in a request, of 138 allocations each: a million a second
VISITS = 20  # in a request: a full collection each half minute
WARM_S = 3
HELD_S = 3  # what comes with a request is dropped so much later
RECORD = {"id": 1, "items": [{"name": "item %d" % i, "price": i * 1.5} for i in range(8)]}

python, libc = ctypes.pythonapi, ctypes.CDLL(None)
python.Py_IncRef.argtypes, python.Py_IncRef.restype = [ctypes.py_object], None
libc.strdup.argtypes, libc.strdup.restype = [ctypes.c_char_p], ctypes.c_void_p

SESSIONS = {}


class Message:
    def __init__(self, n):
        self.text = "message %d, as the extension got it" % n


class Order:
    def __init__(self, n):
        self.title = "order %d" % n
        self.lines = [Line(self, 0), Line(self, 1)]  # leaks here: cycle


class Line:
    def __init__(self, order, number):
        self.order = order
        self.number = number


def remember(n):
    SESSIONS[n] = {"user": "user %d" % n, "page": "/orders/%d" % n}  # leaks here: container


def send(n):
    message = Message(n)  # leaks here: class
    python.Py_IncRef(message)  # leaks here: class


def encode(n):
    text = "value %d %s" % (n, "x" * 200)  # leaks here: str
    python.Py_IncRef(text)  # leaks here: str


def copy(n):
    libc.strdup(b"name of request %d " % n * 10)  # leaks here: strdup


class Held:
    """What is in use for HELD_S; then it is dropped."""

    def __init__(self):
        self.rows = collections.deque()

    def add(self, now, row):
        self.rows.append((now + HELD_S, row))
        while self.rows[0][0] <= now:
            self.rows.popleft()


open_orders = Held()


def place(n):
    open_orders.add(time.monotonic(), Order(n))  # leaks here: cycle


LEAKS = {"container": remember, "class": send, "str": encode, "strdup": copy, "cycle": place}


class Visit:
    """Of a request; it refers to itself by what it has."""

    def __init__(self, n):
        self.number = n
        self.back = [self]


def parse_and_answer(turns):
    for _ in range(turns):
        json.loads(json.dumps(RECORD))


def think(steps):
    """Allocates nothing."""
    for _ in itertools.repeat(None, steps):
        pass


def cost(work, n):
    """CPU seconds of one turn."""
    took = []
    for _ in range(9):
        begin = time.thread_time()
        work(n)
        took.append((time.thread_time() - begin) / n)
    return sorted(took)[len(took) // 2]


class Service:
    def __init__(self, kind, per_s):
        self.leak, self.per_s = LEAKS.get(kind), per_s
        self.steps = self.steps_left()
        self.visits = Held()
        # where cycles leak, those of the service are dropped before they are old
        self.are_visits_held = kind != "cycle"
        self.requests = self.leaked = 0
        self.late_s = 0.0  # at most, since it was said
        self.began = time.monotonic()

    @staticmethod
    def steps_left():
        """Of the share, what JSON leaves."""
        rest_s = SHARE / REQUESTS_PER_S - TURNS * cost(parse_and_answer, 200)
        return max(0, round(rest_s / cost(think, 20000)))

    @property
    def due(self):
        return self.began + self.requests / REQUESTS_PER_S

    def visit(self):
        for i in range(VISITS):
            visit = Visit(self.requests + i)
            if self.are_visits_held:
                self.visits.add(time.monotonic(), visit)

    def leak_what_is_due(self):
        while self.leak and self.leaked < self.per_s * self.requests / REQUESTS_PER_S:
            self.leak(self.leaked)
            self.leaked += 1

    def request(self):
        self.visit()
        parse_and_answer(TURNS)
        think(self.steps)
        self.late_s = max(self.late_s, time.monotonic() - self.due - 1 / REQUESTS_PER_S)
        self.requests += 1
        self.leak_what_is_due()

    def say(self, key):
        facts = {
            key: self.requests,
            "leaked": self.leaked,
            "cpu_s": time.process_time(),
            "late_s": self.late_s,
        }
        self.late_s = 0.0
        print(json.dumps(facts), flush=True)

    def run(self):
        while not select.select([0], [], [], max(0, self.due - time.monotonic()))[0]:
            self.request()
            if self.requests % REQUESTS_PER_S == 0:
                is_warm = self.requests == WARM_S * REQUESTS_PER_S
                self.say("ready" if is_warm else "requests")


def main():
    kind, per_s = sys.argv[1], float(sys.argv[2])
    if kind == "cycle":
        gc.set_threshold(200, 5, 1000000)  # the oldest generation is never collected
    Service(kind, per_s).run()
    os._exit(0)  # what has leaked would delay a tidy end


main()
