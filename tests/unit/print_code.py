# SPDX-License-Identifier: BSD-2-Clause
"""Facts about code objects, for test_code.c and test_symbolizer.c (see python_child.h):

    code ADDRESS NAME FILE FIRST_LINE LINE,LINE,...

Text is in hex. Each code unit has one line number; 0 means that it has none.

The lines come from co_lines() where code objects have it, else from PyCode_Addr2Line().
"""
import ctypes
import gc
import sys
import sysconfig
import types

import argparse, ast, asyncio, collections, configparser, difflib, email.message, inspect, json, pickle
import tokenize, typing, unittest.mock

MAX_CODES = 4000
MAX_UNITS = 4000


def shown(text):
    """As py_str_read() gives it."""
    out = b""
    for c in text:
        n = ord(c)
        if 0xdc80 <= n <= 0xdcff:
            out += bytes([n - 0xdc00])
        elif n == 0 or 0xd800 <= n <= 0xdfff:
            out += "\ufffd".encode()
        else:
            out += c.encode()
    return out.hex() or "-"


def lines_of(code):
    units = len(code.co_code) // 2
    if hasattr(code, "co_lines"):
        lines = [0] * units
        for start, end, line in code.co_lines():
            for unit in range(start // 2, min(end // 2, units)):
                lines[unit] = line or 0
        return lines[:MAX_UNITS]
    return [ctypes.pythonapi.PyCode_Addr2Line(ctypes.py_object(code), unit * 2)
            for unit in range(min(units, MAX_UNITS))]


def print_code(code):
    name = getattr(code, "co_qualname", code.co_name)
    print("code %x %s %s %d %s" % (id(code), shown(name), shown(code.co_filename), code.co_firstlineno,
                                   ",".join(map(str, lines_of(code))) or "-"))


MADE = r'''
def far_apart(a):
    x = [a,
''' + "\n" * 300 + r'''
        a.b(
            a),
        1]
    for i in x: y = i; z = (
        y
        + x
    )
''' + "\n" * 700 + r'''
    return {
        "k": x,
        "l": lambda: (
            y,
            z),
        **a}

class Outer:
    class Inner:
        async def generator(self):
            try:
                async with self as s, s.t as t:
                    yield [u async for u in t if u]
            except (ValueError,
                    TypeError) as e:
                raise RuntimeError from e
            finally:
                del s

def na\u00efve_\u6f22\u5b57(\U0001d4d0=(1, 2,
    3)):
    match_ = 5
    while match_:
        if match_ == 3: continue
        match_ -= 1
    else:
        return
''' .encode().decode("unicode_escape") + "def long():\n" + "".join("    a = b.c(%d)\n\n" % i for i in range(900))


def nested(code, seen):
    if id(code) not in seen and len(seen) < MAX_CODES:
        seen[id(code)] = code
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                nested(constant, seen)
    return seen


codes = {}
for filename in ("made.py", "/srv/\xfcber/\u6f22.py", "/x/\udcff\udc80z.py", "/" + "d\xe9" * 700 + ".py"):
    nested(compile(MADE, filename, "exec"), codes)
for base in list(codes.values())[:3]:
    if hasattr(base, "replace"):
        # tables as they never come from the compiler
        table = "co_linetable" if hasattr(base, "co_linetable") else "co_lnotab"
        nested(base.replace(co_firstlineno=100000, co_name="", **{table: b""}), codes)
        nested(base.replace(co_firstlineno=2000000000, co_filename="a\0b\ud800\udc80c"), codes)
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType):
        nested(thing.__code__, codes)

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print("runtime %x %x %x %d %d" % (id(type), id(type(shown.__code__)), id(None), sys.version_info[1], free_threaded))
for code in list(codes.values()):
    print_code(code)
print("ready", flush=True)
sys.stdin.read()
