# SPDX-License-Identifier: BSD-2-Clause
"""Unusual ways in which C code comes to run: after the attach, from a file that is gone, without a
file, interrupted at each of its instructions, from generators and coroutines."""
import _ctypes
import asyncio
import ctypes
import mmap
import os
import shutil

from serve import serve, where

here = os.path.dirname(os.path.abspath(__file__)) + "/"
libc = ctypes.CDLL(None)
libc.dlopen.restype = ctypes.c_void_p
# lazily bound, which ctypes does not ask for
libc.dlopen((here + "stepped.so").encode(), os.RTLD_LAZY)
lib = ctypes.CDLL(here + "stepped.so")
crypto = ctypes.CDLL("libcrypto.so.3")
native = ctypes.CDLL(here + "native.so")
native.keep.restype = ctypes.c_void_p
difference = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(lambda a, b: a - b)
loaded = {}


# ---- generators and coroutines -------------------------------------------------------------------

def innermost(size):
    yield native.keep(size) and where()
    yield native.keep(size) and where()


def delegating(size):
    yield from innermost(size)


def generators(size):
    """Started here and resumed from C code: what called it before is not on its stack."""
    running = delegating(size)
    return [next(running), list(map(lambda n: next(running), [1]))[0]]


async def awaited(size):
    before = native.keep(size) and where()
    await asyncio.sleep(0)
    return [before, native.keep(size) and where()]


async def awaiting(size):
    return await awaited(size)


async def tasks(size):
    pairs = await asyncio.gather(awaiting(size), asyncio.ensure_future(awaiting(size)))
    return sum(pairs, [native.keep(size) and where()])


def coroutines(size):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(tasks(size))
    finally:
        loop.close()


# ---- libraries that come and go ------------------------------------------------------------------

def load(name, file=None):
    """-> the address of its function"""
    loaded[name] = ctypes.CDLL(here + (file or name) + ".so")
    return ctypes.cast(loaded[name][name], ctypes.c_void_p).value


def unload(name):
    _ctypes.dlclose(loaded.pop(name)._handle)


def use(name, n, size):
    for _ in range(n):
        loaded[name][name](size)  # line: use


def swap(old, new, n, size):
    """Without a moment in between. -> did the new one end up where the old one was?"""
    before = ctypes.cast(loaded[old][old], ctypes.c_void_p).value
    unload(old)
    after = load(new)
    use(new, n, size)
    return before == after


def gone_files():
    """A library whose file is deleted, and one whose file has been replaced."""
    shutil.copy(here + "gone.so", here + "deleted.so")
    load("gone", "deleted")
    os.unlink(here + "deleted.so")
    shutil.copy(here + "replaced.so", here + "file.so")
    load("replaced", "file")
    shutil.copy(here + "late_one.so", here + "new.so")
    os.rename(here + "new.so", here + "file.so")


# ---- code without a file -------------------------------------------------------------------------

def make_code(size, flags):
    """sub $8, %rsp; mov $size, %edi; mov $malloc, %rax; call *%rax; add $8, %rsp; ret"""
    memory = mmap.mmap(-1, 4096, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    malloc = ctypes.cast(libc.malloc, ctypes.c_void_p).value
    memory.write(b"\x48\x83\xec\x08\xbf" + size.to_bytes(4, "little") + b"\x48\xb8" + malloc.to_bytes(8, "little") +
                 b"\xff\xd0\x48\x83\xc4\x08\xc3")
    loaded[flags] = memory  # it stays
    return ctypes.CFUNCTYPE(ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))


def anonymous(n):
    for function in loaded["code"]:
        for _ in range(n):
            function()  # line: anonymous


# ---- a signal at each instruction ----------------------------------------------------------------

def linkage(size):
    return lib.step_linkage(size)  # line: linkage


def prologues(size):
    return lib.step_prologues(size)  # line: prologues


def clock(size):
    return lib.step_clock(size)  # line: clock


def digests(size):
    """-> steps through OpenSSL's assembly"""
    steps = 0
    for name in ("SHA1", "SHA256", "SHA512"):
        context = ctypes.create_string_buffer(512)
        getattr(crypto, name + "_Init")(context)
        update, final = getattr(crypto, name + "_Update"), getattr(crypto, name + "_Final")
        steps += lib.step_digest(size, update, final, context)  # line: digests
    return steps


def callbacks(size):
    return lib.step_callback(size, difference, 24)  # line: callbacks


def stepped(size):
    """-> signals handled, by name"""
    return {function.__name__: function(size) for function in (linkage, prologues, clock, digests, callbacks)}


if __name__ == "__main__":
    gone_files()
    # memory of its own, and memory that children would share, which is in a file of the kernel's
    loaded["code"] = [make_code(7000, flags | mmap.MAP_ANONYMOUS) for flags in (mmap.MAP_PRIVATE, mmap.MAP_SHARED)]
    for _ in range(3):
        generators(100)
        coroutines(100)
    serve({"generators": generators, "coroutines": coroutines, "load": load, "unload": unload, "swap": swap, "use": use,
           "anonymous": anonymous, "stepped": stepped})
