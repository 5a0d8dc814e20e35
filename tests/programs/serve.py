# SPDX-License-Identifier: BSD-2-Clause
"""The target's half of the live tests: does one workload per line of its input, and says when it is
done.

    -> {"do": "objects", "args": {"n": 1000}}
    <- {"done": ...}

The collector is off, so that nothing happens that a test does not know of. Everything kept stays
alive until the input ends. Runs on CPython 3.6 and later.
"""
import gc
import json
import os
import sys
import traceback


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def serve(workloads):
    gc.collect()
    gc.disable()
    say(ready=os.getpid())
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        try:
            say(done=workloads[request["do"]](**request["args"]))
        except Exception:
            say(failed=traceback.format_exc())


def where():
    """The caller's stack as CPython knows it, root first: [(function, file, line)]."""
    frames = []
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        frames.append((getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return frames[::-1]


def turns(n, keep):
    """n indices into `keep`, round and round, as objects that exist already."""
    indices = list(range(len(keep)))
    return indices * (n // len(keep)) + indices[:n % len(keep)]


def allocators():
    """The function pointers in CPython's allocator table: [[malloc, calloc, realloc, free] of raw,
    mem, obj]."""
    import ctypes

    class Allocator(ctypes.Structure):
        _fields_ = [(name, ctypes.c_void_p) for name in ("ctx", "malloc", "calloc", "realloc", "free")]

    table = []
    for domain in range(3):
        entry = Allocator()
        ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(entry))
        table.append([entry.malloc, entry.calloc, entry.realloc, entry.free])
    return table
