# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests of `pyleaktrace objects` look at: objects that are made on demand, in known places, and with known
contents, which are said as the report is to say them."""
import collections
import ctypes
import functools
import sys
import types

import serve

app = types.ModuleType("app")
sys.modules["app"] = app
app.USERS = {}
kept = []


class Session(object):
    def __init__(self, number):
        self.number = number
        self.secret = "SECRET-%d" % number


Session.__module__ = "app"


class Slotted(object):
    __slots__ = ("first", "second", "unset", "__weakref__")


class Both(Slotted):
    pass


class Text(str):
    pass


class Registry(dict):
    pass


class Lost(object):
    __slots__ = ()


class Cycle(object):
    __slots__ = ("me", )


def make(n):
    """n sessions in app.USERS; [(id, getsizeof)] of each, by its key."""
    made = {}
    for _ in range(n):
        number = len(app.USERS)
        one = Session(number)
        app.USERS["u%d" % number] = one
        made["u%d" % number] = (id(one), sys.getsizeof(one))
    return made


def nested(depth):
    """A session below many dicts with long keys."""
    app.DEEP = inner = {}
    for i in range(depth):
        inner["key-%04d-%s" % (i, "x" * 30)] = inner = {}
    inner["last"] = Session(-1)
    return id(inner["last"])


def lost(n):
    for _ in range(n):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(Lost()))


def cycles(n):
    for _ in range(n):
        one = Cycle()
        one.me = one


def instance(cls, **attributes):
    one = cls()
    for name, value in attributes.items():
        setattr(one, name, value)
    return one


class Plain(object):
    pass


def items(values, texts=None):
    """A list of at most five, with what is said of each."""
    texts = texts or [repr(value) for value in values]
    return values, "<list of %d>" % len(values), [["[%d]" % i, text] for i, text in enumerate(texts)], 0


def cases():
    """{name: (object, text, parts, more)}"""
    number, text = 123456789, "wörld"
    loose = instance(Plain, one=number, two=text)
    loose.__dict__["three"] = None  # has a dict of its own
    fewer = instance(Plain, one=1, two=2, three=3)
    del fewer.two
    slotted = instance(Slotted, first=number, second=[1, 2])
    both = instance(Both, first=1, more=text)
    registry = Registry(a=1)
    registry.note = "n"
    deleted = {i: -i for i in range(10)}
    del deleted[0]
    ring = collections.deque(range(200))
    ring.rotate(3)
    late = bytearray(b"abcdef")
    del late[:2]
    subclass = Text("text")
    subclass.note = "n"
    changed = {1, "gone"}
    changed.discard("gone")
    long_key = {"k" * 100: 1}
    instances = [instance(Plain), slotted, Session, {}, (1, 2)]
    return {
        "numbers": items([0, -1, 2**30, 2**63, 1 - 2**64]),
        "big": items([2**64, -2**100, True, False, None], ["<int of 65 bits>", "<int of 101 bits>", "True", "False", "None"]),
        "floats": items([0.1, -0.0, 1e16, float("inf"), float("nan")]),
        "complex": items([1 + 2j, 2.5j, complex(-0.0, -1.5), int, 1.5e-7],
                         ["(1+2j)", "2.5j", "(-0-1.5j)", "<class int>", "1.5e-07"]),
        "strings": items(["", "plain", "it's", "\xe9\u4e2d\U0001f600", "a\\b"], ["''", "'plain'", "'it\\'s'", "'\xe9\u4e2d\U0001f600'",
                                                                                 "'a\\\\b'"]),
        "hostile": items(["\x1b[31m\n", "\x00\x7f", "\udc80\ud800", "\u202eabc", "\u200b"],
                         ["'\\x1b[31m\\n'", "'\\x00\\x7f'", "'\\udc80\\ud800'", "'\\u202eabc'", "'\\u200b'"]),
        "bytes": items([b"", b"a'\x00\xff", bytearray(b"b\n"), late, memoryview(b"x")],
                       ["b''", "b'a\\'\\x00\\xff'", "bytearray(b'b\\n')", "bytearray(b'cdef')", "<memoryview>"]),
        "long": items(["y" * 1000, "\u4e2d" * 50, b"z" * 5000, frozenset([1]), range(3)],
                      ["'%s'... (1,000 characters)" % ("y" * 40), "'%s'... (50 characters)" % ("\u4e2d" * 40),
                       "b'%s'... (5,000 bytes)" % ("z" * 40), "<frozenset of 1>", "<range>"]),
        "instances": items(instances, ["<__main__.Plain>", "<__main__.Slotted>", "<class app.Session>", "<dict of 0>", "<tuple of 2>"]),
        "more": (list(range(1000, 1007)), "<list of 7>", [["[%d]" % i, str(1000 + i)] for i in range(5)], 2),
        "megabyte": ("SECRET-" + "m" * (1 << 20), "'SECRET-%s'... (1,048,583 characters)" % ("m" * 53), [], 0),
        "tuple": ((number, [1]), "<tuple of 2>", [["[0]", str(number)], ["[1]", "<list of 1>"]], 0),
        "dict": ({"a": number, -5: [1], (1, 2): None, "it's": 1.5}, "<dict of 4>",
                 [["['a']", str(number)], ["[-5]", "<list of 1>"], ["[<tuple of 2>]", "None"], ["['it\\'s']", "1.5"]], 0),
        "deleted": (deleted, "<dict of 9>", [["[%d]" % i, str(-i)] for i in range(1, 6)], 4),
        "long_key": (long_key, "<dict of 1>", [["['%s'... (100 characters)]" % ("k" * 24), "1"]], 0),
        "set": (changed, "<set of 1>", [["", "1"]], 0),
        "deque": (ring, "<collections.deque of 200>", [["[%d]" % i, str((i - 3) % 200)] for i in range(5)], 195),
        "plain": (instance(Plain, one=number, two=text), "<__main__.Plain>", [[".one", str(number)], [".two", "'%s'" % text]], 0),
        "many": (instance(Plain, **{"a%d" % i: i for i in range(8)}), "<__main__.Plain>", [[".a%d" % i, str(i)] for i in range(5)], 3),
        "loose": (loose, "<__main__.Plain>", [[".one", str(number)], [".two", "'%s'" % text], [".three", "None"]], 0),
        "fewer": (fewer, "<__main__.Plain>", [[".one", "1"], [".three", "3"]], 0),
        "slotted": (slotted, "<__main__.Slotted>", [[".first", str(number)], [".second", "<list of 2>"]], 0),
        "both": (both, "<__main__.Both>", [[".more", "'%s'" % text], [".first", "1"]], 0),
        "registry": (registry, "<__main__.Registry of 1>", [["['a']", "1"], [".note", "'n'"]], 0),
        "subclass": (subclass, "'text'", [[".note", "'n'"]], 0),
        "partial": (functools.partial(int, "7", base=8), "<functools.partial>",
                    [[".func", "<class int>"], [".args", "<tuple of 1>"], [".keywords", "<dict of 1>"]], 0),
    }


def values():
    """{name: (id, text, parts, more)}; the objects stay."""
    app.CASES = cases()
    return {name: (id(case[0]), ) + case[1:] for name, case in app.CASES.items()}


serve.serve({"make": make, "nested": nested, "lost": lost, "cycles": cycles, "values": values})
