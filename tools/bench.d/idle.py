# SPDX-License-Identifier: BSD-2-Clause
"""What services lose while a watchpoint is set that nobody hits: a store across two cache lines,
and bytes moved in bulk, take longer.

By pairs of spans (spans.py). The container that is watched is one of the target's that never
changes.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile

import spans
from processes import DEADLINE_S, Failed, Lines, close, median

WATCHED = "__main__.IDLE"
RESTING = ("bursty",)  # what it loses to cold caches is more than to this


class Watchpoint:
    """`pyleaktrace watch` on a container of the target."""

    def __init__(self, command, target):
        self.folder = tempfile.mkdtemp(prefix="pyleaktrace-bench.")
        self.report = os.path.join(self.folder, "report.json")
        self.process = subprocess.Popen(
            [
                command,
                "watch",
                "-p",
                str(target.pid),
                WATCHED,
                "-d",
                "10h",
                "--max-overhead",
                "100",
                "-q",
                "-o",
                self.report,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        try:
            self.err.wait(r"watching")
        except Failed:
            self.close()
            raise

    def finish(self):
        """-> the report's `watch`"""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(DEADLINE_S)
        if code:
            raise Failed("watch ended with %d: %s" % (code, self.err.text()[-500:]))
        with open(self.report, encoding="utf-8") as file:
            report = json.load(file)
        if report["watch"]["containers"][0]["inserted"]:
            raise Failed("%s has changed" % WATCHED)
        return report["watch"]

    def close(self):
        close(self.process, self.out, self.err)
        shutil.rmtree(self.folder, ignore_errors=True)


def watched_span(steps, command, target, seconds):
    watchpoint = Watchpoint(command, target)
    try:
        return steps.span(seconds), watchpoint.finish()
    finally:
        watchpoint.close()


def measure_one(setup, target, command, workload):
    steps = spans.Steps(target, workload)
    pairs = spans.alternate(
        steps,
        setup.idle_s,
        setup.idle_runs,
        lambda: watched_span(steps, command, target, setup.idle_s),
        lambda number: setup.say(
            "watchpoint next to %s, run %d of %d" % (workload, number, setup.idle_runs)
        ),
    )
    return {
        "workload": workload,
        **pairs.facts(),
        "split_ns": median([watch["split_ns"] for watch in pairs.said]),
        "reported": median([watch["target_cpu_fraction"] for watch in pairs.said]),
        "reported_most": median(
            [watch["target_cpu_fraction"] + watch["splits_most"] for watch in pairs.said]
        ),
    }


def measure(setup, python, stage, command):
    return spans.each(
        [name for name in setup.workloads if name not in RESTING],
        python,
        stage,
        lambda target, workload: measure_one(setup, target, command, workload),
    )
