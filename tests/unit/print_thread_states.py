# SPDX-License-Identifier: BSD-2-Clause
"""Facts about this process's threads, for test_trend_threads.c (see python_child.h):

    made N                                                  thread states made so far
    thread IDENT TID NAME FUNCTION LINE ENTRY ENTRY_LINE    names in hex; TID 0: not known before
                                                            3.8
"""
import ctypes
import sys
import sysconfig
import threading

begun = threading.Semaphore(0)
held = threading.Lock()
held.acquire()
expected = []


class Slow(threading.Thread):
    """Attributes of its own, and a run() of its own."""
    def __init__(self):
        threading.Thread.__init__(self, name="Slow \u2713", daemon=True)
        self.one = self.two = 1

    def run(self):
        begun.release(); held.acquire()


def direct():
    begun.release(); held.acquire()


def inner(generator):
    next(generator)


def generate():
    begun.release(); held.acquire()
    yield


def outer():
    inner(generate())


def deep(n=200):
    if n:
        return deep(n - 1)
    begun.release(); held.acquire()


def by_callback():
    sorted([1], key=lambda _: direct())


def line(function):
    """The line after its first."""
    return function.__code__.co_firstlineno + 1


def start(thread, function, at, entry, entry_line):
    thread.daemon = True
    thread.start()
    begun.acquire()
    expected.append((thread, function, at, entry, entry_line))


start(threading.Thread(target=direct, name="direct"), "direct", line(direct), "direct", line(direct))
start(threading.Thread(target=outer), "generate", line(generate), "outer", line(outer))
start(threading.Thread(target=deep, name="deep"), "deep", line(deep) + 2, "-", 0)
start(threading.Thread(target=by_callback, name="x" * 200), "direct", line(direct), "by_callback", line(by_callback))
RUN = "Slow.run" if sys.version_info >= (3, 11) else "run"
start(Slow(), RUN, line(Slow.run), RUN, line(Slow.run))
ended = [threading.Thread(target=int) for _ in range(7)]
for thread in ended:
    thread.start()
    thread.join()

print("runtime %x %x %x %d %d" % (id(type), id(type(start.__code__)), id(None), sys.version_info[1],
                                  bool(sysconfig.get_config_var("Py_GIL_DISABLED"))))
print("made %d" % (1 + len(expected) + len(ended)))
for thread, function, at, entry, entry_line in reversed(expected):
    print("thread %x %d %s %s %d %s %d" % (thread.ident, getattr(thread, "native_id", 0), thread.name.encode().hex(),
                                           function, at, entry, entry_line))
print("thread %x %d %s - 0 - 0" % (threading.main_thread().ident, getattr(threading.main_thread(), "native_id", 0),
                                   threading.main_thread().name.encode().hex()))
print("ready")
sys.stdout.flush()
sys.stdin.read()
