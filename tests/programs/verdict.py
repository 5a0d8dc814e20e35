# SPDX-License-Identifier: BSD-2-Clause
"""What the live test of the verdict looks at: leaks of several kinds, each started by a command and
with a rate of its own; and work that drops as much as it makes."""
import ctypes
import sys
import threading
import time
import types

import serve

app = types.ModuleType("app")
sys.modules["app"] = app
ctypes.pythonapi.Py_IncRef.restype = None


class User(object):
    def __init__(self):
        self.history = []


class Visit(object):
    pass


class Lost(object):
    pass


class Link(object):
    def __init__(self, before):
        self.before = before


app.HEAD = None
app.USERS = {i: User() for i in range(100)}
app.CACHE = {}
app.RECENT = []


def visit(turn):
    for user in app.USERS.values():
        user.history.append(Visit())


def remember(turn):
    for i in range(20):
        app.CACHE["%d.%d" % (turn, i)] = bytearray(100)


def lose(turn):
    for _ in range(30):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(Lost()))


def push(turn):
    for _ in range(25):
        app.HEAD = Link(app.HEAD)


def come_and_go(turn):
    app.RECENT[:] = [User() for _ in range(200)]


def leak(what):
    """Ten turns a second, from now on."""
    def run():
        turn = 0
        while True:
            globals()[what](turn)
            turn += 1
            time.sleep(0.1)
    threading.Thread(target=run, daemon=True).start()


if __name__ == "__main__":
    serve.serve({"leak": leak})
