# SPDX-License-Identifier: BSD-2-Clause
"""Runs inside gdb: the C frames of every call of libc's allocator, as gdb unwinds them.

Writes one line to the file $STACKS for each different stack: the addresses of the callers, leaf
first. Ends when the target calls the first of the functions whose addresses are in $FUNCTIONS for
the second time; the others are the allocators. A file $STACKS.ready says that the breakpoints are
set. An address marked with * is in the evaluation loop; an instruction that a signal interrupted
has the address 0.
"""
import os

import gdb

for command in (
    "set pagination off",
    "set confirm off",
    "set backtrace past-main on",
    "set backtrace limit 400",
    "set print inferior-events off",
    "set debuginfod enabled off",
    "handle SIGUSR1 nostop noprint pass",
):
    gdb.execute(command)

seen = set()
loops = {}


def callers():
    addresses = []
    frame = gdb.newest_frame().older()
    interrupted = False
    while frame is not None:
        # frames that gdb makes up from debug information: they are not on the stack
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            # at which instruction a signal comes is not the same under a debugger
            pc = 0 if interrupted else frame.pc()
            interrupted = frame.type() == gdb.SIGTRAMP_FRAME
            if pc not in loops:
                loops[pc] = (frame.name() or "").startswith("_PyEval_EvalFrameDefault")
            addresses.append("%x%s" % (pc, "*" if loops[pc] else ""))
        frame = frame.older()
    return " ".join(addresses)


class Allocation(gdb.Breakpoint):
    def stop(self):
        seen.add(callers())
        return False


end, *allocators = os.environ["FUNCTIONS"].split()
for address in allocators:
    Allocation("*0x" + address)
# the second time: the interpreter may go another way, as its instructions are specialised
gdb.Breakpoint("*0x" + end).ignore_count = 1
with open(os.environ["STACKS"] + ".ready", "w", encoding="utf-8"):
    pass
gdb.execute("continue")
with open(os.environ["STACKS"], "w", encoding="utf-8") as out:
    out.writelines(stack + "\n" for stack in sorted(seen))
gdb.execute("delete")
gdb.execute("detach")
