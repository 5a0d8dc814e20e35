# SPDX-License-Identifier: BSD-2-Clause
"""What services lose while a watchpoint is set that nobody hits: a store across two cache lines, and bytes moved in bulk, take longer.

    bare | watchpoint | bare | watchpoint | ... | bare       one process, spans of the same length

Each span with the watchpoint is set against the mean of the bare ones beside it. The container that is watched is one of the
target's that never changes.
"""
import json
import os
import signal
import subprocess
import tempfile

from overhead import Steps
from processes import Failed, Lines, Target, close, median

WATCHED = "__main__.IDLE"
# the steps of these are the CPU's; the others rest, or need what is not everywhere
WORKLOADS = ("churn", "json", "buffers", "native", "flask")


class Watchpoint:
    """`pyleaktrace heap --watch` on a container of the target."""

    def __init__(self, command, target):
        self.folder = tempfile.mkdtemp(prefix="pyleaktrace-bench.")
        self.report = os.path.join(self.folder, "report.json")
        self.process = subprocess.Popen([command, "heap", "-p", str(target.pid), "--watch", WATCHED, "--for", "10h",
                                         "--max-overhead", "100", "-q", "-o", self.report],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        try:
            self.err.wait(r"watching")
        except Failed:
            self.close()
            raise

    def finish(self):
        """-> the report's `watch`"""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        with open(self.report, encoding="utf-8") as file:
            report = json.load(file)
        self.close()
        if code:
            raise Failed("heap --watch ended with %d: %s" % (code, self.err.text()[-500:]))
        if report["watch"]["containers"][0]["inserted"]:
            raise Failed("%s has changed" % WATCHED)
        return report["watch"]

    def close(self):
        close(self.process, self.out, self.err)
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def watched_span(steps, command, target, seconds):
    watchpoint = Watchpoint(command, target)
    try:
        ns = steps.span(seconds)
        return ns, watchpoint.finish()
    except BaseException:
        if watchpoint.process.poll() is None:
            watchpoint.close()
        raise


def measure_one(setup, target, command, workload):
    steps = Steps(target, workload)
    bare, watched, said = [steps.span(setup.idle_s)], [], []
    for number in range(setup.idle_runs):
        setup.say("watchpoint beside %s, run %d of %d" % (workload, number + 1, setup.idle_runs))
        ns, watch = watched_span(steps, command, target, setup.idle_s)
        watched.append(ns)
        said.append(watch)
        bare.append(steps.span(setup.idle_s))
    ratios = [ns / ((before + after) / 2) for ns, before, after in zip(watched, bare, bare[1:])]
    return {"workload": workload, "bare_us": median(bare) / 1000, "ratio": median(ratios), "ratios": ratios,
            "bare_spread": max(bare) / min(bare), "split_ns": median([watch["split_ns"] for watch in said]),
            "told": median([watch["target_cpu_fraction"] for watch in said]),
            "told_most": median([watch["target_cpu_fraction"] + watch["splits_most"] for watch in said])}


def measure(setup, python, stage, command):
    rows = []
    for workload in WORKLOADS:
        if workload not in setup.workloads:
            continue
        target = Target(python, stage)
        try:
            why = target.do("can", workload=workload)
            rows.append({"workload": workload, "skipped": why} if why else measure_one(setup, target, command, workload))
        finally:
            target.close()
    return rows
