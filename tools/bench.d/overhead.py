# SPDX-License-Identifier: BSD-2-Clause
"""What a watch below its ceiling (the default) costs services at full speed, and how soon it names their leak.

    bare | watched | bare | watched | ... | bare       one process, spans of the same length

Each watched span is set against the mean of the bare ones beside it, by CPU time per step: the machine's speed drifts, and so
does a heap that leaks. A watched span begins when the tool is attached and ends before it detaches.
"""
import re
import time

import workloads
from processes import Target, Tool, median

FIRST_S = 60  # until when the leak is to be the first thing in the report
ASK_S = 2     # a report is asked for every so often, in the first watched span

# CPU time per unit of work, tool / bare, of peers on such workloads: CPython 3.13.5 of Debian, memray 1.17, libbpf-tools
# memleak 0.31, tracemalloc with one frame; each measured once, on a machine like this one
PEERS = {
    "churn": {"memray attach": 1.99, "tracemalloc": 8.8, "memleak": None},
    "json": {"memray attach": 1.16, "tracemalloc": 10.0, "memleak": 3.8},
    "buffers": {"memray attach": 2.19, "tracemalloc": 3.7, "memleak": 41},
    "native": {"memray attach": 1.51, "tracemalloc": 6.8, "memleak": 8.1},
    "bursty": {"memray attach": 1.90, "tracemalloc": 4.3, "memleak": 9.6},
    "flask": {"memray attach": 1.99, "tracemalloc": 3.7, "memleak": 2.6},
}


def first_line(report):
    """The innermost line of workloads.py in the first stack of a text report; None when it has no stack."""
    for block in re.finditer(r"^\t\t.*\n(?:\t\t.*\n)*", report, re.M):
        found = re.search(r"/workloads\.py:(\d+)\)", block[0])
        return int(found[1]) if found else 0
    return None


class Steps:
    """Runs a workload for some wall time, in batches of about a tenth of a second; ns of CPU time per step."""

    def __init__(self, target, workload):
        self.target, self.workload = target, workload
        self.batch = 1
        while self.run(0, 1) < 0.1:
            self.batch *= 2

    def run(self, seconds, batches=None):
        began, self.ns, self.n = time.monotonic(), 0, 0
        while (self.n < batches * self.batch) if batches else (time.monotonic() - began < seconds):
            self.ns += self.target.do("steps", workload=self.workload, n=self.batch)
            self.n += self.batch
        return time.monotonic() - began

    def span(self, seconds, between=None):
        """`between` is called with the seconds so far, between batches."""
        began, ns, n = time.monotonic(), 0, 0
        while time.monotonic() - began < seconds:
            ns += self.target.do("steps", workload=self.workload, n=self.batch)
            n += self.batch
            if between:
                between(time.monotonic() - began)
        return ns / n


class Naming:
    """Asks for reports until the leak's line is the first; `seconds` then says when that was."""

    def __init__(self, tool, workload):
        self.tool = tool
        self.lines = [line for line in (workloads.marked_line(workload, mark) for mark in ("leak", "kept")) if line]
        self.seconds = None
        self.next = ASK_S

    def __call__(self, seconds):
        if self.seconds is not None or seconds < self.next:
            return
        start = len(self.tool.out.text())
        self.tool.report()
        self.next = seconds + ASK_S
        if first_line(self.tool.out.text()[start:]) in self.lines:
            self.seconds = seconds


def name_leak(steps, target, path, workload):
    """In a watch of its own, for as long as it takes: seconds until the leak is first in the report; None: it was not."""
    tool = Tool(path, target, "36000", "--native", "no", exact=False)
    naming = Naming(tool, workload)
    try:
        began = time.monotonic()
        while naming.seconds is None and time.monotonic() - began < FIRST_S:
            steps.span(ASK_S)
            naming(time.monotonic() - began)
        last = tool.out.text()
        tool.finish()
    except BaseException:
        tool.close()
        raise
    return naming.seconds, last


def watched_span(steps, target, path, seconds):
    tool = Tool(path, target, "36000", exact=False)
    try:
        ns = steps.span(seconds)
        report, _ = tool.finish()
    except BaseException:
        tool.close()
        raise
    cost = report.get("cost", {})
    return ns, (cost["own_share"], cost["own_share_most"]) if "own_share" in cost else None


def measure_one(setup, target, path, workload):
    steps = Steps(target, workload)
    seconds, last = name_leak(steps, target, path, workload)
    bare, watched, told = [steps.span(setup.overhead_s)], [], []
    for number in range(setup.overhead_runs):
        setup.say("overhead of %s, run %d of %d" % (workload, number + 1, setup.overhead_runs))
        ns, share = watched_span(steps, target, path, setup.overhead_s)
        watched.append(ns)
        told.append(share)
        bare.append(steps.span(setup.overhead_s))
    ratios = [ns / ((before + after) / 2) for ns, before, after in zip(watched, bare, bare[1:])]
    return {"workload": workload, "bare_us": median(bare) / 1000, "ratio": median(ratios), "ratios": ratios,
            "bare_spread": max(bare) / min(bare), "stated": [shares for shares in told if shares is not None],
            "first_s": seconds, "last_report": None if seconds else last[-4000:]}


def measure(setup, python, stage, path):
    rows = []
    for workload in setup.workloads:
        target = Target(python, stage)
        try:
            why = target.do("can", workload=workload)
            rows.append({"workload": workload, "skipped": why} if why else measure_one(setup, target, path, workload))
        finally:
            target.close()
    return rows
