# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark's target: one command a line on stdin (JSON), one answer a line on stdout.

Runs under every CPython from 3.6 on, with nothing but the standard library. The work is done below
a Python stack of the depth that was asked for, counted from the interpreter's first frame.
"""
import collections
import ctypes
import gc
import itertools
import json
import os
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.append(os.path.join(HERE, "site"))
import workloads  # noqa: E402

LOOPS = ctypes.CDLL(os.path.join(HERE, "loops.so"))
LOOPS.bench_hold.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
for name in (
    "cpu_ns",
    "malloc",
    "getppid",
    "calls_nop5",
    "calls_emulated",
    "calls_stepped",
    "calls_returning",
    "calls_first_mark",
    "calls_last_mark",
):
    function = getattr(LOOPS, "bench_" + name)
    function.restype = ctypes.c_uint64
    function.argtypes = [ctypes.c_uint64] if name != "cpu_ns" else []
cpu_ns = LOOPS.bench_cpu_ns


class Small:
    """One object allocation and nothing else: no __dict__."""

    __slots__ = ("value",)


# ---- the loops: n -> CPU time in ns --------------------------------------------------------------


def loop_malloc(n):
    return LOOPS.bench_malloc(n)


def loop_instance(n):
    make = Small
    times = itertools.repeat(None, n)
    begin = cpu_ns()
    for _ in times:
        make()
    return cpu_ns() - begin


# buffers of 1 KB to 64 KB: libc's
BUFFERS = (1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 24 << 10, 48 << 10, 64 << 10)


def loop_buffer(n):
    """One bytearray after the other: each is an object and a buffer, which is one malloc() and one
    free()."""
    rounds = itertools.repeat(None, max(1, n // len(BUFFERS)))
    begin = cpu_ns()
    for _ in rounds:
        for size in BUFFERS:
            bytearray(size)
    return (cpu_ns() - begin) * n // (max(1, n // len(BUFFERS)) * len(BUFFERS))


# bytes objects of 34 to 433 bytes, all of them pymalloc's; the counts are small ints, which are
# made once
COUNTS = tuple(range(1, 201, 7))


def loop_bytes(n):
    pair = b"ab"
    rounds = itertools.repeat(None, max(1, n // len(COUNTS)))
    begin = cpu_ns()
    for _ in rounds:
        for count in COUNTS:
            pair * count
    return (cpu_ns() - begin) * n // (max(1, n // len(COUNTS)) * len(COUNTS))


def loop_threads(n):
    """Two threads in the malloc loop at once, at the caller's depth; the mean of their CPU
    times."""
    spent = []
    depth = own_depth()
    gate = threading.Barrier(2)

    def run():
        gate.wait()
        spent.append(descend(depth - own_depth() - 2, loop_malloc, n))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(spent) // 2


LOOP = {
    "malloc": loop_malloc,
    "getppid": LOOPS.bench_getppid,
    "instance": loop_instance,
    "bytes": loop_bytes,
    "buffer": loop_buffer,
    "threads": loop_threads,
    "nop5": LOOPS.bench_calls_nop5,
    "emulated": LOOPS.bench_calls_emulated,
    "stepped": LOOPS.bench_calls_stepped,
    "returning": LOOPS.bench_calls_returning,
}


def own_depth():
    """Number of Python frames in the caller's stack, its own included."""
    frame, n = sys._getframe(1), 0
    while frame:
        frame, n = frame.f_back, n + 1
    return n


def descend(left, function, *args):
    """Call the function with `left` + 1 frames of this one between it and the caller."""
    return descend(left - 1, function, *args) if left > 0 else function(*args)


# ---- commands ------------------------------------------------------------------------------------

HELD = []
IDLE = {"nobody": "changes this"}  # idle.py has a watchpoint on it


def do_loop(kind, n, depth):
    return descend(depth - own_depth() - 2, LOOP[kind], n)


def do_mark():
    LOOPS.bench_calls_first_mark(1)
    LOOPS.bench_calls_last_mark(1)


def hold_blocks(n):
    blocks = (ctypes.c_void_p * n)()
    LOOPS.bench_hold(blocks, n)
    return blocks


def hold_objects(n):
    return collections.deque((Small() for _ in itertools.repeat(None, n)), n)


def do_hold(n):
    """n live blocks: half of libc's, half objects; from stacks of several depths."""
    for depth in (10, 15, 20, 25, 30):
        HELD.append(descend(depth - own_depth() - 2, hold_blocks, n // 10))
        HELD.append(descend(depth - own_depth() - 2, hold_objects, n // 10))


STEPS = {}


def stepper(workload):
    if workload not in STEPS:
        gc.enable()  # as in a service
        STEPS[workload] = workloads.WORKLOADS[workload]()
    return STEPS[workload]


def do_steps(workload, n):
    """n steps of a workload; -> CPU time in ns of this thread"""
    step = stepper(workload)
    begin = cpu_ns()
    for _ in itertools.repeat(None, n):
        step()
    return cpu_ns() - begin


# small ints, which are made once: nothing is allocated but the iterator
SMALL_INTS = (1, 2, 3, 4) * 300


def yardstick():
    """Some 30 us of the interpreter alone: how fast the machine is just now."""
    one = other = 0
    for number in SMALL_INTS:
        if number is one:
            other = number
        else:
            one = other


def do_measured_steps(workload, groups, n):
    """Groups of n steps, a yardstick after each; -> [CPU time in ns of all steps, of all
    yardsticks]"""
    step = stepper(workload)
    steps_ns = yardsticks_ns = 0
    for _ in itertools.repeat(None, groups):
        begin = cpu_ns()
        for _ in itertools.repeat(None, n):
            step()
        between = cpu_ns()
        yardstick()
        yardsticks_ns += cpu_ns() - between
        steps_ns += between - begin
    return [steps_ns, yardsticks_ns]


def do_can(workload):
    """Why a workload is unavailable here; None: it is available."""
    try:
        workloads.WORKLOADS[workload]()
    except ImportError as error:
        return str(error)
    return None


def do_facts():
    return {"version": "%d.%d.%d" % sys.version_info[:3], "executable": sys.executable}


COMMANDS = {
    "can": do_can,
    "loop": do_loop,
    "mark": do_mark,
    "hold": do_hold,
    "steps": do_steps,
    "measured_steps": do_measured_steps,
    "facts": do_facts,
}


def main():
    gc.disable()  # a collection in one phase and not in the other would be counted as the tracer's
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        request = json.loads(line)
        answer = COMMANDS[request.pop("do")](**request)
        sys.stdout.write(json.dumps({"done": answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
