# SPDX-License-Identifier: BSD-2-Clause
"""The soak's target: a service at full speed that does in minutes what others do in a week, and
stays the size it is.

All that a long watch may gather comes and goes here: containers that grow and are dropped, memory
of C, code, types, threads, stacks of many depths. What is done every so often is done by the clock,
so that a target that is slowed down by being watched leaks as fast as one that is not.

    service.py PERIOD_S     what leaks is dropped every PERIOD_S seconds
    it says `ready`, and ends when its input does
"""
import collections
import ctypes
import gc
import sys
import threading
import time

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.free.argtypes = [ctypes.c_void_p]

SESSIONS = {}
LOST = collections.deque()
NEWEST = collections.deque(maxlen=100)
NAMES = 200  # of code and of types that come and go

# seconds between two
LEAK_S, CODE_S, TYPE_S, THREAD_S = 0.005, 0.1, 0.5, 1.0


class Session:
    def __init__(self, number):
        self.number = number
        self.name = "session-%d" % number
        self.place = (number, number + 1)


def request(number):
    """What the service does: everything made here is gone when it returns."""
    rows = [Session(number + i) for i in range(10)]
    text = ",".join(sorted(row.name for row in rows))
    LIBC.free(LIBC.malloc(600))
    return len(text)


def deeper(depth, function, *args):
    return deeper(depth - 1, function, *args) if depth else function(*args)


def leak(number):
    SESSIONS[number] = Session(number)  # line: leak
    LOST.append(LIBC.malloc(200 + number % 7 * 100))


def drop():
    """A new container in the place of the one that grew, and the memory of C is found again."""
    global SESSIONS
    SESSIONS = {}
    while LOST:
        LIBC.free(LOST.popleft())
    gc.collect()  # by itself it lets types and code pile up, for minutes


def new_code(number):
    """Code that is compiled, runs, and is dropped when it is no longer among the newest."""
    name = "rule_%d" % (number % NAMES)
    space = {}
    exec(
        compile(
            "def %s(n):\n    return [str(n + i) for i in range(20)]\n" % name, "<%s>" % name, "exec"
        ),
        space,
    )
    NEWEST.append((space[name], space[name](number)))


def new_type(number):
    row = type("Row%d" % (number % NAMES), (), {})
    NEWEST.append([row() for _ in range(5)])


def new_thread(number):
    thread = threading.Thread(target=lambda: [request(number + i) for i in range(50)])
    thread.start()
    thread.join()


class Every:
    def __init__(self, seconds, function):
        self.seconds, self.function, self.n = seconds, function, 0
        self.next = time.monotonic() + seconds

    def __call__(self, now):
        if now >= self.next:
            self.next = now + self.seconds
            self.n += 1
            self.function(self.n)


def main():
    turns = [
        Every(LEAK_S, lambda n: deeper(n % 40, leak, n)),
        Every(CODE_S, new_code),
        Every(TYPE_S, new_type),
        Every(THREAD_S, new_thread),
        Every(float(sys.argv[1]), lambda n: drop()),
    ]
    over = threading.Event()

    def read():
        sys.stdin.readline()
        over.set()

    threading.Thread(target=read, daemon=True).start()
    print("ready", flush=True)
    number = 1000
    while not over.is_set():
        number += 1
        deeper(number % 20, request, number)
        now = time.monotonic()
        for turn in turns:
            turn(now)


if __name__ == "__main__":
    main()
