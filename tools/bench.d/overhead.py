# SPDX-License-Identifier: BSD-2-Clause
"""What a trace below its ceiling (the default) costs services at full speed, and how soon it names
their leak.

By pairs of spans (spans.py); a watched one begins when the tool is attached and ends before it
detaches.
"""
import re
import time

import spans
import workloads
from processes import Tool

FIRST_S = 60  # until when the leak is to be the first thing in the report
ASK_S = 2  # a report is asked for every so often, in the first watched span

# CPU time per unit of work, tool / bare, of peers on such workloads: CPython 3.13.5 of Debian,
# memray 1.17, libbpf-tools memleak 0.31, tracemalloc with one frame; each measured once, on a
# machine like this one
PEERS = {
    "churn": {"memray attach": 1.99, "tracemalloc": 8.8, "memleak": None},
    "json": {"memray attach": 1.16, "tracemalloc": 10.0, "memleak": 3.8},
    "buffers": {"memray attach": 2.19, "tracemalloc": 3.7, "memleak": 41},
    "native": {"memray attach": 1.51, "tracemalloc": 6.8, "memleak": 8.1},
    "bursty": {"memray attach": 1.90, "tracemalloc": 4.3, "memleak": 9.6},
    "flask": {"memray attach": 1.99, "tracemalloc": 3.7, "memleak": 2.6},
}


def first_line(report):
    """The line of workloads.py that the answer names first; None: it names none."""
    found = re.search(r"^ +\w+ by +.*?workloads\.py:(\d+)\)", report, re.M)
    return int(found[1]) if found else None


class Naming:
    """Asks for reports until the leak's line is the first; `seconds` then says when that was."""

    def __init__(self, tool, workload):
        self.tool = tool
        self.lines = [
            line
            for line in (workloads.marked_line(workload, mark) for mark in ("leak", "kept"))
            if line
        ]
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
    """In a trace of its own, for as long as it takes: seconds until the leak is first in the
    report; None: it was not."""
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
        span = steps.span(seconds)
        report, _ = tool.finish()
    except BaseException:
        tool.close()
        raise
    cost = report.get("cost", {})
    return span, (cost["own_share"], cost["own_share_most"]) if "own_share" in cost else None


def measure_one(setup, target, path, workload):
    steps = spans.Steps(target, workload)
    seconds, last = name_leak(steps, target, path, workload)
    pairs = spans.alternate(
        steps,
        setup.overhead_s,
        setup.overhead_runs,
        lambda: watched_span(steps, target, path, setup.overhead_s),
        lambda number: setup.say(
            "overhead of %s, run %d of %d" % (workload, number, setup.overhead_runs)
        ),
    )
    return {
        "workload": workload,
        **pairs.facts(),
        "stated": [shares for shares in pairs.said if shares is not None],
        "first_s": seconds,
        "last_report": None if seconds else last[-4000:],
    }


def measure(setup, python, stage, path):
    return spans.each(
        setup.workloads,
        python,
        stage,
        lambda target, workload: measure_one(setup, target, path, workload),
    )
