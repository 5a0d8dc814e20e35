# SPDX-License-Identifier: BSD-2-Clause
"""How long requests wait for the tracing: an open-loop service, bare and traced in turns.

The requests come at fixed times, so that one that is held up holds up the ones behind it, as in
production. A healthy service has no probe in it; a leaky one has windows of 20 ms.
"""
import json
import os
import subprocess

SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "delay_service.py")
# requests a second, ms of work each, how they are served
SHAPES = ((50, 5, "thread"), (500, 0.5, "thread"), (100, 2, "asyncio"))
QUANTILES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))


class Service:
    def __init__(self, python, rate, work_ms, kind, how):
        self.process = subprocess.Popen(
            [python, SERVICE, str(rate), str(work_ms), kind, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.process.stdout.readline()
        self.pid = self.process.pid

    def serve(self, seconds):
        self.process.stdin.write("%g\n" % seconds)
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def quantiles(latencies):
    latencies = sorted(latencies)
    return {
        name: latencies[min(len(latencies) - 1, int(share * len(latencies)))] / 1e3
        for name, share in QUANTILES
    }


def traced_span(service, command, seconds):
    tool = subprocess.Popen(
        [command, "-p", str(service.pid), "-q", "36000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return service.serve(seconds)
    finally:
        tool.terminate()
        tool.wait()


def measure_one(setup, python, command, shape, kind):
    rate, work_ms, how = shape
    service = Service(python, rate, work_ms, kind, how)
    bare, traced = [], []
    try:
        for number in range(setup.delay_runs):
            setup.say("%s, %g/s of %g ms, run %d" % (kind, rate, work_ms, number + 1))
            bare += service.serve(setup.delay_s)
            traced += traced_span(service, command, setup.delay_s)
    finally:
        service.close()
    return {
        "rate": rate,
        "work_ms": work_ms,
        "how": how,
        "kind": kind,
        "requests": len(bare),
        "bare": quantiles(bare),
        "traced": quantiles(traced),
    }


def measure(setup, python, command):
    return [
        measure_one(setup, python, command, shape, kind)
        for shape in SHAPES
        for kind in ("healthy", "leaky")
    ]


def table(rows):
    yield "Latency of requests in ms, bare / traced below the default ceiling:"
    yield "  %-28s" % "" + "".join("%20s" % name for name, _ in QUANTILES)
    for row in rows:
        name = "%s, %g/s of %g ms%s" % (
            row["kind"],
            row["rate"],
            row["work_ms"],
            ", asyncio" if row["how"] == "asyncio" else "",
        )
        cells = ["%.1f / %.1f" % (row["bare"][q], row["traced"][q]) for q, _ in QUANTILES]
        yield "  %-34s" % name + "".join("%18s" % cell for cell in cells)
