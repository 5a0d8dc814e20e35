# SPDX-License-Identifier: BSD-2-Clause
"""Stacks through C code: native.c and native_cxx.cc, and modules that come with CPython."""
import ctypes
import io
import json
import os
import re
import zlib

from serve import serve

here = os.path.dirname(os.path.abspath(__file__))
lib = ctypes.CDLL(here + "/native.so", mode=ctypes.RTLD_GLOBAL)
cxx = ctypes.CDLL(here + "/native_cxx.so")
lib.keep.restype = ctypes.c_void_p
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)

try:
    import lzma
except ImportError:
    lzma = None
try:
    import sqlite3
except ImportError:
    sqlite3 = None
try:
    import ssl
except ImportError:
    ssl = None


def compare(a, b):
    return lib.recurse(a % 5, 20 + b)


callback = COMPARE(compare)


def made(depths):
    """Every kind of stack of native.c, at many depths."""
    for name in ("recurse", "tail_call", "realigned", "variable_frame", "in_thread", "on_other_stack"):
        function = getattr(lib, name)
        for depth in range(depths):
            function(depth, 100)
    for depth in range(8):
        lib.big_frame(depth, 100)
        lib.in_signal(depth, 100)
        cxx.thrown(depth, 100)
    lib.sort_like(10, callback)


class Odd:
    pass


def modules():
    """C code of modules, some of it with calls back into Python."""
    text = b"a text that can be made smaller, smaller, smaller " * 40
    zlib.decompress(zlib.compress(text, 9))
    json.loads(json.dumps({"a": [1, 2.5, None, "x" * 600], "odd": Odd()}, default=lambda o: {"o": ["y" * 700]}))
    re.compile("(a|b)*c{3,5}(?P<name>[^x]+)" + "z?" * 40).match("aabbcccyyyy" + "z" * 30)
    sorted(range(5), key=lambda n: zlib.crc32(b"x" * 1000) + len("%0900d" % n))
    if lzma:
        lzma.decompress(lzma.compress(text))
    if sqlite3:
        connection = sqlite3.connect(":memory:")
        connection.create_function("twice", 1, lambda n: "%0800d" % (2 * n))
        connection.execute("create table t (a integer, b text)")
        connection.executemany("insert into t values (?, ?)", [(n, "b" * n) for n in range(20)])
        connection.execute("select twice(a), b from t order by b desc").fetchall()
        connection.close()
    if ssl:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        hello = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        try:
            hello.do_handshake()
        except ssl.SSLWantReadError:
            pass
    io.BytesIO(text).getvalue()


def everything(depths=40):
    made(depths)
    modules()
    # a debugger stops here
    os.getsid(0)
    return True


KEPT = []


def leak_strdup(n):
    libc = ctypes.CDLL(None)
    for _ in range(n):
        libc.strdup(b"s" * 330)  # line: strdup


def leak_new(n):
    for _ in range(n):
        cxx.cxx_leak(1777)  # line: new


def leak_reference(n):
    """What a C extension does that forgets a DECREF."""
    for i in range(n):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(b"%0700d" % i))  # line: reference


def leak_crypto(n):
    """A session that is set up and never freed: memory of libcrypto and libssl, reached from
    ssl."""
    for _ in range(n):
        KEPT.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # line: crypto


if __name__ == "__main__":
    # so often that the interpreter has its specialised instructions where it will have them
    for _ in range(3):
        everything()
    serve({"everything": everything, "strdup": leak_strdup, "new": leak_new, "reference": leak_reference,
           "crypto": leak_crypto})
