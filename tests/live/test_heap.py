# SPDX-License-Identifier: BSD-2-Clause
"""The heap commands against what the targets say of themselves: every type and every object,
exactly."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

import harness
from harness import tool

GC_HEAD = 32  # the largest there is; with a pre-header
BUILTIN = {
    "small bytes": "bytes",
    "large bytes": "bytes",
    "mapped bytes": "bytes",
    "wide str": "str",
    "long str": "str",
    "Session": "__main__.Session",
    "Slotted": "__main__.Slotted",
}


def heap(target, *options):
    result = tool("heap", "-p", str(target.pid), "-f", "json", *options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def types(report):
    return {row["name"]: row for row in report["heap"]["types"]}


def sleeps(target):
    with open("/proc/%d/stat" % target.pid, encoding="utf-8") as f:
        return f.read().rpartition(")")[2].split()[0] == "S"


def wait_for_input(target):
    """Wait until the text of its last answer is freed too, which an earlier report would count."""
    harness.until(lambda: sleeps(target), "the target to wait for its input")


def stand(target):
    """-> what the target counts, and a report made while it stood still"""
    target.tell("stand")
    counts = target.answer()
    wait_for_input(target)
    report = heap(target)
    target.process.stdin.write(b"x")
    target.answer()
    return counts, report


def allocators(python):
    """Values of PYTHONMALLOC that this interpreter knows, and None."""
    return (
        [None, "debug"]
        + ([] if python.free_threaded else ["malloc"])
        + (["mimalloc", "mimalloc_debug"] if python.version >= (3, 13) else [])
    )


def test_counts_are_those_of_the_collector(python, start, validate):
    for malloc in allocators(python):
        target = start(python, "heap.py", env={"PYTHONMALLOC": malloc} if malloc else None)
        target.do("make", kind="Session", n=5000)
        counts, report = stand(target)
        validate(report)
        assert report["losses"] == []
        assert counts.pop("tuple") > 0 and counts["__main__.Session"] == 5010
        found = {
            name: row["tracked"]
            for name, row in types(report).items()
            if row["tracked"] and name != "tuple"
        }
        assert found == counts, malloc


def test_more_is_exactly_more(python, start):
    """Also for objects that the collector does not track: make n more, find n more, with their
    bytes."""
    target = start(python, "heap.py")
    for kind in (
        "float",
        "complex",
        "small bytes",
        "large bytes",
        "mapped bytes",
        "str",
        "wide str",
        "long str",
        "int",
        "Session",
        "Slotted",
        "frozenset",
    ):
        n = 40 if kind == "mapped bytes" else 4000
        target.do("make", kind=kind, n=n)
        wait_for_input(target)
        before = types(heap(target))
        size = target.do("make", kind=kind, n=n)
        wait_for_input(target)
        after = types(heap(target))
        name = BUILTIN.get(kind, kind)
        assert after[name]["count"] - before[name]["count"] == n, kind
        each = (after[name]["bytes"] - before[name]["bytes"]) / n
        slack = 4096 if kind == "mapped bytes" else 16 + GC_HEAD
        if python.free_threaded:  # the sizes of mimalloc's blocks are up to a quarter apart
            slack += size // 4
        if kind != "Session":  # its attributes count too
            assert size <= each <= size + slack, kind


def more(target, name, **args):
    """How many more objects of each type there are after the target has done this."""
    wait_for_input(target)
    before = types(heap(target))
    target.do(name, **args)
    wait_for_input(target)
    after = types(heap(target))
    return {
        kind: row["count"] - before.get(kind, {"count": 0})["count"] for kind, row in after.items()
    }


def test_objects_of_threads_that_ended_are_counted(python, start):
    """What the threads made stays; another thread frees half of it."""
    for malloc in [None] + (["mimalloc"] if python.version >= (3, 13) else []):
        target = start(python, "heap.py", env={"PYTHONMALLOC": malloc} if malloc else None)
        target.do("ended", n_threads=3, n=2000)
        made = more(target, "ended", n_threads=3, n=2000)
        assert [made[kind] for kind in ("__main__.Session", "complex", "bytes")] == [
            3000
        ] * 3, malloc


# older versions offer no way to make one from Python
@pytest.mark.pythons(lambda python: python.version >= (3, 8))
def test_objects_of_another_interpreter_are_counted(python, start):
    """Its objects are found like those of the first; from 3.12 on it has memory of its own."""
    target = start(python, "heap.py")
    made = more(target, "interpreter", n=3000)
    assert [made[kind] for kind in ("__main__.Inside", "complex", "__main__.Large")] == [3000] * 3
    left = more(target, "close_interpreter")
    assert "__main__.Inside" not in left
    assert target.quit() == 0


def test_buffers_count_with_their_container(python, start):
    target = start(python, "heap.py")
    sizes = target.do("containers", n=20000)
    found = types(heap(target, "--module", "__main__"))
    for name, size in sizes.items():
        row = found["__main__." + name]
        assert row["count"] == 1
        if name == "Raw" and python.version >= (3, 15):  # its bytes are a bytes object
            assert row["bytes"] < 200
            continue
        assert size - 16 <= row["bytes"] <= size + 64 + GC_HEAD, name


def check_churn(python, start, scans):
    """Another thread makes and drops objects all the time, and the collector runs during most
    scans: objects that stay are still counted, within 0.1 %, in each scan."""
    target = start(python, "heap.py")
    target.do("collector", on=True, first=700)
    kept = target.do("churn", n=100000)
    assert sorted(kept) == ["__main__.Packed", "__main__.Steady", "complex"]
    collected, done = target.do("collections")[1][0], target.do("churned")
    for _ in range(scans):
        found = types(heap_unsteady(target))
        wrong = {
            name: found[name]["count"] - n
            for name, n in kept.items()
            if abs(found[name]["count"] - n) > n / 1000
        }
        assert wrong == {}
    assert target.do("churned") > done
    if (
        python.version >= (3, 7) and not python.free_threaded
    ):  # that one collects when there is more memory in use
        assert target.do("collections")[1][0] > collected


def test_churn_does_not_disturb_counts(some_python, start):
    check_churn(some_python, start, 100)


def test_churn_without_a_gil_does_not_disturb_counts(free_threaded, start):
    check_churn(free_threaded, start, 20)


def heap_unsteady(target):
    result = tool("heap", "-p", str(target.pid), "-f", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


class Terminal:
    """The tool with a pseudo-terminal as its standard error."""

    def __init__(self, *arguments):
        ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [harness.TOOL, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            bufsize=0,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        os.close(theirs)
        self.ours = ours
        self.out = harness.Reader(self.process.stdout)

    def stop_while_it_reads(self, pid):
        """Let more than a second pass without letting it run: it prints the line once its clock
        says that it has been reading for one. Small steps lead it there: while it reads, it has
        pagemap open."""
        folder = "/proc/%d/fd" % self.process.pid
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if not os.path.isdir(folder):
                continue
            if any(
                os.readlink(folder + "/" + fd) == "/proc/%d/pagemap" % pid
                for fd in os.listdir(folder)
            ):
                time.sleep(
                    1.2
                )  # the tool stands still: nothing is waited for, and nothing can be late
                self.process.send_signal(signal.SIGCONT)
                return
            self.process.send_signal(signal.SIGCONT)
            os.waitid(os.P_PID, self.process.pid, os.WCONTINUED | os.WEXITED | os.WNOWAIT)

    def finish(self):
        """What came on standard error."""
        text = b""
        assert self.process.wait(harness.DEADLINE_S) == 0
        self.out.close()
        try:
            while True:
                text += os.read(self.ours, 65536)
        except OSError:  # the other side is closed already
            os.close(self.ours)
        return text.decode()


def test_progress_is_shown_on_a_terminal_and_cleared(one_python, start, tmp_path):
    """On a terminal, a scan of more than a second shows a progress line, which is gone in the
    end."""
    target = start(one_python, "heap.py")
    target.do("ballast", n=300000, containers_too=True)
    path = tmp_path / "a.json"
    arguments = ["chain", "-p", str(target.pid), "Session", "-T", "1", "-o", str(path)]
    for _ in range(3):  # it may have read all when the stop comes
        run = Terminal(*arguments)
        run.stop_while_it_reads(target.pid)
        text = run.finish()
        if text:
            break
    line = (
        r"\r\x1b\[Kpid %d: (\S+ \S+ of about \S+ MiB read|[\d,]+ of [\d,]+ objects reached), \d+ s"
        % target.pid
    )
    assert re.fullmatch(r"((%s)+\r\x1b\[K)+" % line, text), text
    run = Terminal(*arguments, "-q")
    run.stop_while_it_reads(target.pid)
    assert run.finish() == ""
    result = tool(*arguments)
    assert result.returncode == 0 and result.stderr == ""


class Growth(harness.Command):
    """`growth`, which scans on request."""

    def __init__(self, target, folder, *options):
        super().__init__(folder, ["growth", "-p", str(target.pid), harness.NEVER_S, *options])
        self.wait(1)

    def wait(self, number):
        assert self.err.wait(r"^pyleaktrace: scan %d of pid \d+\n" % number), self.err.text

    def scan(self, number):
        self.process.send_signal(signal.SIGUSR1)
        self.wait(number)


@pytest.fixture
def grow(tmp_path):
    running = []

    def run(target, *options):
        running.append(Growth(target, tmp_path, *options))
        return running[-1]

    yield run
    for growth in running:
        growth.close()


def test_growth_is_named_exact_and_sure(some_python, start, grow, validate):
    """Four scans with 700 more sessions between each: named, exact, and sure."""
    target = start(some_python, "heap.py")
    growth = grow(target, "--module", "__main__")
    for number in (2, 3, 4):
        target.do("make", kind="Session", n=700)
        growth.scan(number)
    report = growth.finish()
    validate(report)
    assert report["heap"]["growth"]["scans"] == 4
    rows = {row["name"]: row for row in report["heap"]["growth"]["types"]}
    assert list(rows) == ["__main__.Session"]
    row = rows["__main__.Session"]
    assert (row["count"], row["count_delta"]) == (2110, 2100)
    assert row["count_per_min"] > 0 and 0 <= row["confidence"] <= 1
    assert re.search(r"^ +2110 +\+2100 .* __main__\.Session$", growth.out.text, re.M)


def test_growth_starts_anew(one_python, start, grow):
    """SIGUSR2 makes it forget the past."""
    target = start(one_python, "heap.py")
    growth = grow(target)
    target.do("make", kind="Session", n=700)
    growth.process.send_signal(signal.SIGUSR2)
    growth.wait(2)
    target.do("make", kind="Session", n=300)
    growth.scan(3)
    rows = {row["name"]: row for row in growth.finish()["heap"]["growth"]["types"]}
    assert rows["__main__.Session"]["count_delta"] == 300
    assert "confidence" not in rows["__main__.Session"]


def test_growth_is_reported_when_the_target_ends(one_python, start, grow):
    target = start(one_python, "heap.py")
    growth = grow(target)
    target.do("make", kind="Session", n=700)
    growth.scan(2)
    assert target.quit() == 0
    assert growth.process.wait(harness.DEADLINE_S) == 0
    with open(growth.json, encoding="utf-8") as f:
        report = json.load(f)
    assert report["target"]["end"]["how"] == "exited"
    assert report["target"]["rss_bytes"] > 1 << 20 and report["target"]["threads"] == 1
    assert [
        row["count_delta"]
        for row in report["heap"]["growth"]["types"]
        if row["name"] == "__main__.Session"
    ] == [700]


def test_state_of_the_collector_is_reported(python, start):
    target = start(python, "heap.py")
    target.do("garbage", n=7)
    target.do("collector", on=False, first=500000)
    off = heap(target)["heap"]["gc"]
    target.do("collector", on=True, first=500001)
    on = heap(target)["heap"]["gc"]
    assert (off["thresholds"][0], on["thresholds"]) == (500000, [500001, 11, 12])
    if python.version >= (3, 7):  # older versions do not show it to other processes
        assert (off["enabled"], on["enabled"], off["garbage"]) == (False, True, 7)
        for n in (0, 30000):
            target.do("freeze", n=n)
            said = target.do("collections")
            seen = heap(target)["heap"]["gc"]
            assert [seen["frozen"], seen["collections"]] == said
            assert seen["frozen"] >= n and "last_collection_s" not in seen


def test_collections_are_seen(one_python, start, grow):
    target = start(one_python, "heap.py")
    growth = grow(target)
    growth.scan(2)
    target.do("freeze", n=1)
    growth.scan(3)
    seen = growth.finish()["heap"]["gc"]
    assert 0 <= seen["last_collection_s"] < seen["watched_s"]


def test_options_select_and_sort_what_is_shown(one_python, start, tmp_path):
    target = start(one_python, "heap.py")
    target.do("make", kind="Session", n=990)
    everything = types(heap(target))
    assert set(types(heap(target, "--types-like", "^(list|dict)$"))) == {"list", "dict"}
    assert set(types(heap(target, "--min-count", "1000"))) == {
        n for n, row in everything.items() if row["count"] >= 1000
    }
    assert "list" in types(heap(target, "--module", "builtins"))
    assert types(heap(target, "--module", "__mai")) == {}
    result = tool(
        "heap",
        "-p",
        str(target.pid),
        "-T",
        "3",
        "--sort",
        "count",
        "-o",
        str(tmp_path / "a.txt"),
        "-o",
        str(tmp_path / "b.json"),
    )
    assert result.returncode == 0 and result.stderr == ""
    table = re.findall(r"^ +(\d+) +(\d+) +\d+  (\S+)$", result.stdout, re.M)
    assert len(table) == 3 and [int(row[0]) for row in table] == sorted(
        (int(row[0]) for row in table), reverse=True
    )
    assert "gc: off" in result.stdout and "RSS" in result.stdout
    assert (tmp_path / "a.txt").read_text() == result.stdout
    assert json.loads((tmp_path / "b.json").read_text())["heap"]["totals"]["count"] > 1000
    names = [row["name"] for row in heap(target, "--sort", "name")["heap"]["types"]]
    assert names == sorted(names)


@pytest.mark.parametrize(
    "arguments",
    [
        ["heap"],
        ["heap", "-p"],
        ["heap", "-p", "abc"],
        ["heap", "-p", "1,2"],
        ["heap", "-p", "1", "-T", "x"],
        ["heap", "-p", "1", "--sort", "size"],
        ["heap", "-p", "1", "5"],
        ["heap", "-p", "1", "-d", "5"],
        ["growth", "-p", "1", "5q"],
        ["growth", "-p", "1", "5", "x"],
        ["growth", "-p", "1", "5", "1", "0"],
        ["growth", "-p", "1", "5", "1", "2", "3"],
        ["growth", "-p", "1", "--frozen"],
        ["heap", "-p", "1", "--types-like", "("],
        ["heap", "-p", "1", "--min-count", "-1"],
        ["heap", "-p", "1", "-f", "svg"],
        ["heap", "-p", "1", "-o", "heap.html"],
        ["heap", "-p", "1", "-o", "heap.svg"],
        ["chain", "-p", "1"],
        ["chain", "-p", "1", "a", "b"],
        ["chain", "-p", "1", "0x"],
        ["chain", "-p", "1", "0x1004"],
        ["chain", "-p", "1", "--", "-8"],
        ["chain", "-p", "1", "a", "--depth", "3"],
        ["chain", "-p", "1", "a", "-o", "heap.html"],
        ["backrefs", "-p", "1", "a", "--depth", "0"],
        ["holders", "-p", "1", "--sort", "name"],
        ["heap", "-p", "1", "--no-such-option"],
    ],
)
def test_wrong_usage_is_refused_and_writes_nothing(arguments, tmp_path):
    result = tool(*arguments, cwd=str(tmp_path))
    assert result.returncode == 64, result.stderr
    assert 1 <= len(result.stderr.splitlines()) <= 2 and result.stderr.startswith("pyleaktrace:")
    assert result.stdout == "" and os.listdir(str(tmp_path)) == []


HEAP_OPTIONS = [
    "--pid",
    "--top",
    "--output",
    "--format",
    "--quiet",
    "--verbose",
    "--no-color",
    "--help",
    "--version",
]
FILTERS = ["--types-like", "--module", "--min-count"]


@pytest.mark.parametrize(
    "verb, options",
    [
        ("heap", ["--frozen", "--sort", *FILTERS]),
        ("growth", ["--duration", "--sort", *FILTERS]),
        ("holders", ["--frozen", *FILTERS]),
        ("chain", ["--frozen"]),
        ("backrefs", ["--frozen", "--depth"]),
        ("trend", ["--duration"]),
        ("watch", ["--duration", "--max-overhead"]),
        ("refs", ["--duration", "--max-overhead"]),
    ],
)
def test_help_has_the_options_of_the_verb_and_no_others(verb, options):
    result = tool(verb, "--help")
    assert result.returncode == 0 and result.stderr == ""
    assert sorted(re.findall(r"^  (?:-\w, |    )(--[\w-]+)", result.stdout, re.M)) == sorted(
        HEAP_OPTIONS + options
    )
    assert result.stdout.startswith("usage: pyleaktrace %s " % verb)
    assert (
        max(map(len, result.stdout.splitlines())) <= 100 and len(result.stdout.splitlines()) <= 40
    )


def test_target_is_not_changed(one_python, start):
    """Looking brings no page into memory and stops nothing: the same memory, and the target still
    answers."""
    target = start(one_python, "heap.py")

    def resident():
        with open("/proc/%d/smaps_rollup" % target.pid, encoding="utf-8") as f:
            return [line for line in f if line.split()[0] in ("Rss:", "Anonymous:", "Swap:")]

    target.tell("stand")  # it has touched all that it touches while it waits
    target.answer()
    wait_for_input(target)
    before = resident()
    assert len(before) == 3
    heap(target)
    assert resident() == before
    target.process.stdin.write(b"x")
    target.answer()
    assert target.do("make", kind="float", n=1) > 0
