# SPDX-License-Identifier: BSD-2-Clause
"""A service at full speed, with something that is done to it and without, by turns.

    bare | with it | bare | with it | ... | bare       one process, spans of the same length

Each span with it is set against the mean of the bare ones beside it, by CPU time per step: the machine's speed drifts, and so
does a heap that leaks.
"""
import time

from processes import Target, median


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


class Pairs:
    """What alternate() has measured: ns of CPU time per step of each span, and what came with those that were not bare."""

    def __init__(self, bare, other, said):
        self.bare, self.other, self.said = bare, other, said

    def facts(self):
        ratios = [ns / ((before + after) / 2) for ns, before, after in zip(self.other, self.bare, self.bare[1:])]
        return {"bare_us": median(self.bare) / 1000, "ratio": median(ratios), "ratios": ratios,
                "bare_spread": max(self.bare) / min(self.bare)}


def alternate(steps, seconds, runs, span_with_it, say):
    """`span_with_it` makes a span -> (ns per step, what is said of it); `say` is told the number of each before."""
    bare, other, said = [steps.span(seconds)], [], []
    for number in range(1, runs + 1):
        say(number)
        ns, words = span_with_it()
        other.append(ns)
        said.append(words)
        bare.append(steps.span(seconds))
    return Pairs(bare, other, said)


def each(names, python, stage, measure):
    """Each workload in a process of its own: what `measure` makes of (target, workload), or why it cannot be had."""
    rows = []
    for workload in names:
        target = Target(python, stage)
        try:
            why = target.do("can", workload=workload)
            rows.append({"workload": workload, "skipped": why} if why else measure(target, workload))
        finally:
            target.close()
    return rows
