# SPDX-License-Identifier: BSD-2-Clause
"""Runs a program of the corpus below the tool, and compares the answer with the truth.

The tool runs as a user would run it: default mode, a report every few seconds. What each report
says first, and when, is read from its text; the lines are in the JSON of the last.
"""
import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "live")]
import harness  # noqa: E402
import truth  # noqa: E402

BARE_S = 5  # what the program's work costs without the tool is measured for so long
EVERY_S = 3
SETTLED_S = 30  # what is full for so long does not grow any more
FINDING = re.compile(
    r"^  (\d)\. +(?:(\+\S+ \S+) +)?(%s) +(\S.*)$" % "|".join(map(re.escape, truth.CAUSES)), re.M
)
BY = re.compile(r"^ +\w+ by +(.*)", re.M | re.S)
PLACE = re.compile(r"\(([^()]+):(\d+)\)")
STATE = re.compile(r"^(TOO EARLY|NO LEAK|GROWING|LEAK|FRAGMENTATION)  (.*)$", re.M)

Said = collections.namedtuple("Said", "at_s state sentence findings")


class Broken(Exception):
    """The case could not be tried."""


class Program:
    """One of the corpus, at work."""

    def __init__(self, python, name, *options):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [python, truth.program(name), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.pid = self.process.pid
        self.out = harness.Reader(self.process.stdout)

    def wait(self, pattern, start=0):
        match = self.out.wait(pattern, start)
        if not match:
            raise Broken("it ended: " + self.stderr()[-500:])
        return match

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace").strip()

    def progress(self):
        """(turns, CPU time) until now"""
        match = self.wait(r'^\{"turns": (\d+), "cpu_s": ([\d.]+)\}\n', len(self.out.text))
        return int(match[1]), float(match[2])

    def close(self):
        """It ends with its input; -> what it did in all, exit code."""
        self.process.stdin.close()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.out.close()
        self.errors.close()
        total = re.search(r'^\{"total": (\d+)', self.out.text, re.M)
        return int(total[1]) if total else None, code


def rate(before, after):
    """CPU time per turn."""
    return (after[1] - before[1]) / max(after[0] - before[0], 1)


def children_cpu_s(pid):
    """CPU time of a process of ours that is still there."""
    with open("/proc/%d/stat" % pid, encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Tracer:
    """The tool in its default mode."""

    def __init__(self, pid, folder, tool=harness.TOOL):
        self.json = os.path.join(folder, "report.json")
        command = [tool, "-p", str(pid), "-o", self.json, str(EVERY_S)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
        )
        self.out = harness.Reader(self.process.stdout)
        self.err = harness.Reader(self.process.stderr)
        self.read = 0

    def next_report(self):
        """Its text, with the seconds since the tool was started; None: it has ended."""
        match = self.out.wait(r"^cost: .*\n", self.read)
        if not match:
            return None
        text, self.read = self.out.text[self.read : match.end()], match.end()
        return time.monotonic() - self.began, text

    def cpu_s(self):
        return children_cpu_s(self.process.pid)

    def finish(self):
        """-> the final report as JSON"""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(harness.DEADLINE_S)
        if code:
            self.err.thread.join(harness.DEADLINE_S)
            raise Broken("the tool ended with %d: %s" % (code, self.err.text[-500:]))
        with open(self.json, encoding="utf-8") as report:
            return json.load(report)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.out.close()
        self.err.close()


def places(text):
    """[(file, line)] that a finding's text names, innermost first."""
    stack = BY.search(text)
    found = PLACE.findall(stack[1]) if stack else []
    return [(os.path.basename(file), int(line)) for file, line in found[: truth.NEAR]]


def parse(at_s, text):
    """What a report says first; None: it has no verdict yet."""
    state = STATE.search(text)
    if not state:
        return None
    answer = text[state.start() :].split("\n\n")[0]
    found = list(FINDING.finditer(answer))
    ends = [match.start() for match in found[1:]] + [len(answer)]
    findings = [
        {
            "rate": m[2],
            "cause": m[3],
            "sentence": m[4],
            "places": places(answer[m.end() : end]),
        }
        for m, end in zip(found, ends)
    ]
    return Said(at_s, state[1], state[2], findings)


class Result:
    """What was said of one case, and what is wrong with it."""

    def __init__(self, name, control):
        self.name, self.control = name, control
        self.broken = None
        self.said = []
        self.final = None  # the verdict as JSON
        self.slowdown = self.tool_cpu = None

    @property
    def expects_leak(self):
        return self.name in truth.LEAKS and not self.control

    @property
    def truth(self):
        return truth.LEAKS[self.name] if self.expects_leak else truth.HEALTHY.get(self.name)

    @property
    def title(self):
        return self.name + (" --control" if self.control else "")

    @property
    def state(self):
        return self.final["state"] if self.final else "none"

    @property
    def findings(self):
        return self.final["findings"] if self.final else []

    @property
    def is_first(self):
        return bool(self.findings) and bool(truth.is_right(self.truth, self.findings[0]))

    @property
    def first_after_s(self):
        """Since when the right finding is the first one, and stays so; None: it is not."""
        since = None
        for said in self.said:
            if not (said.findings and truth.is_right(self.truth, said.findings[0])):
                since = None
            elif since is None:
                since = said.at_s
        return since if self.is_first else None

    def may_grow(self, at_s):
        """It has not been seen long enough since it is full."""
        settles_s = self.truth.settles_s if self.truth else 0
        return settles_s and at_s + BARE_S + 2 < settles_s + SETTLED_S

    @property
    def is_still_filling(self):
        return bool(self.said) and self.may_grow(self.said[-1].at_s) and self.state == "GROWING"

    @property
    def is_state_right(self):
        if self.expects_leak:
            return self.state in self.truth.states
        right = self.truth.states if self.truth else ("NO LEAK",)
        return self.state in right or self.is_still_filling

    @property
    def is_line_right(self):
        """None: no stack can be had."""
        if not self.truth.has_stack:
            return None
        return any(
            truth.is_right(self.truth, finding) and truth.has_line(self.name, finding)
            for finding in self.findings
        )

    @property
    def wrong(self):
        """Findings that are not true."""
        if self.expects_leak:
            return [f for f in self.findings if not truth.is_allowed(self.truth, f)]
        return [] if self.is_still_filling else self.findings

    @property
    def wrong_meanwhile(self):
        """[(seconds, state, the finding)] of earlier reports of what does not leak."""
        if self.expects_leak:
            return []
        return [
            (said.at_s, said.state, "%(rate)s %(cause)s: %(sentence)s" % finding)
            for said in self.said
            for finding in said.findings
            if said.state == "LEAK" or not self.may_grow(said.at_s)
        ]

    @property
    def denied(self):
        """Reports of what leaks that say that nothing does."""
        return [said for said in self.said if self.expects_leak and said.state == "NO LEAK"]

    @property
    def faults(self):
        """In words; empty: all is right."""
        if self.broken:
            return ["not tried: " + self.broken]
        faults = [] if self.is_state_right else ["state " + self.state]
        if self.expects_leak:
            if not self.is_first:
                named = any(truth.is_right(self.truth, f) for f in self.findings)
                faults.append("not first" if named else "not named")
            if self.is_line_right is False:
                faults.append("line")
        if self.wrong:
            faults.append("%d wrong" % len(self.wrong))
        if self.denied and self.state != "NO LEAK":
            faults.append("NO LEAK meanwhile")
        if self.wrong_meanwhile:
            faults.append("wrong meanwhile")
        return faults


def missing(python, name):
    """Why this program does not run there; None: it does."""
    case = truth.LEAKS.get(name) or truth.HEALTHY[name]
    imports = "".join("import %s\n" % module for module in getattr(case, "needs", ()))
    check = "import sys\nassert sys.version_info >= %r, 'it is older'\n" % (case.since,)
    done = subprocess.run([python, "-c", check + imports], stderr=subprocess.PIPE, check=False)
    if done.returncode:
        return done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
    return None


def attempt(python, name, control=False, seconds=50):
    """Try one case. -> Result"""
    result = Result(name, control)
    tracer = None
    with tempfile.TemporaryDirectory() as folder:
        program = Program(python, name, *(["--control"] if control else []))
        try:
            program.wait(r'^\{"ready"')
            bare = [program.progress()]
            time.sleep(BARE_S)
            bare.append(program.progress())
            tracer = Tracer(program.pid, folder)
            while True:
                report = tracer.next_report()
                if report is None:
                    raise Broken("the tool ended: " + tracer.err.text[-500:])
                said = parse(*report)
                if said:
                    result.said.append(said)
                if report[0] >= seconds:
                    break
            traced = program.progress()
            result.tool_cpu = tracer.cpu_s() / (time.monotonic() - tracer.began)
            report = tracer.finish()
            result.final = report.get("verdict")
            result.slowdown = rate(bare[1], traced) / rate(*bare)
        except (Broken, AssertionError) as error:
            result.broken = str(error)
        finally:
            if tracer:
                tracer.close()
            program.close()
    return result


def as_data(result):
    """What a list of faults is made from."""
    return {
        "broken": result.broken,
        "name": result.name,
        "control": result.control,
        "faults": result.faults,
        "verdict": result.final,
        "meanwhile": result.wrong_meanwhile,
        "said": [said._asdict() for said in result.said],
        "slowdown": result.slowdown,
        "tool_cpu": result.tool_cpu,
    }


def from_data(data):
    """The result that as_data() was made from; what is wrong with it is found out again."""
    result = Result(data["name"], data["control"])
    result.broken, result.final = data["broken"], data["verdict"]
    result.said = [Said(**said) for said in data["said"]]
    result.slowdown, result.tool_cpu = data["slowdown"], data["tool_cpu"]
    return result
