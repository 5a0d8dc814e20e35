# SPDX-License-Identifier: BSD-2-Clause
"""What is measured. Each section takes a Setup and gives plain data; tools/bench prints it.

In every round the target runs bare, is traced, and runs bare again, so that a change of the
machine's speed meets both. CPU time is the target thread's own; figures are medians over the
rounds, of differences made within a round.
"""
import subprocess
import time

from processes import Bpftrace, Failed, Stage, Target, Tool, bpftrace_probes, median
import syscalls
import exact
import delay
import detection
import idle
import overhead
import workloads

DEPTH = 20
MAIN_ROWS = (("malloc", DEPTH), ("instance", DEPTH), ("bytes", DEPTH))
# (loop, Python frames of its stack)
ROWS = (
    MAIN_ROWS
    + tuple((loop, depth) for loop in ("malloc", "instance") for depth in (5, 60, 128))
    + (("threads", DEPTH),)
)
LIBC_LOOPS = ("malloc", "threads")
TRAPS = ("nop5", "emulated", "stepped", "returning")
PAIR_HITS = 3  # an entry and a return of the allocating function, an entry of the freeing one


class Setup:
    """What is asked for."""

    def __init__(self, tools, loops, quick, chosen, bpftrace, say, detection_options):
        self.tools = tools  # pyleaktrace programs: [(name, path)]
        self.loops = loops  # loops.so
        self.bpftrace = bpftrace  # None, or why it cannot be used
        self.say = say  # progress
        self.workloads = chosen or list(workloads.WORKLOADS)
        self.rounds = 2 if quick else 7
        self.phase_s = 0.03 if quick else 0.15  # CPU time of one loop in one phase
        self.blocks = 100000 if quick else 1000000
        self.watch_s = 6.0 if quick else 30.0
        self.workload_rounds = 1 if quick else 3
        self.overhead_runs = 1 if quick else 5
        self.overhead_s = 5.0 if quick else 12.0  # wall time of a span
        self.delay_runs = 1 if quick else 2
        self.delay_s = 10.0 if quick else 30.0  # wall time of a span
        self.detection = detection_options
        self.idle_runs = 1 if quick else 7
        self.idle_s = 2.0 if quick else 4.0  # wall time of a span
        self.workload_s = 0.5 if quick else 3.0  # and at least as many steps as leak twice


class Clock:
    """Runs loops for about the wanted CPU time and returns ns per turn; learns how many turns that
    is."""

    def __init__(self, target, phase_s):
        self.target = target
        self.phase_ns = phase_s * 1e9
        self.turns = {}
        self.done = {}  # turns run so far, per loop

    def forget(self):
        self.done = {}

    def run(self, tracer, loop, depth):
        key = (tracer, loop, depth)
        if key not in self.turns:
            self.turns[key] = 1000
            for _ in range(2):  # the first is also the warm-up
                ns = self.run(tracer, loop, depth)
                self.turns[key] = int(min(max(1000, self.phase_ns / ns), 2e7))
        n = self.turns[key]
        self.done[loop] = self.done.get(loop, 0) + n * (2 if loop == "threads" else 1)
        return self.target.do("loop", kind=loop, n=n, depth=depth) / n


def seen_share(seen, done):
    return seen / done if done else None


def summary(pairs):
    """[(bare, traced)] of the rounds -> medians, and the range of the difference"""
    extra = [traced - bare for bare, traced in pairs]
    return {
        "bare_ns": median([bare for bare, _ in pairs]),
        "traced_ns": median([traced for _, traced in pairs]),
        "extra_ns": median(extra),
        "least_ns": min(extra),
        "most_ns": max(extra),
        "rounds": len(pairs),
    }


# ---- pairs ---------------------------------------------------------------------------------------


def one_phase(clock, name, rows):
    return {row: clock.run(name, *row) for row in rows}


def tool_phase(setup, clock, target, name, path, between):
    """One watch over all rows; what the tool saw and how long its own steps took goes to
    `between`."""
    tool = Tool(path, target, "36000")
    try:
        first_report_s = tool.report()  # it has measured its traps when this is there
        clock.forget()
        before = sum(clock.done.values())
        figures = one_phase(clock, name, ROWS)
        report, ends = tool.finish()
    except BaseException:
        tool.close()
        raise
    turns = sum(clock.done.values()) - before
    between.append(
        {
            "attach_s": tool.attach_s,
            "first_report_s": first_report_s,
            **ends,
            "seen": seen_share(report["totals"]["allocated_count"], turns),
            "missed_frees": report["totals"]["missed_frees"],
            "losses": report["losses"],
        }
    )
    return figures


def bpftrace_phase(clock, target, groups, between):
    tracer = Bpftrace(target, groups, "/pid == %d/ { @GROUP = count(); }" % target.pid)
    try:
        clock.forget()
        figures = one_phase(clock, "bpftrace", MAIN_ROWS)
        counts = tracer.finish()
    except BaseException:
        tracer.close()
        raise
    of_libc = sum(n for loop, n in clock.done.items() if loop in LIBC_LOOPS)
    between.append(
        {
            "seen_malloc": seen_share(counts.get("malloc", 0), of_libc),
            "seen_object": seen_share(
                counts.get("pymalloc", 0), sum(clock.done.values()) - of_libc
            ),
        }
    )
    return figures


def measure_pairs(setup, target):
    """ns per malloc+free and per object made and dropped: bare, under the tool, under bpftrace."""
    clock = Clock(target, setup.phase_s)
    groups = None if setup.bpftrace else bpftrace_probes(target)
    columns = {name: {} for name, _ in setup.tools}
    sessions = {name: [] for name, _ in setup.tools}
    if groups:
        columns["bpftrace"], sessions["bpftrace"] = {}, []
    for number in range(setup.rounds):
        setup.say("pairs, round %d of %d" % (number + 1, setup.rounds))
        before = one_phase(clock, "bare", ROWS)
        for name, path in setup.tools + ([("bpftrace", None)] if groups else []):
            if path:
                traced = tool_phase(setup, clock, target, name, path, sessions[name])
            else:
                traced = bpftrace_phase(clock, target, groups, sessions[name])
            after = one_phase(clock, "bare", ROWS)
            for row, ns in traced.items():
                columns[name].setdefault(row, []).append(((before[row] + after[row]) / 2, ns))
            before = after
    return {
        "rows": [
            {
                "loop": loop,
                "depth": depth,
                **{
                    name: summary(rows[loop, depth])
                    for name, rows in columns.items()
                    if (loop, depth) in rows
                },
            }
            for loop, depth in ROWS
        ],
        "sessions": {
            name: {
                key: median([s[key] for s in rows if s[key] is not None])
                for key in rows[0]
                if key != "losses"
            }
            for name, rows in sessions.items()
        },
        "losses": {
            name: sorted({loss["name"] for s in sessions[name] for loss in s["losses"]})
            for name, _ in setup.tools
        },
        "bpftrace_probes": groups,
    }


# ---- the tool's own statement of its cost --------------------------------------------------------


def statement(setup, clock, target, path, loop):
    """One watch of one loop: (ns per hit as the tool states it, as measured from outside, hits per
    pair)."""
    name = "cost " + path
    bare = clock.run("bare", loop, DEPTH)
    tool = Tool(path, target, "36000")
    try:
        tool.report()
        # several phases: one is not much next to the hits that commands make
        spent = [(clock.run(name, loop, DEPTH), clock.turns[name, loop, DEPTH]) for _ in range(5)]
        report, _ = tool.finish()
    except BaseException:
        tool.close()
        raise
    bare = (bare + clock.run("bare", loop, DEPTH)) / 2
    turns = sum(n for _, n in spent)
    extra = sum((ns - bare) * n for ns, n in spent) / turns
    return {"stated_ns": report["cost"]["ns_per_hit"], "measured_ns": extra / PAIR_HITS}


def measure_statement(setup, target):
    """The cost line of the report compared with what it costs as seen from outside; per hit, three
    hits a pair."""
    clock = Clock(target, setup.phase_s)
    result = []
    for name, path in setup.tools:
        for loop in ("malloc", "instance"):
            rows = []
            for number in range(max(1, setup.rounds // 2)):
                setup.say("cost line, %s, %s, round %d" % (name, loop, number + 1))
                rows.append(statement(setup, clock, target, path, loop))
            result.append(
                {
                    "tool": name,
                    "loop": loop,
                    "stated_ns": median([r["stated_ns"] for r in rows]),
                    "measured_ns": median([r["measured_ns"] for r in rows]),
                }
            )
    return result


# ---- the trap alone ------------------------------------------------------------------------------


def measure_traps(setup, target):
    """ns that a probe costs whose program compares one word and returns, by the probed
    instruction."""
    if setup.bpftrace:
        return {}
    clock = Clock(target, setup.phase_s)
    here = "uprobe:%s:bench_" % target.stage.loops
    groups = {
        "entry": [here + trap for trap in TRAPS],
        "exit": ["uretprobe:%s:bench_returning" % target.stage.loops],
    }
    figures = {trap: [] for trap in TRAPS}
    for number in range(max(2, setup.rounds // 2)):
        setup.say("traps, round %d" % (number + 1))
        bare = one_phase(clock, "bare", [(trap, 5) for trap in TRAPS])
        tracer = Bpftrace(target, groups, "/pid == 0/ { @GROUP = count(); }")
        try:
            traced = one_phase(clock, "trap", [(trap, 5) for trap in TRAPS])
            tracer.finish()
        except BaseException:
            tracer.close()
            raise
        for trap in TRAPS:
            figures[trap].append((bare[trap, 5], traced[trap, 5]))
    result = {trap: summary(rows) for trap, rows in figures.items()}
    return {trap: row["extra_ns"] for trap, row in result.items()}


# ---- the tool itself -----------------------------------------------------------------------------


def share_of_core(tool, seconds, work):
    """CPU share of the tool while `work` is done again and again for that long."""
    began, spent = time.monotonic(), tool.cpu_s()
    while time.monotonic() - began < seconds:
        work(began + seconds - time.monotonic())
    return (tool.cpu_s() - spent) / (time.monotonic() - began)


def measure_tool(setup, target, path):
    """The tool at the default interval with many live blocks held by the target."""
    tool = Tool(path, target)
    try:
        tool.report()
        setup.say("the tool itself: %d blocks are made" % setup.blocks)
        target.do("hold", n=setup.blocks)
        setup.say("the tool itself: quiet watch")
        quiet = share_of_core(tool, setup.watch_s, lambda left: time.sleep(min(left, 1.0)))
        setup.say("the tool itself: busy watch")
        busy = share_of_core(
            tool,
            setup.watch_s,
            lambda left: target.do("loop", kind="instance", n=20000, depth=DEPTH),
        )
        reports = [tool.report() for _ in range(5)]
        memory = tool.memory()
        report, ends = tool.finish()
    except BaseException:
        tool.close()
        raise
    return {
        "blocks": report["totals"]["outstanding_count"],
        "interval_s": 5,
        "watch_s": setup.watch_s,
        "cpu_quiet": quiet,
        "cpu_busy": busy,
        "report_s": median(reports),
        "attach_s": tool.attach_s,
        **ends,
        "peak_rss_bytes": memory["VmHWM"],
        "rss_bytes": memory["VmRSS"],
        "anonymous_bytes": memory["RssAnon"],
        "maps_bytes": report["cost"]["maps_bytes"],
        "losses": report["losses"],
    }


# ---- workloads -----------------------------------------------------------------------------------


def rank_of_leak(report, workload):
    """Place of the leaking line in the report, 1 the first; None when it is not there."""
    line = workloads.leaking_line(workload)
    for place, stack in enumerate(report["stacks"], 1):
        if any(
            f.get("line") == line and (f.get("file") or "").endswith("/workloads.py")
            for f in stack["frames"]
        ):
            return place
    return None


def steps_for(target, workload, cpu_s):
    """How many steps take about that much CPU time."""
    target.do("steps", workload=workload, n=20)
    ns = target.do("steps", workload=workload, n=20) / 20
    return max(20, int(cpu_s * 1e9 / ns))


def workload_round(setup, target, path, workload, turns):
    """-> (bare ns per step, traced ns per step, rank)"""
    if "bare" not in turns:
        turns["bare"] = steps_for(target, workload, setup.workload_s / 4)
    n = turns["bare"]
    before = target.do("steps", workload=workload, n=n) / n
    tool = Tool(path, target, "36000")
    try:
        tool.report()
        if "traced" not in turns:
            turns["traced"] = max(
                workloads.LEAST_STEPS[workload], steps_for(target, workload, setup.workload_s)
            )
        traced = target.do("steps", workload=workload, n=turns["traced"]) / turns["traced"]
        report, _ = tool.finish()
    except BaseException:
        tool.close()
        raise
    after = target.do("steps", workload=workload, n=n) / n
    return (before + after) / 2, traced, rank_of_leak(report, workload)


def measure_workloads(setup, python, stage, path):
    """Slowdown of services at full speed, everything traced, and where the report has their
    leak."""
    result = []
    for workload in setup.workloads:
        target = Target(python, stage)
        rounds, turns = [], {}
        try:
            if target.do("can", workload=workload):
                continue
            for number in range(setup.workload_rounds):
                setup.say(
                    "workload %s, round %d of %d" % (workload, number + 1, setup.workload_rounds)
                )
                rounds.append(workload_round(setup, target, path, workload, turns))
        finally:
            target.close()
        ranks = [rank for _, _, rank in rounds]
        slow = [traced / bare for bare, traced, _ in rounds]
        result.append(
            {
                "workload": workload,
                "bare_us": median([bare for bare, _, _ in rounds]) / 1000,
                "slowdown": median(slow),
                "slowdown_least": min(slow),
                "slowdown_most": max(slow),
                "traced_steps": turns["traced"],
                "ranks": ranks,
            }
        )
    return result


# ---- all of it -----------------------------------------------------------------------------------


def measure_cost(setup, target):
    return {"statement": measure_statement(setup, target), "traps": measure_traps(setup, target)}


def measure_itself(setup, target):
    return measure_tool(setup, target, setup.tools[0][1])


SECTIONS = {
    "pairs": measure_pairs,
    "cost": measure_cost,
    "tool": measure_itself,
    "workloads": None,
    "overhead": None,
    "exact": None,
    "idle": None,
    "delay": None,
    "latency-of-detection": None,
    "syscalls": None,
}
# what is measured when nothing is named
USUAL = ("pairs", "cost", "tool", "workloads")


def measure_section(setup, python, stage, section):
    """One section, on a target of its own."""
    if section == "overhead":
        return overhead.measure(setup, python, stage, setup.tools[0][1])
    if section == "delay":
        return delay.measure(setup, python, setup.tools[0][1])
    if section == "latency-of-detection":
        return detection.measure(setup, python, setup.tools[0][1])
    if section == "idle":
        return idle.measure(setup, python, stage, setup.tools[0][1])
    if section == "syscalls":
        return syscalls.measure(
            setup, python, stage, lambda target: Clock(target, setup.phase_s), setup.tools[0][1]
        )
    if section == "workloads":
        return measure_workloads(setup, python, stage, setup.tools[0][1])
    target = Target(python, stage)
    try:
        if section == "exact":
            return exact.measure(setup, Clock(target, setup.phase_s), target)
        return SECTIONS[section](setup, target)
    finally:
        target.close()


def measure(setup, python, wanted):
    """The wanted sections on one interpreter."""
    result = {"python": python, "seconds": {}}
    stage = None
    try:
        stage = Stage(python, setup.loops)
        target = Target(python, stage)
        result.update(version=target.facts["version"], file=target.interpreter())
        target.close()
        setup.say("%s (CPython %s)" % (python, result["version"]))
        for section in wanted:
            began = time.monotonic()
            result[section] = measure_section(setup, python, stage, section)
            result["seconds"][section] = round(time.monotonic() - began, 1)
    except (Failed, OSError, subprocess.SubprocessError) as error:
        result["failed"] = str(error)
    finally:
        if stage:
            stage.remove()
    return result
