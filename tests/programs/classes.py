# SPDX-License-Identifier: BSD-2-Clause
"""What the live test of watchpoints on classes looks at: a class of which one line makes instances
that stay, another one such that die at once, and that others merely name."""
import sys
import threading
import time
import types

import serve

app = types.ModuleType("app")
sys.modules["app"] = app


class Kept(object):
    def __init__(self, before=None):
        self.before = before
        self.text = "%r" % id(self)
        self.named = type(self) is Kept


class Named(object):
    pass


class Slot(object):
    newest = None


app.SLOTS = [Slot() for _ in range(50)]
ONE = Named()


def keep(slot):
    slot.newest = Kept(slot.newest)  # line: keep


def drop():
    Kept()  # line: drop


def name(thing):
    """Takes references to both classes, and makes no instance."""
    return isinstance(thing, Kept) or type(thing) is Kept or Kept in (Named, Kept)


def run(pause, work):
    """One turn after the other, from now on; a turn that is late is not made up for."""
    def turns():
        due = time.time()
        while True:
            work()
            due = max(due + pause, time.time())
            time.sleep(max(0.0, due - time.time()))
    threading.Thread(target=turns, daemon=True).start()


def grow():
    """50 a second stay, in 50 chains, one after the other: no container has a size to watch."""
    state = [0]

    def turn():
        keep(app.SLOTS[state[0] % len(app.SLOTS)])
        state[0] += 1
    run(0.02, turn)


def churn():
    """400 a second that die at once, among code that names their class and a fifth of a core of
    other work."""
    def turn():
        for _ in range(20):
            drop()
            name(ONE)
        end = time.time() + 0.01
        while time.time() < end:
            [str(i) for i in range(100)]
    run(0.05, turn)


def use():
    """Names a class that does not grow."""
    def turn():
        for _ in range(50):
            isinstance(ONE, Named)
    run(0.05, turn)


if __name__ == "__main__":
    serve.serve({"grow": grow, "churn": churn, "use": use})
