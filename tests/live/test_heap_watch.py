# SPDX-License-Identifier: BSD-2-Clause
"""`pyleaktrace watch` and `refs`: each change of a container's size is counted once, at the stack
that made it.

The target makes its changes between two commands of the test while the watchpoints are set, so what
it did is known exactly. One attach serves many checks.
"""
import ctypes
import os
import re
import struct

import pytest

import harness

ALL = "100"  # --max-overhead: no watch here may end because of its cost, unless that is the test


class Watch(harness.Command):
    """`pyleaktrace watch` or `refs` at work."""

    def __init__(self, target, folder, paths, *options, for_="36000", overhead=ALL, verb="watch"):
        super().__init__(
            folder,
            [verb, "-p", str(target.pid), "-d", for_, "--max-overhead", overhead, *options, *paths],
        )
        for path in paths:
            assert self.err.wait(
                r"^pyleaktrace: watching %s of pid %d: " % (re.escape(path), target.pid)
            ), self.err.text

    def report(self):
        report = super().report()
        self.containers = {row["path"]: row for row in report["watch"]["containers"]}
        self.losses = {loss["name"]: loss["count"] for loss in report["losses"]}
        return report


@pytest.fixture
def watch(tmp_path):
    watches = []

    def run(target, *paths, **kwargs):
        watches.append(Watch(target, tmp_path, paths, **kwargs))
        return watches[-1]

    yield run
    for one in watches:
        one.close()


def chain(stack):
    """The Python part of a stack, leaf first, without the beginnings of threads."""
    return [
        (function, line)
        for function, file, line in reversed(harness.python_frames(stack))
        if file.endswith("/heap_watch.py")
    ]


def by_line(row, what):
    """{line of the change: items}, summed over its stacks; each stack reaches all the way to its
    thread's root."""
    sums = {}
    for stack in row["stacks"]:
        if stack[what]:
            line = chain(stack)[0][1]
            sums[line] = sums.get(line, 0) + stack[what]
    return sums


def is_thread(stack):
    return any(function.endswith("_bootstrap") for function, _, _ in harness.python_frames(stack))


@pytest.mark.pythons(lambda python: python.has_gil)
def test_every_change_is_counted_at_its_stack(python, start, watch, validate):
    """Among objects that churn, by threads that existed before and one that starts during the
    watch."""
    target = start(python, "heap_watch.py")
    session, bytes_, list_, cached = (
        "app.cache.SESSIONS",
        "app.cache.BYTES",
        "app.cache.LIST",
        "app.cache.cached",
    )
    seen = watch(target, session, bytes_, list_, cached)
    target.do("work", what="insert", n=300)
    target.do("work", what="churn", n=500, worker=0)
    target.do("work", what="churn", n=400, worker=2)
    target.do("work", what="insert", n=50, worker=2)
    target.do("work", what="remove", n=70, worker=1)
    target.do("work", what="pop", n=5)
    target.do("work", what="update", n=30, worker=1)
    target.do("work", what="replace_values", n=200)
    target.do("work", what="others", n=40, worker=2)
    left = target.do("work", what="insert", n=1)
    report = seen.finish()
    validate(report)
    assert seen.losses == {}
    assert (report["watch"]["ended_by"], report["target"]["pid"]) == ("signal", target.pid)

    row = seen.containers[session]
    assert (row["type"], row["address"]) == ("dict", hex(target.do("addresses")["SESSIONS"]))
    assert (row["items_before"], row["items_after"], row["fate"]) == (100, left, "same")
    assert (row["inserted"], row["removed"]) == (300 + 500 + 400 + 50 + 30 + 1, 75)
    line = target.line
    assert by_line(row, "inserted") == {line("insert"): 351, line("churn"): 900, line("update"): 30}
    assert by_line(row, "removed") == {line("remove"): 70, line("pop"): 5}
    sums = {}
    for stack in row["stacks"]:
        assert not any(frame["kind"] == "gap" for frame in stack["frames"])
        assert any(frame["kind"] == "native" for frame in stack["frames"])
        function = chain(stack)[0][0]
        key = (function, is_thread(stack))
        sums[key] = sums.get(key, 0) + stack["inserted"] - stack["removed"]
        assert [f for f, _ in chain(stack)[1:]] == (
            [python.qualified("Worker.run", "run")] if is_thread(stack) else ["work", "<module>"]
        )
    assert sums == {
        ("insert", False): 301,
        ("insert", True): 50,
        ("churn", True): 900,
        ("update", True): 30,
        ("remove", True): -70,
        ("pop", False): -5,
    }

    for path, name, type_, removed in (
        (bytes_, "bytearray", "bytearray", 20),
        (list_, "list", "list", 20),
        (cached, "lru_cache", "functools._lru_cache_wrapper", 0),
    ):
        row = seen.containers[path]
        assert (row["type"], row["fate"]) == (type_, "same")
        assert by_line(row, "inserted") == {line(name): 40}
        assert by_line(row, "removed") == ({line(name + " pop"): removed} if removed else {})
        assert row["items_after"] - row["items_before"] == 40 - removed
    assert re.search(
        r"^app\.cache\.SESSIONS dict, %d items: \+1281 inserted, -75 removed in " % left,
        seen.out.text,
        re.M,
    )
    assert re.search(r"^Nothing was lost\.$", seen.out.text, re.M)


def test_watch_is_refused_without_a_gil(free_threaded, start):
    target = start(free_threaded, "heap_watch.py")
    for verb in ("watch", "refs"):
        result = harness.tool(verb, "-p", str(target.pid), "app.cache.SESSIONS")
        assert (result.returncode, result.stdout) == (2, "")
        assert "is a CPython without a GIL" in result.stderr


def test_other_containers_are_watched_too(some_python, start, watch, validate):
    """Set, deque, OrderedDict, and the dict of an instance; a path through list and dict; an
    address."""
    target = start(some_python, "heap_watch.py")
    line = target.line
    paths = {
        "app.cache.SET": "set",
        "app.cache.DEQUE": "deque",
        "app.cache.ORDERED": "ordered",
        "app.cache.INSTANCE": "instance",
    }
    seen = watch(target, *paths)
    target.do("work", what="others", n=30, worker=0)
    validate(seen.finish())
    assert seen.losses == {}
    for path, name in paths.items():
        row = seen.containers[path]
        assert by_line(row, "inserted") == {line(name): 30}
        assert by_line(row, "removed") == ({} if name == "instance" else {line(name + " pop"): 15})
        assert row["fate"] == "same"
    nested, address = "app.cache.NESTED['eu'][1]['deep']", hex(target.do("addresses")["SESSIONS"])
    seen = watch(target, nested, address)
    target.do("work", what="others", n=30, worker=1)
    target.do("work", what="insert", n=20)
    target.do("work", what="clear")
    seen.finish()
    assert seen.losses == {}
    assert by_line(seen.containers[nested], "inserted") == {line("nested"): 30}
    row = seen.containers[address]
    assert (row["inserted"], row["items_before"], row["items_after"], row["fate"]) == (
        20,
        100,
        0,
        "same",
    )
    (removed,) = [stack for stack in row["stacks"] if stack["removed"]]
    assert (removed["removed"], removed["removals"], chain(removed)[0]) == (
        120,
        1,
        ("clear", line("clear")),
    )


@pytest.mark.pythons(lambda python: python.has_gil)
def test_references_are_counted_when_taken_and_dropped(python, start, watch, validate):
    """Each reference is counted when it is taken and when it is dropped; those that are never
    dropped are distinguished from the others."""
    target = start(python, "heap_watch.py")
    seen = watch(target, "app.cache.SESSIONS", verb="refs")
    target.do("work", what="take", n=100, worker=0)
    target.do("work", what="keep", n=7)
    report = seen.finish()
    validate(report)
    row = seen.containers["app.cache.SESSIONS"]
    assert (row["of"], row["type"], row["fate"], seen.losses) == ("references", "dict", "same", {})
    assert row["inserted"] - row["removed"] == row["items_after"] - row["items_before"] == 7 + 3
    nets = {}
    for stack in row["stacks"]:
        function = chain(stack)[0][0]
        nets[function] = nets.get(function, 0) + stack["inserted"] - stack["removed"]
    assert {function: net for function, net in nets.items() if net} == {"keep": 7, "lose": 3}
    found = re.findall(
        r"^ +([+-]\d+) taken and not dropped by:\n((?:\t\t.*\n)+)", seen.out.text, re.M
    )
    assert [net for net, _ in found] == ["+7", "+3"]
    assert re.match(r"\t\tkeep \(.*heap_watch\.py:%d\)\n" % target.line("keep"), found[0][1])
    # in C below it, or in all that it does, by the version of ctypes
    assert re.search(
        r"^\t\tlose \(.*heap_watch\.py:%d\)\n" % target.line("lose"), found[1][1], re.M
    )
    assert "not taken" not in seen.out.text


def test_references_to_one_of_a_type_are_watched(some_python, start, watch, validate):
    """By its type alone, or by the address that the tool suggests."""
    target = start(some_python, "heap_watch.py")
    for name in ("Lonely", "__main__.Lonely"):
        seen = watch(target, name, verb="refs")
        target.do("work", what="keep_lonely", n=9)
        validate(seen.finish())
        row = seen.containers[name]
        assert (row["of"], row["type"], row["fate"], seen.losses) == (
            "references",
            "__main__.Lonely",
            "same",
            {},
        )
        assert row["inserted"] - row["removed"] == row["items_after"] - row["items_before"] == 9
        assert re.search(
            r"^ +\+9 taken and not dropped by:\n\t\tkeep_lonely \(.*heap_watch\.py:%d\)"
            % target.line("keep lonely"),
            seen.out.text,
            re.M,
        )
    result = harness.tool("refs", "-p", str(target.pid), "NoSuchType")
    assert (result.returncode, result.stdout) == (2, "")
    assert "has nothing called NoSuchType, and no object of that type" in result.stderr


def test_object_that_dies_ends_the_watch(some_python, start, watch):
    target = start(some_python, "heap_watch.py")
    seen = watch(target, "app.cache.MORTAL", verb="refs")
    target.do("work", what="die", worker=1)
    report = seen.complete()
    row = seen.containers["app.cache.MORTAL"]
    assert (report["watch"]["ended_by"], row["fate"], row["items_after"]) == (
        "container",
        "gone",
        0,
    )
    assert by_line(row, "removed")[target.line("die")] >= 1
    assert row["items_before"] + row["inserted"] - row["removed"] == 0
    if some_python.version >= (3, 12):
        result = harness.tool("refs", "-p", str(target.pid), "app.cache.KIND")
        assert result.returncode == 2 and "is immortal" in result.stderr, result.stderr


def test_containers_that_go_end_the_watch(some_python, start, watch):
    """When containers are replaced or gone, the watch ends by itself and says so."""
    for what, fate, said in (
        ("replace", "replaced", "It was replaced: the path now leads to dict at 0x"),
        ("forget", "gone", "It is gone: nothing has that name any more"),
    ):
        target = start(some_python, "heap_watch.py")
        seen = watch(target, "app.cache.SESSIONS")
        target.do("work", what="insert", n=10)
        target.do("work", what=what)
        report = seen.complete()
        row = seen.containers["app.cache.SESSIONS"]
        assert (report["watch"]["ended_by"], row["fate"]) == ("container", fate)
        assert by_line(row, "inserted")[target.line("insert")] == 10
        assert (
            said in seen.out.text
            and "Ended early: a container is not there any more." in seen.out.text
        )
        if fate == "replaced":
            assert row["now_address"] == hex(target.do("addresses")["SESSIONS"]) != row["address"]
            assert row["now_type"] == "dict"


def test_exceeding_the_ceiling_ends_the_watch(one_python, start, watch):
    """Changes that cost more than the ceiling end the watch; those before are exact. (The ceiling
    is high enough that a single bulk move of memory would not end it.)"""
    target = start(one_python, "heap_watch.py")
    seen = watch(target, "app.cache.SESSIONS", overhead="2%")
    target.do("work", what="insert", n=50000)
    report = seen.complete()
    about, row = report["watch"], seen.containers["app.cache.SESSIONS"]
    assert about["ended_by"] == "overhead"
    assert "Ended early: the changes came faster than 2.0 % of a core can follow" in seen.out.text
    assert row["inserted"] == row["insertions"] == about["hits"] < 50000
    # what was allowed: the ceiling's cost of the time that passed, and a second more
    assert about["hits"] * about["ns_per_hit"] / 1e9 < 3 * 0.02 * (report["duration_s"] + 1)
    assert by_line(row, "inserted") == {target.line("insert"): row["inserted"]}
    assert row["fate"] == "same"


def test_slowdown_of_memory_in_bulk_ends_the_watch(some_python, start, watch, validate):
    """While a watchpoint is set the processor fills memory byte by byte: nothing is hit, yet the
    target nearly stands still. The tool notices, ends the watch, and says so."""
    target = start(some_python, "heap_watch.py")
    slowed = harness.is_slowed(target, "app.cache.SESSIONS")
    seen = watch(target, "app.cache.SESSIONS", overhead="5")
    target.do("work", what="insert", n=10)
    target.do("work", what="fill", n=20000)
    report = seen.complete() if slowed else seen.finish()
    validate(report)
    about, row = report["watch"], seen.containers["app.cache.SESSIONS"]
    if not slowed:  # nor may that end the watch
        assert (about["ended_by"], about["strings_fraction"], row["inserted"]) == ("signal", 0, 10)
    else:
        assert (about["ended_by"], row["inserted"], row["fate"]) == ("overhead", 10, "same")
        assert about["strings_fraction"] > 10 * about["hits_fraction"] > 0
        parts = about["hits_fraction"] + about["switches_fraction"] + about["strings_fraction"]
        assert abs(about["target_cpu_fraction"] - parts) < 1e-6
        # what was allowed: the ceiling's cost of the time that passed, and a second more
        assert about["strings_fraction"] * report["duration_s"] < 3 * 0.05 * (
            report["duration_s"] + 1
        )
        assert (
            "the processor moves and fills memory byte by byte, and the target does much of that"
            in seen.out.text
        )


def test_watch_ends_in_time_or_with_the_target(one_python, start, watch):
    """After -d; with the target."""
    target = start(one_python, "heap_watch.py")
    report = watch(target, "app.cache.SESSIONS", for_="300ms").complete()
    assert report["watch"]["ended_by"] == "time"
    assert 0.3 <= report["duration_s"]
    seen = watch(target, "app.cache.SESSIONS")
    target.do("work", what="insert", n=10)
    target.process.kill()
    report = seen.complete()
    row = seen.containers["app.cache.SESSIONS"]
    assert (report["watch"]["ended_by"], row["fate"], row["inserted"]) == ("target", "unknown", 10)
    assert "Whether it was there until the end is not known." in seen.out.text


def set_watchpoint(pid, address):
    """A hardware watchpoint, as a debugger sets it; returns its descriptor."""
    attributes = struct.pack(
        "IIQQQQQIIQQ", 5, 112, 0, 1, 0, 0, 1 | 1 << 5 | 1 << 6, 0, 2, address, 8
    ).ljust(112, b"\0")
    fd = ctypes.CDLL(None, use_errno=True).syscall(298, attributes, pid, -1, -1, 8)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


@pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="the number of the system call is x86-64's"
)
def test_taken_debug_registers_are_reported(one_python, start, watch):
    """When another process has them, the tool says so and leaves nothing behind. One free register
    is enough."""
    target = start(one_python, "heap_watch.py")
    where = target.do("addresses")
    others = [
        set_watchpoint(target.pid, where[name] + 16)
        for name in ("LIST", "SET", "DEQUE", "SESSIONS")
    ]
    result = harness.tool("watch", "-p", str(target.pid), "app.cache.LIST")
    assert (result.returncode, result.stdout) == (69, "")
    assert "the debug registers of pid %d are taken" % target.pid in result.stderr
    os.close(others.pop())
    result = harness.tool("watch", "-p", str(target.pid), "app.cache.LIST", "app.cache.SET")
    assert (result.returncode, result.stdout) == (69, "")
    seen = watch(target, "app.cache.LIST")
    target.do("work", what="others", n=4)
    seen.finish()
    assert (seen.containers["app.cache.LIST"]["inserted"], seen.losses) == (4, {})
    for fd in others:
        os.close(fd)


def test_children_are_not_watched(one_python, start, watch):
    """What a forked child does to its copy is not counted."""
    target = start(one_python, "heap_watch.py")
    seen = watch(target, "app.cache.SESSIONS")
    target.do("work", what="insert", n=10)
    assert target.do("fork", n=100) == 0
    target.do("work", what="insert", n=5)
    seen.finish()
    assert (seen.containers["app.cache.SESSIONS"]["inserted"], seen.losses) == (15, {})


def test_what_cannot_be_watched_is_refused(one_python, start):
    target = start(one_python, "heap_watch.py")
    pid = str(target.pid)
    for options, code, said in (
        (["app.cache.NOTHING"], 2, "has nothing called app.cache.NOTHING"),
        (["app.cache.TUPLE"], 2, "is not a container: tuple"),
        (["0x1000"], 2, "has nothing called 0x1000"),
        (["app.cache.SESSIONS", "app.cache.ALIAS"], 64, "lead to the same object"),
        (["a", "a"], 64, "given twice"),
        (["a", "b", "c", "d", "e"], 64, "at most four"),
        ([], 64, "which container? holders lists them"),
        (["a", "--frozen"], 64, "unknown option --frozen"),
        (["a", "--max-overhead", "0"], 64, "expected a percentage from 0.01 to 100"),
    ):
        result = harness.tool("watch", "-p", pid, *options)
        assert (result.returncode, result.stdout) == (code, ""), (options, result.stderr)
        assert said in result.stderr
