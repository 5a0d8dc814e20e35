# SPDX-License-Identifier: BSD-2-Clause
"""A service at full speed, with something that is done to it and without, by turns.

    bare | with it | bare | with it | ... | bare       one process, spans of the same length

Each span with it is set against the mean of the bare ones next to it, by CPU time per step: a heap
that leaks drifts. So does the machine's speed, by up to 1.8 within seconds where it is shared with
others; therefore the target does a piece of work of always the same size after each millisecond of
steps, the yardstick, and a step is measured in yardsticks. One second to the next, bare steps then
differ by 3 to 6 % (standard deviation) where CPU time alone differs by 9 to 15 %. What is done to
the service might slow the yardstick down too and be hidden by it: so that is reported as well.
"""
import time
from collections import namedtuple

from processes import Target, median

GROUP_NS = 1e6  # CPU time of the steps between two yardsticks

# means of a span, ns of CPU time
Span = namedtuple("Span", "step_ns yardstick_ns")


class Steps:
    """Runs a workload for some wall time, in batches of about a tenth of a second."""

    def __init__(self, target, workload):
        self.target, self.workload = target, workload
        n, began = 1, time.monotonic()
        ns = self.target.do("steps", workload=workload, n=n)
        while time.monotonic() - began < 0.1:
            n, began = 2 * n, time.monotonic()
            ns = self.target.do("steps", workload=workload, n=n)
        self.group = max(1, round(GROUP_NS * n / ns))  # in steps
        self.batch = max(1, n // self.group)  # in groups

    def span(self, seconds, between=None):
        """`between` is called with the seconds so far, between batches."""
        began, steps_ns, yardsticks_ns, groups = time.monotonic(), 0, 0, 0
        while time.monotonic() - began < seconds:
            steps, yardsticks = self.target.do(
                "measured_steps", workload=self.workload, groups=self.batch, n=self.group
            )
            steps_ns, yardsticks_ns, groups = (
                steps_ns + steps,
                yardsticks_ns + yardsticks,
                groups + self.batch,
            )
            if between:
                between(time.monotonic() - began)
        return Span(steps_ns / (groups * self.group), yardsticks_ns / groups)


class Pairs:
    """What alternate() has measured: a Span each, and what came with the ones that were not
    bare."""

    def __init__(self, bare, other, said):
        self.bare, self.other, self.said = bare, other, said

    def ratios(self, of):
        bare = [of(span) for span in self.bare]
        return [
            of(span) / ((before + after) / 2)
            for span, before, after in zip(self.other, bare, bare[1:])
        ]

    def facts(self):
        ratios = self.ratios(lambda span: span.step_ns / span.yardstick_ns)
        speeds = [span.yardstick_ns for span in self.bare]
        return {
            "bare_us": median([span.step_ns for span in self.bare]) / 1000,
            "ratio": median(ratios),
            "ratios": ratios,
            "cpu_time_ratio": median(self.ratios(lambda span: span.step_ns)),
            "yardstick_ratio": median(self.ratios(lambda span: span.yardstick_ns)),
            "bare_spread": max(speeds) / min(speeds),
        }


def alternate(steps, seconds, runs, span_with_it, say):
    """`span_with_it` makes a span -> (its Span, what is said of it); `say` gets the number of
    each before."""
    bare, other, said = [steps.span(seconds)], [], []
    for number in range(1, runs + 1):
        say(number)
        span, words = span_with_it()
        other.append(span)
        said.append(words)
        bare.append(steps.span(seconds))
    return Pairs(bare, other, said)


def each(names, python, stage, measure):
    """Each workload in a process of its own: what `measure` makes of (target, workload), or why it
    is unavailable."""
    rows = []
    for workload in names:
        target = Target(python, stage)
        try:
            why = target.do("can", workload=workload)
            rows.append(
                {"workload": workload, "skipped": why} if why else measure(target, workload)
            )
        finally:
            target.close()
    return rows
