# SPDX-License-Identifier: BSD-2-Clause
"""What the live test of the interpreter's lists looks at: threads and sub-interpreters of which
some end and some stay, each made by a line of its own."""
import threading
import time

import serve

try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        interpreters = None

FOREVER = threading.Event()
MADE = []


def start_waiting():
    threading.Thread(target=FOREVER.wait, daemon=True).start()  # line: waiting


def start_ending():
    thread = threading.Thread(target=len, args=((),))
    thread.start()
    thread.join()


def make_staying():
    MADE.append(interpreters.create())  # line: staying


def make_ending():
    interpreters.destroy(interpreters.create())


def run(work, per_s):
    def turns():
        while True:
            work()
            time.sleep(1.0 / per_s)
    threading.Thread(target=turns, daemon=True).start()


def leak_threads():
    """Twice as many end as stay, and each that ends is the newest while it does."""
    run(start_ending, 16)
    run(start_waiting, 8)


def leak_interpreters():
    run(make_staying, 4)


def churn():
    """None of these stays."""
    run(start_ending, 16)
    if interpreters:
        run(make_ending, 4)


if __name__ == "__main__":
    serve.serve({"leak_threads": leak_threads, "leak_interpreters": leak_interpreters,
                 "churn": churn})
