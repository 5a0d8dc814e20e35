# SPDX-License-Identifier: BSD-2-Clause
"""`pyleaktrace trend` against targets that know what they took: where the RSS is, threads, files,
and what the report concludes."""
import json
import os
import re
import signal
import types

import pytest

import harness
from harness import tool

MIB = 1 << 20


class Trend(harness.Command):
    """trend at work on a target; it looks on request."""

    def __init__(self, target, folder, *options):
        self.target = target
        super().__init__(
            folder, ["trend", "-p", str(target.pid), "-f", "json", *options, harness.NEVER_S]
        )
        self.looks = 1
        self.wait()

    def wait(self):
        assert self.err.wait(
            r"^pyleaktrace: look %d at pid %d$" % (self.looks, self.target.pid)
        ), self.err.text

    def look(self):
        self.process.send_signal(signal.SIGUSR1)
        self.looks += 1
        self.wait()


@pytest.fixture
def trend(tmp_path):
    made = []

    def run(target, *options):
        made.append(Trend(target, tmp_path, *options))
        return made[-1]

    yield run
    for one in made:
        one.close()


def series(report):
    return {row["name"]: row for row in report["trend"]["series"]}


def findings(report):
    return {row["name"]: row["sentence"] for row in report["trend"]["findings"]}


def rss(pid):
    with open("/proc/%d/smaps_rollup" % pid, encoding="utf-8") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("Rss:"))


STEPS = [
    ("objects", {"n": 100000}),
    ("owned", {"n": 21000}),
    ("at_exit", {"n": 20000}),
    ("malloc", {"n": 5000, "size": 1000}),
    ("malloc", {"n": 8, "size": MIB}),
    ("mapping", {"size": 6 * MIB, "shared": False}),
    ("mapping", {"size": 5 * MIB, "shared": True}),
    ("stacks", {"n": 3, "size": 2 * MIB}),
    ("holes", {"n": 200000}),
    ("malloc_holes", {"n": 60000, "size": 100}),
    ("reserve", {"size": 64 * MIB}),
]
# Not exact to the byte are: what Python needs for the command itself, code of it that comes into
# memory; pages of which a stack or a mapping needs one more; a pool or a malloc heap that was begun
# before; blocks that a thread's cache of malloc keeps.
SLACK = 256 << 10
UNEXPLAINED = 32 << 10


def test_each_part_of_the_rss_gains_what_it_took(python, start, trend, validate):
    """Each step takes a known amount of one kind: that part of the account gains it, and no other
    does. Memory that is only reserved is in none. Free memory of the allocators is used first, so
    those parts may shrink."""
    target = start(python, "memory.py")
    run = trend(target)
    truth = []
    for name, args in STEPS:
        truth.append(target.do(name, **args))
        harness.quiet(target.pid)
        run.look()
    report = run.finish()
    validate(report)
    assert report["losses"] == [] and len(report["trend"]["series"]) >= 18
    rows = {name: [value for _, value in row["points"]] for name, row in series(report).items()}
    parts = [
        name[: -len("_bytes")] for name in report["trend"]["account"] if name != "unexplained_bytes"
    ]
    for step, gains in enumerate(truth):
        for part in parts:
            before, after = rows[part + "_bytes"][step : step + 2]
            over = after - before - gains.get(part, 0)
            used = before if part.endswith("_free") else 0
            # mimalloc keeps large blocks for a while too: of lists that were there only meanwhile
            more = over if python.free_threaded and part == "pymalloc_free" else SLACK
            if part in gains or not part.endswith("_free"):
                assert -SLACK - used <= over <= more, (STEPS[step], part, over, gains)
    for step in range(len(STEPS) + 1):
        explained = sum(rows[part + "_bytes"][step] for part in parts)
        assert abs(rows["rss_bytes"][step] - explained) <= UNEXPLAINED, (
            step,
            rows["rss_bytes"][step] - explained,
        )
    assert rows["rss_bytes"][-1] == rss(target.pid)
    allocators = report["trend"]["allocators"]
    assert allocators["thread_stacks"] == 3 and allocators["mapped_blocks"] >= 8
    assert allocators["main_heap_free_bytes"] <= allocators["main_heap_bytes"]
    assert (
        0
        < allocators["pools_used_bytes"]
        <= allocators["pools_bytes"]
        <= allocators["arenas_bytes"]
    )


def test_threads_and_files_that_stay_are_counted(python, start, trend, validate):
    """Threads that stay, one per look; others that come and go unseen; and files that are never
    closed."""
    target = start(python, "memory.py")
    run = trend(target)
    names = []
    for _ in range(6):
        names.append(target.do("leak_thread"))
        target.do("pass_threads", n=3)
        target.do("files", n=5)
        harness.quiet(target.pid)
        run.look()
    report = run.finish()
    validate(report)
    found, rows = findings(report), series(report)
    assert re.match(
        r"Threads leak: 1 became 7 in .*\. 6 of them are in leaking_job \(%s:\d+\)\.$"
        % re.escape(target.program),
        found["threads"],
    ), found
    assert re.match(r"File descriptors leak: (\d+) became (\d+) in ", found["files"])
    assert rows["fds"]["last"] - rows["fds"]["first"] == 30
    counts = report["trend"]["thread_counts"]
    assert (counts["python"], counts["all"]) == (7, 7)
    if python.version >= (3, 7):  # before, CPython does not count them
        assert (counts["came"], counts["ended"]) == (6 + 18, 18)
    threads = report["trend"]["threads"]
    assert [thread["name"] for thread in threads] == names[::-1] + ["MainThread"]
    tasks = {int(tid) for tid in os.listdir("/proc/%d/task" % target.pid)}
    assert {thread["tid"] for thread in threads} == tasks
    for thread in threads[:-1]:
        assert thread["at"] == {
            "function": "wait",
            "file": target.program,
            "line": target.line("waits"),
        }
        assert thread["from"]["function"] == "leaking_job" and thread["state"] == "S"


# older versions offer no way to make one from Python
@pytest.mark.pythons(lambda python: python.version >= (3, 8))
def test_interpreters_are_counted(python, start, trend, validate):
    target = start(python, "memory.py")
    run = trend(target)
    for n in (1, 3, 70):
        target.do("interpreter", n=n)
        harness.quiet(target.pid)
        run.look()
    report = run.finish()
    validate(report)
    assert [value for _, value in series(report)["interpreters"]["points"]] == [1, 2, 5, 75]


def test_fragmentation_is_no_leak(one_python, start, trend):
    target = start(one_python, "memory.py")
    target.do("holes", n=2000000)
    run = trend(target)
    for _ in range(5):
        run.look()
    found = findings(run.finish())
    assert "fragmentation, not a leak" in found["fragmentation"] and "growth" not in found


def test_garbage_is_reported_while_the_collector_is_off(python, start, trend):
    """Garbage in cycles that is never collected: the collector is off, and its count grows with
    them."""
    target = start(python, "memory.py")
    before = target.do("cycles", n=0)
    run = trend(target)
    after = target.do("cycles", n=1000)
    run.look()
    report = run.finish()
    gc = report["heap"]["gc"]
    assert after - before >= 1000 and abs(gc["counts"][0] - after) < 100
    if python.version >= (3, 7):
        assert gc["enabled"] is False and "last_collection_s" not in gc
        assert "The collector is off" in findings(report)["collector"]
        assert str(gc["counts"][0]) in findings(report)["collector"]


def test_full_collections_are_counted_and_others_not(python, start, trend, validate):
    """Each full collection is counted, whichever generations this version has; younger ones are
    not."""
    target = start(python, "memory.py")
    run = trend(target)
    target.do("collect", n=3)
    run.look()
    report = run.finish()
    validate(report)
    if python.version >= (3, 7):  # 3.6 does not say
        row = series(report)["full_collections"]
        assert row["last"] - row["first"] == 3, row
    else:
        assert "full_collections" not in series(report)


def test_objects_made_since_a_full_collection_are_counted(python, start, trend):
    """What was made since the last collection of all objects, as the generations count it."""
    target = start(python, "memory.py")
    target.do("collector", on=True)
    target.do("collect", n=1)
    run = trend(target)
    counts, thresholds = target.do("made", n=20000)
    run.look()
    row = series(run.finish())["since_full_collection"]
    if python.free_threaded:  # each is of all
        expected = counts[0]
    else:
        expected = counts[0] + (thresholds[0] + 1) * (counts[1] + (thresholds[1] + 1) * counts[2])
        assert expected > 10000
    assert abs(row["last"] - expected) < max(1000, thresholds[0]), (row, counts, thresholds)


def test_text_has_every_part_and_is_the_file_too(one_python, start, tmp_path):
    target = start(one_python, "memory.py")
    result = tool("trend", "-p", str(target.pid), "0.05", "3", "-o", str(tmp_path / "a.txt"))
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert len([line for line in lines if re.match(r"\[[\d:]{8}\]  RSS ", line)]) == 3
    assert result.stdout.endswith((tmp_path / "a.txt").read_text())
    for word in (
        "3 looks in",
        "Where the RSS is",
        "unexplained",
        "pymalloc: ",
        "malloc: main heap",
        "Threads: 1 of Python",
        "MainThread in ",
        "file descriptors",
    ):
        assert word in result.stdout, word
    # either the control group, or why not
    assert re.search(
        r"^cgroup /\S* \(version [12]\): |^not known: .*cgroup|^not known: .*memory",
        result.stdout,
        re.M,
    )


def test_copying_on_write_is_no_leak(one_python, start, trend, validate):
    """A worker that reads what its parent has loaded: its RSS is flat while its private part grows.
    No leak."""
    target = start(one_python, "forked.py", "300000")
    worker = types.SimpleNamespace(pid=target.said)
    run = trend(worker)
    for _ in range(7):
        target.do("read", n=15000)
        harness.quiet(worker.pid)
        run.look()
    report = run.finish()
    validate(report)
    found = {row["name"]: row["sentence"] for row in report["trend"]["findings"]}
    assert "copy_on_write" in found and "growth" not in found, found
    assert found["copy_on_write"].startswith("Private memory grows, +")
    assert "gc.freeze() before the fork" in found["copy_on_write"]
    rows = series(report)
    gained = rows["private_bytes"]["last"] - rows["private_bytes"]["first"]
    assert gained > 10 * MIB
    # what became private was shared
    assert abs(rows["common_bytes"]["first"] - rows["common_bytes"]["last"] - gained) < MIB
    # what files have in common with other processes is in neither
    assert rows["private_bytes"]["last"] + rows["common_bytes"]["last"] < rows["rss_bytes"]["last"]
    assert rows["common_bytes"]["last"] < rows["anonymous_bytes"]["last"]


def test_watch_says_copy_on_write(one_python, start, attach):
    """Below its line of memory, which then shows the private part."""
    target = start(one_python, "forked.py", "300000")
    tool_run = attach(types.SimpleNamespace(pid=target.said), "-v", exact=False)
    texts = []

    def is_told():  # there is enough to read for a minute and more
        target.do("read", n=200)
        texts.append(tool_run.report_now())
        return re.search(r"^Private memory grows, \+", texts[-1], re.M)

    harness.until(is_told, "private memory to grow")
    assert re.search(r"^Memory: RSS .*, PSS .*, private .*, anonymous ", texts[-1], re.M), texts[-1]


def test_growth_of_ones_own_is_not_called_copy_on_write(one_python, start, trend):
    """The same worker, which leaves the table alone and keeps things of its own."""
    target = start(one_python, "forked.py", "300000")
    run = trend(types.SimpleNamespace(pid=target.said))
    for _ in range(7):
        target.do("grow", n=5000)
        harness.quiet(target.said)
        run.look()
    report = run.finish()
    gained = series(report)["private_bytes"]["last"] - series(report)["private_bytes"]["first"]
    assert gained > 3 * MIB
    assert "copy_on_write" not in [row["name"] for row in report["trend"]["findings"]]


def test_copies_hide_no_leak(one_python, start, trend):
    """With both at once, the report does not say that it is no leak."""
    target = start(one_python, "forked.py", "300000")
    run = trend(types.SimpleNamespace(pid=target.said))
    for _ in range(7):
        target.do("read", n=10000)
        target.do("grow", n=10000)
        harness.quiet(target.said)
        run.look()
    report = run.finish()
    rows = series(report)
    leaked = rows["anonymous_bytes"]["last"] - rows["anonymous_bytes"]["first"]
    copied = rows["common_bytes"]["first"] - rows["common_bytes"]["last"]
    assert leaked > 5 * MIB and copied > 5 * MIB, (leaked, copied)
    found = {row["name"]: row["sentence"] for row in report["trend"]["findings"]}
    assert "copy_on_write" not in found and "growth" in found, found


def test_trend_is_reported_when_the_target_ends(one_python, start, trend):
    target = start(one_python, "memory.py")
    run = trend(target)
    target.do("malloc", n=10, size=1000)
    run.look()
    assert target.quit() == 0
    assert run.process.wait(harness.DEADLINE_S) == 0
    with open(run.json, encoding="utf-8") as f:
        report = json.load(f)
    assert report["target"]["end"]["how"] == "exited" and report["trend"]["looks"] == 2
    assert report["target"]["rss_bytes"] > 1 << 20 and report["target"]["threads"] == 1


@pytest.mark.parametrize("arguments", [["--growth"], ["x"], ["5", "0"], ["5", "1", "2"]])
def test_wrong_usage_is_refused(arguments):
    result = tool("trend", "-p", "1", *arguments)
    assert (
        result.returncode == 64 and result.stdout == "" and result.stderr.startswith("pyleaktrace:")
    )


def test_watch_says_what_grows(some_python, start, attach, validate):
    """The trace scans the heap while it probes: its reports have the type that grows, memory and
    threads."""
    target = start(some_python, "memory.py")
    tool_run = attach(target, "-v")

    target.do("grow")
    started = [target.do("leak_thread") for _ in range(2)]
    texts = []

    # steady growth is reported from five scans on: one a second, of a heap as small as this
    def is_seen():
        texts.append(tool_run.report_now())
        return re.search(r"^\t\+\d+ to \d+  \+.*B/s  \d+% sure  float$", texts[-1], re.M)

    harness.until(is_seen, "floats to grow")
    text = texts[-1]
    assert re.search(
        r"^Grows since the start \(\d+ scans in .*, .* % of a core\):$", text, re.M
    ), text
    assert re.search(
        r"^Memory: RSS .*, PSS .*, anonymous .*, 4 threads( \(\+\d\))?, \d+ file descriptors",
        text,
        re.M,
    ), text
    assert re.search(
        r"^\t2 threads started by leak_thread \(%s:%d\)"
        % (re.escape(target.program), target.line("leaks")),
        text,
        re.M,
    ), text
    assert ("The collector is off" in text) == (some_python.version >= (3, 7))  # 3.6 does not say
    report = tool_run.finish()
    validate(report.data)
    growth = report.data["heap"]["growth"]
    assert growth["scans"] >= 3 and growth["cpu_fraction"] > 0
    assert report.data["trend"]["looks"] >= 3 and report.data["trend"]["account"]
    threads = report.data["trend"]["threads"]
    assert threads[-1]["name"] == "MainThread" and "started" not in threads[-1]
    starters = {
        row["name"]: harness.python_frames({"frames": row["started"]})
        for row in threads
        if row["name"] in started
    }
    assert sorted(starters) == sorted(started)
    for frames in starters.values():
        assert ("leak_thread", target.program, target.line("leaks")) in frames


def test_trace_without_scans_has_no_trend(one_python, start, attach):
    run = attach(start(one_python, "memory.py"), "-v", "-X", "heap-scan=no")
    text = run.report_now()
    assert "Memory: " not in text and "since the start" not in text
    report = run.finish()
    assert "trend" not in report.data and "heap" not in report.data
