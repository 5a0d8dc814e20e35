# SPDX-License-Identifier: BSD-2-Clause
"""How soon a report names a leak: seconds until the right finding is its first, and until it has
the line that leaks.

Services of the same load (detection_service.py) leak one kind each, at 1 to 1,000 a second. What is
right is judged as tests/answer judges it. The healthy twin has no leak: any finding is false.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "answer"))
import truth  # noqa: E402
import trying  # noqa: E402
from processes import Failed, Lines, close  # noqa: E402

SERVICE = os.path.join(HERE, "detection_service.py")
END_S = 60  # after which one that was told to end is killed
KINDS = {
    "container": truth.leak("container", r"__main__\.SESSIONS \(dict"),
    "class": truth.leak("reference", r"keeps .*Message"),
    "str": truth.leak("reference", r"keeps .*str\b"),
    "strdup": truth.leak("C memory", r"strdup|C code"),
    "cycle": truth.leak("cycle", r"\b(Order|Line)\b"),
}
HEALTHY = "healthy"
NAMES = (*KINDS, HEALTHY)
# leaks a second -> seconds after which a run ends
LIMITS_S = {1000: 60, 100: 120, 10: 240, 1: 1200}
QUICK_LIMITS_S = {100: 60}


class Options:
    """What is asked for; empty lists: all."""

    def __init__(self, quick, names, rates, minutes, jobs):
        self.names = names or list(NAMES)
        self.limits_s = QUICK_LIMITS_S if quick else {r: LIMITS_S[r] for r in rates or LIMITS_S}
        self.minutes = minutes or (1 if quick else 10)
        self.jobs = jobs


class Service:
    """At work when this returns."""

    def __init__(self, python, kind, per_s):
        self.process = subprocess.Popen(
            [python, SERVICE, kind, str(per_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.out = Lines(self.process.stdout)
        try:
            self.out.wait(r'^\{"ready"')
        except Failed:
            self.close()
            raise
        self.pid = self.process.pid
        self.warm = len(self.out.lines)

    def facts(self):
        """Of the time since it was warm: its share of a core, and how late it was at most."""
        (began, first), (ended, last) = (
            (at, json.loads(text)) for at, text in (self.out.lines[n] for n in (self.warm - 1, -1))
        )
        late_s = max(json.loads(text)["late_s"] for _, text in self.out.lines[self.warm :])
        cpu_s = last["cpu_s"] - first["cpu_s"]
        return {"share": cpu_s / max(ended - began, 1), "late_s": late_s, "leaked": last["leaked"]}

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdin = None
        close(self.process, self.out)


# ---- one run -------------------------------------------------------------------------------------


class Judge:
    """Since when the first finding is the right one, and since when a right one has the line."""

    def __init__(self, kind):
        self.truth = KINDS[kind]
        marked = truth.marked_in(SERVICE, "%s: %s" % (truth.MARK, kind))
        self.lines = {(os.path.basename(SERVICE), line) for line in marked}
        self.finding_s = self.line_s = None
        self.wrong, self.states = [], []

    def hear(self, said):
        """return there is nothing more to wait for"""
        self.states.append((round(said.at_s, 1), said.state, len(said.findings)))
        right = [f for f in said.findings if truth.is_right(self.truth, f)]
        is_first = bool(right) and right[0] is said.findings[0]
        has_line = any(self.lines.intersection(finding["places"]) for finding in right)
        self.finding_s = self._since(self.finding_s, is_first, said.at_s)
        self.line_s = self._since(self.line_s, has_line, said.at_s)
        self.wrong += [as_data(said, f) for f in said.findings if f not in right]
        return is_first and has_line

    @staticmethod
    def _since(since, holds, at_s):
        if not holds:
            return None
        return at_s if since is None else since


def as_data(said, finding):
    return {"at_s": round(said.at_s, 1), "state": said.state, **finding}


def listen(tracer, limit_s, hear):
    """Until it wants to hear no more. return the last verdict as JSON"""
    while True:
        report = tracer.next_report()
        if report is None:
            raise Failed("the tool ended: " + tracer.err.text[-500:])
        said = trying.parse(*report)
        if (said and hear(said)) or report[0] >= limit_s:
            return tracer.finish().get("verdict")


def traced(python, command, kind, per_s, limit_s, hear):
    """Have the service's reports heard. return (last verdict, facts of the service)"""
    service, tracer = Service(python, kind, per_s), None
    try:
        with tempfile.TemporaryDirectory() as folder:
            tracer = trying.Tracer(service.pid, folder, command)
            verdict = listen(tracer, limit_s, hear)
        return verdict, service.facts()
    except (trying.Broken, AssertionError) as error:
        raise Failed(str(error)) from error
    finally:
        if tracer:
            tracer.close()
        service.close()


def run_leak(python, command, kind, per_s, limit_s):
    judge = Judge(kind)
    verdict, facts = traced(python, command, kind, per_s, limit_s, judge.hear)
    reached = judge.finding_s and judge.line_s
    return {
        "kind": kind,
        "per_s": per_s,
        "limit_s": limit_s,
        "finding_s": judge.finding_s,
        "line_s": judge.line_s,
        "wrong": judge.wrong,
        "states": judge.states,  # seconds, state, findings of each report
        "last_verdict": None if reached else verdict,
        **facts,
    }


def run_healthy(python, command, minutes):
    reports = []
    verdict, facts = traced(python, command, HEALTHY, 0, 60 * minutes, reports.append)
    return {
        "minutes": minutes,
        "reports": len(reports),
        "grows_at_s": [round(r.at_s, 1) for r in reports if r.state in ("GROWING", "LEAK")],
        "alarms": [as_data(said, finding) for said in reports for finding in said.findings],
        "last_verdict": verdict,
        **facts,
    }


# ---- all of them ---------------------------------------------------------------------------------


def run(setup, python, command, kind, per_s):
    setup.say("%s, %g a second" % (kind, per_s))
    options = setup.detection
    if kind == HEALTHY:
        return run_healthy(python, command, options.minutes)
    return run_leak(python, command, kind, per_s, options.limits_s[per_s])


def measure(setup, python, command):
    options = setup.detection
    # the longest first: short ones fill what is left
    rates = sorted(options.limits_s, key=options.limits_s.get, reverse=True)
    cases = [(kind, rate) for rate in rates for kind in KINDS if kind in options.names]
    cases = [(HEALTHY, 0)] * (HEALTHY in options.names) + cases
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda case: run(setup, python, command, *case), cases))
    healthy = rows.pop(0) if HEALTHY in options.names else None
    return {"every_s": trying.EVERY_S, "jobs": options.jobs, "rows": rows, "healthy": healthy}


# ---- as text -------------------------------------------------------------------------------------


def seconds(value, limit_s):
    return "> %g" % limit_s if value is None else "%.0f" % value


def cell(row):
    if row is None:
        return "-"
    return " / ".join(seconds(row[key], row["limit_s"]) for key in ("finding_s", "line_s"))


def leak_rows(rows):
    found = {(row["kind"], row["per_s"]): row for row in rows}
    rates = sorted({row["per_s"] for row in rows})
    yield "  %-12s" % "" + "".join("%18s" % ("%g a second" % rate) for rate in rates)
    for kind in KINDS:
        cells = [cell(found.get((kind, rate))) for rate in rates]
        if any(one != "-" for one in cells):
            yield "  %-12s" % kind + "".join("%18s" % one for one in cells)


def wrong_rows(rows):
    """By cause: what was said that is not true."""
    for row in rows:
        for cause in dict.fromkeys(one["cause"] for one in row["wrong"]):
            times = [one["at_s"] for one in row["wrong"] if one["cause"] == cause]
            yield "  %s, %g a second: wrong findings of %s, %d from %.0f s to %.0f s" % (
                row["kind"],
                row["per_s"],
                cause,
                len(times),
                times[0],
                times[-1],
            )


def healthy_rows(healthy):
    yield "  healthy, %g min, %d reports: %d false findings; %d reports say that it grows" % (
        healthy["minutes"],
        healthy["reports"],
        len(healthy["alarms"]),
        len(healthy["grows_at_s"]),
    )
    for alarm in healthy["alarms"]:
        yield "    after %(at_s).0f s %(state)s: %(cause)s: %(sentence)s" % alarm


def table(data):
    rows = data["rows"] + ([data["healthy"]] if data["healthy"] else [])
    yield "Seconds until the leak is the first finding / until its line is named:"
    if data["rows"]:
        yield from leak_rows(data["rows"])
        yield from wrong_rows(data["rows"])
    if data["healthy"]:
        yield from healthy_rows(data["healthy"])
    yield "  the services used %.0f to %.0f %% of a core, and were at most %.1f s late" % (
        100 * min(row["share"] for row in rows),
        100 * max(row["share"] for row in rows),
        max(row["late_s"] for row in rows),
    )
