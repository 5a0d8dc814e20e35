# SPDX-License-Identifier: BSD-2-Clause
"""A process that forks, replaces itself, ends, forbids itself system calls, and works on after it
was watched."""
import ctypes
import os
import sys
import threading
import warnings

from serve import allocators, serve, turns

# from 3.12 on fork() with threads warns, and the first warning imports what shows it
warnings.simplefilter("ignore", DeprecationWarning)

unit = b"x"
kept = []


def keep_some(n, n_keep, size):
    keep = [None] * n_keep
    kept.append(keep)
    fill(turns(n, keep), keep, size - sys.getsizeof(b""))


def fill(order, keep, size):
    for index in order:
        keep[index] = unit * size  # line: fill


def fork(n, size):
    """The child frees everything that the parent keeps, and allocates for itself. -> its exit code,
    or -signal"""
    child = os.fork()
    if not child:
        del kept[:]
        in_child(n, size - sys.getsizeof(b""))
        os._exit(7)
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def in_child(n, size):
    for _ in range(n):
        kept.append(unit * size)


class Children(object):
    pids, orders, answers = [], [], []


def fork_child(size):
    """-> PIDs of a child, which works on command, and of its own child, which does nothing; both
    stay"""
    orders, answers = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        for end in Children.orders + [orders[1], answers[0]]:
            os.close(end)
        serve_parent(orders[0], answers[1], size)
        os._exit(0)
    os.close(orders[0])
    os.close(answers[1])
    Children.pids.append(child)
    Children.orders.append(orders[1])
    Children.answers.append(answers[0])
    return [child, int(os.read(answers[0], 20))]


def serve_parent(orders, answers, size):
    end = os.pipe()
    child = os.fork()
    if not child:
        os.close(end[1])
        os.read(end[0], 1)  # until its parent has ended
        os._exit(0)
    os.write(answers, b"%d" % child)
    while os.read(orders, 1):
        in_child(200, size)
        os.write(answers, b".")


def children_work():
    for orders, answers in zip(Children.orders, Children.answers):
        os.write(orders, b".")
        os.read(answers, 1)


def end_children():
    """-> what wait() says of them"""
    for orders in Children.orders:
        os.close(orders)
    return [os.waitpid(pid, 0)[1] for pid in Children.pids]


def keep_and_fork(n, n_keep, size, forks):
    """Keep blocks in one thread, while another forks children that free them. -> what wait() says
    of each"""
    thread = threading.Thread(target=keep_some, args=(n, n_keep, size))
    thread.start()
    said = [fork(20, size) for _ in range(forks)]
    thread.join()
    return said


def replace_itself():
    os.execv(sys.executable, [sys.executable, "-u"] + sys.argv)


def end(code):
    os._exit(code)


def forbid_return_probe_calls():
    """Seccomp: a system call newer than this program knows of kills the process (as container
    filters do)."""
    class Instruction(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]

    load_number, if_at_least, ret = 0x20, 0x35, 0x06
    newest = 334  # the last one before the ones that uprobes use (x86-64)
    code = (Instruction * 5)(
        Instruction(load_number, 0, 0, 0),
        Instruction(if_at_least, 0, 2, newest + 1),
        Instruction(if_at_least, 1, 0, 337),
        Instruction(ret, 0, 0, 0x80000000),  # SECCOMP_RET_KILL_PROCESS
        Instruction(ret, 0, 0, 0x7fff0000))  # SECCOMP_RET_ALLOW
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code), code)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


class Busy(object):
    """Threads that allocate and free all the time, and check what they made."""
    running = False
    turns = 0
    threads = ()
    wrong = ()


def churn(number):
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    while Busy.running:
        made = [{"number": number, "text": "%d" % n, "list": [n] * 20} for n in range(200)]
        address = libc.malloc(3000)
        libc.free(address)
        if [int(row["text"]) for row in made] != list(range(200)):
            Busy.wrong += (number,)
        Busy.turns += 1


def be_busy(n_threads):
    Busy.running = True
    Busy.threads = [threading.Thread(target=churn, args=(n,)) for n in range(n_threads)]
    for thread in Busy.threads:
        thread.start()


def turns_done(least):
    """Wait until that many more turns are done: the process works on."""
    before = Busy.turns
    while Busy.turns < before + least:
        pass
    return Busy.turns - before


def be_idle():
    """-> number of wrong results"""
    Busy.running = False
    for thread in Busy.threads:
        thread.join()
    return len(Busy.wrong)


fill([0] * 100, [None], 9)
serve({"keep": keep_some, "fork_child": fork_child, "children_work": children_work,
       "end_children": end_children, "keep_and_fork": keep_and_fork, "exec": replace_itself, "end": end,
       "seccomp": forbid_return_probe_calls, "be_busy": be_busy, "turns_done": turns_done, "be_idle": be_idle,
       "allocators": allocators})
