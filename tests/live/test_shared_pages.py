# SPDX-License-Identifier: BSD-2-Clause
"""Looking is free: whatever command reads it, memory that a prefork worker shares with its parent
stays shared, and memory that was never used stays unused. The kernel's own account decides:
/proc/PID/smaps_rollup of worker and parent, before and after.

On the kernels that these tests are about, process_vm_readv() makes shared pages private;
`test_process_vm_readv_makes_shared_pages_private` shows that it does, so the other tests are able
to fail.
"""
import ctypes
import json
import os
import re
import signal
import threading

import pytest

import harness
from harness import tool

KIB, MIB = 1 << 10, 1 << 20
RECORDS = 200000  # of the parent: some 45 MiB and more
# one page of code for each breakpoint, one or two of data for the pointers that are steered
PROBED = 256 * KIB


class Worker:
    """The child that serves; `target` is its parent."""

    def __init__(self, target):
        self.target = target
        self.pid = target.said
        self.do = target.do


@pytest.fixture
def worker(start):
    def run(interpreter, n=RECORDS):
        return Worker(start(interpreter, "forked.py", str(n)))

    return run


def memory(pid):
    """Fields of smaps_rollup, and those of status that are in kB; in bytes"""
    fields = {}
    for name in ("smaps_rollup", "status"):
        with open("/proc/%d/%s" % (pid, name), encoding="utf-8") as f:
            for line in f:
                words = line.split()
                if len(words) == 3 and words[2] == "kB":
                    fields.setdefault(words[0][:-1], int(words[1]) * KIB)
    return fields


def both(worker):
    harness.quiet(worker.pid)
    return memory(worker.pid), memory(worker.target.pid)


def assert_shared(before, after, what, private=0):
    """
    in  private: how much may have been written to meanwhile
    """
    for name, old, new in zip(("worker", "parent"), before, after):
        changed = "%s: %s of the %s: " % (
            what,
            {k: new[k] - old[k] for k in new if new[k] != old.get(k)},
            name,
        )
        assert new["Shared_Dirty"] >= old["Shared_Dirty"] - private, changed
        assert new["Private_Dirty"] <= old["Private_Dirty"] + private, changed
        # what only one of the two has is clean in the other: it was private before, or was copied
        # without being written to; a page of a file that nobody else maps is private too, and free
        files = max(0, new["RssFile"] - old["RssFile"])
        assert new["Private_Clean"] <= old["Private_Clean"] + 64 * KIB + private + files, changed
        assert new["Anonymous"] <= old["Anonymous"] + private, changed
        assert new["VmPTE"] <= old["VmPTE"] + 32 * KIB, changed
        if "Pss_Anon" in old:
            assert new["Pss_Anon"] <= old["Pss_Anon"] + private, changed


def run(*arguments):
    result = tool(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_reading_a_worker_keeps_its_pages_shared(some_python, worker):
    """Each command that reads memory, on a worker that waits."""
    target = worker(some_python)
    target.do("grow", n=100)
    before = both(target)
    assert before[0]["Shared_Dirty"] > 30 * MIB  # or this shows nothing
    assert "Record" in run("heap", "-p", str(target.pid))
    assert_shared(before, both(target), "heap")
    for options in (
        ["growth", "100ms"],
        ["holders"],
        ["chain", "Record"],
        ["backrefs", "Record"],
        ["trend", "0.05", "3"],
        ["heap", "--frozen"],
    ):
        run(*options, "-p", str(target.pid))
        assert_shared(before, both(target), " ".join(options))
    run("doctor", "-p", str(target.pid))
    assert_shared(before, both(target), "doctor")
    run("doctor", "--restore", "-p", str(target.pid))
    assert_shared(before, both(target), "doctor --restore")
    for verb in ("watch", "refs"):
        run(verb, "-p", str(target.pid), "__main__.App.grown", "-d", "100ms")
        assert_shared(before, both(target), verb, PROBED)


@pytest.mark.parametrize("way", ["default", "windows", "sample", "exact"])
def test_tracing_a_worker_keeps_its_pages_shared(some_python, worker, attach, way):
    """A trace of a worker that works: it writes to a few pages itself, just as many as without the
    trace."""
    target = worker(some_python)
    target.do("grow", n=2000)
    before = both(target)
    target.do("grow", n=2000)
    alone = both(target)
    run_ = attach(
        target,
        *(["--sample", "4K"] if way == "sample" else []),
        exact=way == "exact",
        environment={"PYLEAKTRACE_WINDOWS": "10"} if way == "windows" else None,
    )
    if way == "windows":

        def is_done():
            target.do("grow", n=1)
            return re.search(r"^pyleaktrace: \d+ windows done$", run_.err.text, re.M)

        harness.until(is_done, "ten windows")
    for _ in range(3):
        target.do("grow", n=2000)
        run_.report_now()
    run_.finish()
    written = sum(
        abs(new[name] - old[name])
        for new, old in zip(alone, before)
        for name in ("Anonymous", "Shared_Dirty")
    )
    assert_shared(alone, both(target), "watch", 4 * written + 2 * MIB)
    after = both(target)[0]
    assert after["Shared_Dirty"] > before[0]["Shared_Dirty"] * 9 // 10


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def test_process_vm_readv_makes_shared_pages_private(one_python, worker):
    """What the account looks like after a real read with process_vm_readv()."""
    target = worker(one_python)
    before = both(target)
    libc, room = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(MIB)
    with open("/proc/%d/maps" % target.pid, encoding="utf-8") as f:
        ranges = [
            line.split()[0].split("-") for line in f if " rw-p " in line and " 00:00 0 " in line
        ]
    for first, last in ranges:
        for at in range(int(first, 16), int(last, 16), MIB):
            length = min(MIB, int(last, 16) - at)
            libc.process_vm_readv(
                target.pid,
                ctypes.byref(Vector(ctypes.addressof(room), length)),
                1,
                ctypes.byref(Vector(at, length)),
                1,
                0,
            )
    if tuple(int(n) for n in os.uname().release.split(".")[:2]) < (5, 19):
        pytest.skip("this kernel does not make pages private that are read")
    with pytest.raises(AssertionError):
        assert_shared(before, both(target), "process_vm_readv")
    assert both(target)[0]["Shared_Dirty"] < before[0]["Shared_Dirty"] // 2


def total(pids):
    """Bytes of memory without a file that all of them have together; what two share counts once."""
    return sum(memory(pid).get("Pss_Anon", memory(pid)["Pss"]) for pid in pids)


def test_fork_while_being_read_copies_little(one_python, worker):
    """Pages that a process has to itself are read the faster way. If it forks during the read, only
    what is being read at that moment is copied: 512 KiB for a fork, not all 64 MiB."""
    n = 30
    target = worker(one_python, 20000)
    target.do("own", mib=64)
    everybody = [target.pid, target.target.pid]
    alone = total(everybody)
    alone = total(everybody + target.do("fork_many", n=n)) - alone
    target.do("end_children")

    scans, stop = [], threading.Event()

    def scan():
        while not stop.is_set():
            scans.append(run("heap", "-p", str(target.pid)))

    before = total(everybody)
    thread = threading.Thread(target=scan)
    thread.start()
    harness.until(lambda: scans, "a scan")
    try:
        children = []
        for _ in range(n):
            children = target.do("fork_many", n=1)
    finally:
        stop.set()
        thread.join()
    watched = total(everybody + children) - before
    assert watched <= alone + n * 512 * KIB + 2 * MIB, (alone, watched, len(scans))
    target.do("end_children")


def test_unused_memory_stays_unused(some_python, worker):
    """One page in 64 of a gigabyte is used: the others are not brought in, and no page tables are
    filled for them."""
    target = worker(some_python, 10000)
    target.do("reserve", mib=1024, every=64)
    before = both(target)
    report = json.loads(run("heap", "-p", str(target.pid), "-f", "json"))
    assert report["heap"]["scan"]["read_bytes"] < before[0]["Rss"]
    after = both(target)
    assert_shared(before, after, "heap")
    # files' pages that are in memory anyway may have been mapped
    assert after[0]["VmPTE"] <= before[0]["VmPTE"] + 16 * KIB
    for options in (["holders"], ["chain", "Record"], ["trend", "0.05", "2"]):
        run(*options, "-p", str(target.pid))
        after = both(target)
        assert_shared(before, after, " ".join(options))
        assert after[0]["VmPTE"] <= before[0]["VmPTE"] + 16 * KIB
        assert after[0]["Rss"] <= before[0]["Rss"] + MIB


def test_huge_pages_stay_whole_and_freed_memory_stays_free(one_python, worker):
    """Huge pages stay whole, and what the program has given back stays given back."""
    target = worker(one_python, 10000)
    if not target.do("huge", mib=16):
        pytest.skip("this Python has no madvise()")
    before = both(target)[0]
    if before["AnonHugePages"] < 8 * MIB:
        pytest.skip("the kernel gives no huge pages here")
    assert before["LazyFree"] > 8 * MIB
    for options in (
        ["heap"],
        ["holders"],
        ["chain", "Record"],
        ["trend", "0.05", "2"],
        ["heap", "--frozen"],
    ):
        run(*options, "-p", str(target.pid))
        after = both(target)[0]
        assert (after["AnonHugePages"], after["Anonymous"]) == (
            before["AnonHugePages"],
            before["Anonymous"],
        ), options
        assert (
            after["LazyFree"] >= before["LazyFree"]
        ), options  # the kernel marks some of them a little later


def test_nothing_is_read_after_an_exec(one_python, start, tmp_path):
    """After an exec() the pid has different memory: a read for the old program returns nothing, not
    the new program's data."""
    target = start(one_python, "lifecycle.py")
    # a look every hour: the second one is asked for after the exec
    command = harness.Command(
        tmp_path, ["trend", "-p", str(target.pid), "-f", "json", harness.NEVER_S]
    )
    try:
        assert command.err.wait(r"^pyleaktrace: look 1 at pid \d+$"), command.err.text
        target.tell("exec")
        target.answer("ready")
        command.process.send_signal(signal.SIGUSR1)
        assert command.err.wait(
            r"^pyleaktrace: pid \d+ ended while its heap was read$"
        ), command.err.text
    finally:
        command.close()
