# SPDX-License-Identifier: BSD-2-Clause
"""What it costs to trace everything, a pair of allocation and free, compared with libbpf-tools'
memleak in the same run.

In each round the target runs bare before and after every tracer, as in the other sections. memleak
watches libc only, takes C frames by frame pointers, and has no Python frames: its column has no
objects.
"""
import os
import pty
import subprocess

from processes import DEADLINE_S, Failed, Lines, Tool, close, median

HERE = os.path.dirname(os.path.abspath(__file__))
DEPTH = 20
ROWS = ("malloc", "buffer", "instance")
LIBC_ROWS = ("malloc", "buffer")
ALLOCATIONS = {"malloc": 1, "buffer": 2, "instance": 1}  # of a turn
# column -> options of pyleaktrace
WAYS = {"C frames too": ("--native=yes",), "Python frames only": ("--native=no",)}
MEMLEAK = "memleak"


class Terminal:
    """The reading end of a terminal: lines until the other end is closed. (Into a pipe memleak
    would not say in time that it is attached.)"""

    def __init__(self, fd):
        self.stream = os.fdopen(fd, "rb", buffering=0)

    def __iter__(self):
        rest = b""
        while True:
            try:
                some = self.stream.read(4096)
            except OSError:  # the other end is closed
                some = b""
            if not some:
                break
            *whole, rest = (rest + some).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def close(self):
        self.stream.close()


class Memleak:
    """memleak on a target, with no report before the end."""

    def __init__(self, command, target):
        ours, theirs = pty.openpty()
        try:
            self.process = subprocess.Popen(
                [command, "-p", str(target.pid), "36000"],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
            )
        finally:
            os.close(theirs)
        self.out = Lines(Terminal(ours))
        try:
            self.out.wait("^Tracing outstanding")
        except Failed:
            self.close()
            raise

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE_S)
        close(self.process, self.out)


def fetch_memleak():
    """-> (command, None) or (None, why it is not there)"""
    done = subprocess.run(
        [os.path.join(HERE, "..", "fetch-memleak")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        return None, done.stderr.decode("utf-8", "replace").strip()
    return done.stdout.decode().strip(), None


def phase(clock, name, rows):
    return {row: clock.run(name, row, DEPTH) for row in rows}


def tool_phase(clock, target, path, way, seen):
    tool = Tool(path, target, *WAYS[way], "36000")
    try:
        tool.report()  # it has measured its traps when this is there
        clock.forget()
        figures = phase(clock, way, ROWS)
        made = sum(ALLOCATIONS[row] * n for row, n in clock.done.items())
        report, _ = tool.finish()
    except BaseException:
        tool.close()
        raise
    seen.append(report["totals"]["allocated_count"] / made)
    return figures


def memleak_phase(clock, target, command):
    tracer = Memleak(command, target)
    try:
        return phase(clock, MEMLEAK, LIBC_ROWS)
    finally:
        tracer.close()


def summary(pairs):
    extra = [traced - bare for bare, traced in pairs]
    return {
        "bare_ns": median([bare for bare, _ in pairs]),
        "extra_ns": median(extra),
        "least_ns": min(extra),
        "most_ns": max(extra),
    }


def measure(setup, clock, target):
    """-> rows of ns per pair, by column; the share of the allocations that pyleaktrace saw"""
    path = setup.tools[0][1]
    command, missing = fetch_memleak()
    names = list(WAYS) + ([MEMLEAK] if command else [])
    figures, seen = {(name, row): [] for name in names for row in ROWS}, {way: [] for way in WAYS}
    for number in range(setup.rounds):
        setup.say("exact, round %d of %d" % (number + 1, setup.rounds))
        before = phase(clock, "bare", ROWS)
        for name in names:
            traced = (
                memleak_phase(clock, target, command)
                if name == MEMLEAK
                else tool_phase(clock, target, path, name, seen[name])
            )
            after = phase(clock, "bare", ROWS)
            for row, ns in traced.items():
                figures[name, row].append(((before[row] + after[row]) / 2, ns))
            before = after
    return {
        "depth": DEPTH,
        "columns": names,
        "missing": missing,
        "seen": {way: median(shares) for way, shares in seen.items()},
        "rows": [
            {
                "loop": row,
                **{name: summary(figures[name, row]) for name in names if figures[name, row]},
            }
            for row in ROWS
        ],
    }
