# SPDX-License-Identifier: BSD-2-Clause
"""Chains whose newest link is replaced, some times for each byte that it reads; test_late.c has this
done between a scan and the search."""
import gc
import io
import os
import sys
import types


class Link(object):
    __slots__ = ("next", "text")

    def __init__(self, before):
        self.next = before
        self.text = "%r" % id(self)


class Config(object):
    def __init__(self, before):
        self.values = {"before": 1.5}
        self.before = before


class Retry(Exception):
    pass


class Lost(object):
    pass


class State(object):
    pass


def wrap(inner):
    return lambda: inner


class Routes(object):
    index = staticmethod(wrap(None))


def raise_again(app):
    try:
        raise Retry() from app.ERROR
    except Retry as error:
        error.__traceback__ = None
        app.ERROR = error


def step(app, n):
    for _ in range(n):
        # where it was is free by the time of the next scan or search, or something else's
        app.TEMPORARY = [Lost() for _ in range(50)]
        app.HEAD = Link(app.HEAD)
        app.STATE.config = Config(app.STATE.config)
        Routes.index = staticmethod(wrap(Routes.index))
        raise_again(app)
        app.COPY = app.COPY + [Link(None)]


def newest(app):
    return (
        ("app.HEAD", ".next", app.HEAD),
        ("app.STATE.config", ".before", app.STATE.config),
        ("__main__.Routes.index.__func__", " closure `inner`", Routes.index),
        ("app.ERROR", ".__cause__", app.ERROR),
    )


def main():
    app = sys.modules["app"] = types.ModuleType("app")
    app.HEAD, app.STATE, app.ERROR, app.COPY = None, State(), None, []
    app.STATE.config = None
    gc.collect()
    gc.disable()
    read = io.FileIO(0, closefd=False).read
    step(app, 30)
    say = ["chain %x %s %s" % (id(link), path, more) for path, more, link in newest(app)]
    say += ["copied %x" % id(app.COPY[-1])]
    os.write(1, ("\n".join(say) + "\nready\n").encode())
    for what in iter(lambda: read(1), b""):
        if what == b"g":
            step(app, 20)
        else:
            for _ in range(70000):
                app.HEAD = Link(app.HEAD)
        os.write(1, b"stepped\nready\n")


main()
