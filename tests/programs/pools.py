# SPDX-License-Identifier: BSD-2-Clause
"""What the live test of watchpoints on pools looks at: strings of one size, of which one line loses
some and another drops all, beside work on other sizes."""
import ctypes
import threading
import time

import serve

lose = ctypes.pythonapi.Py_IncRef
lose.argtypes = [ctypes.py_object]
lose.restype = None

FILL = "x" * 70  # 128 bytes in all: 31 in a pool of 4 KiB, which CPython has up to 3.9


def keep(n):
    lose("%08d" % n + FILL)  # line: keep


def drop(n):
    return len("%08d" % n + FILL)  # line: drop


def run(pause, work):
    """One turn after the other, from now on; a turn that is late is not made up for."""
    def turns():
        due, n = time.time(), 0
        while True:
            n += 1
            work(n)
            due = max(due + pause, time.time())
            time.sleep(max(0.0, due - time.time()))
    threading.Thread(target=turns, daemon=True).start()


def grow():
    """50 a second stay."""
    run(0.02, keep)


def churn():
    """100 a second of the same size die at once, among a fifth of a core of other work."""
    def turn(n):
        for i in range(5):
            drop(i)
        end = time.time() + 0.01
        while time.time() < end:
            [str(i) for i in range(100)]
    run(0.05, turn)


if __name__ == "__main__":
    serve.serve({"grow": grow, "churn": churn})
