# SPDX-License-Identifier: BSD-2-Clause
"""CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE are enough for a process of any user; a missing one is
named, and what can go on without it does. The tool is a copy with file capabilities, run as the
user nobody; the target belongs to another user."""
import copy
import errno
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import harness

THREE = {"cap_bpf", "cap_perfmon", "cap_sys_ptrace"}
NOBODY, OTHER = 65534, 1
MIB = 1 << 20


def become(user):
    return ["setpriv", "--reuid=%d" % user, "--regid=%d" % user, "--clear-groups"]


class Rights:
    """A copy of the tool, with capabilities that change."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "pyleaktrace")
        shutil.copy(harness.TOOL, self.path)
        os.chmod(self.path, 0o755)

    def give(self, capabilities):
        result = subprocess.run(
            ["setcap", ",".join(sorted(capabilities)) + "=ep" if capabilities else "=", self.path],
            stderr=subprocess.PIPE,
            text=True,
        )
        if result.returncode:
            pytest.skip("no file capabilities in %s: %s" % (self.folder, result.stderr.strip()))
        if (
            capabilities
            and subprocess.run(
                [*become(NOBODY), self.path, "--version"], stdout=subprocess.DEVNULL
            ).returncode
        ):
            pytest.skip("nobody can run %s (mounted nosuid?)" % self.path)

    def run(self, *arguments):
        return subprocess.run(
            [*become(NOBODY), self.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=harness.DEADLINE_S,
            text=True,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    def watch(self, pid, *options):
        """The trace of one target, attached."""
        folder = os.path.join(self.folder, "reports")
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, NOBODY, NOBODY)
        return harness.Tool(pid, folder, *options, command=[*become(NOBODY), self.path])


@pytest.fixture
def rights():
    if not shutil.which("setcap") or not shutil.which("setpriv"):
        pytest.skip("needs setcap (libcap2-bin) and setpriv (util-linux)")
    folder = "/tmp/pyleaktrace-rights.%d" % os.getpid()
    os.mkdir(folder, 0o755)
    yield Rights(folder)
    shutil.rmtree(folder)


@pytest.fixture
def start_as_other(start):
    """start(interpreter, program, ...), as another user"""
    scripts = []

    def run(interpreter, *args):
        other = copy.copy(interpreter)
        other.folder = interpreter.place()
        other.command = "/tmp/pyleaktrace-other.%d" % os.getpid()
        with open(other.command, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec %s %s "$@"\n' % (" ".join(become(OTHER)), interpreter.command))
        os.chmod(other.command, 0o755)
        scripts.append(other.command)
        target = start(other, *args)
        with open("/proc/%d/status" % target.pid, encoding="utf-8") as f:
            assert re.search(r"^Uid:\t%d\t%d\t" % (OTHER, OTHER), f.read(), re.M)
        return target

    yield run
    for script in set(scripts):
        os.unlink(script)


def test_three_capabilities_are_enough(one_python, start_as_other, rights, validate):
    """The heap, what holds what, a watched container; every allocation, with steering; and nothing
    is left behind."""
    target = start_as_other(one_python, "lifecycle.py")
    rights.give(THREE)
    pid = str(target.pid)
    heap = rights.run("holders", "-p", pid, "-f", "json")
    assert heap.returncode == 0 and heap.stderr == "", heap.stderr
    heap = json.loads(heap.stdout)
    validate(heap)
    assert heap["heap"]["totals"]["count"] > 5000
    for options in (
        ["growth", "100ms"],
        ["trend", "0.05", "2"],
        ["chain", "dict"],
        ["backrefs", "dict"],
        ["heap", "--frozen"],
        ["watch", "__main__.kept", "-d", "100ms"],
        ["refs", "__main__.kept", "-d", "100ms"],
    ):
        result = rights.run(*options, "-p", pid)
        assert result.returncode == 0, (options, result.stderr)
    doctor = rights.run("doctor", "-p", pid)
    assert doctor.returncode == 0, doctor.stderr

    before = target.do("allocators")
    # the line makes nothing else of this size
    tool = rights.watch(target.pid, "-z", "5000", "-Z", "5100")
    try:
        during = target.do("allocators")
        target.do("keep", n=3000, n_keep=700, size=5000)
        report = tool.finish()
    finally:
        tool.close()
    validate(report.data)
    assert report.at(line=target.line("fill"))["outstanding_count"] == 700
    assert report.at(line=target.line("fill"))["allocated_count"] == 3000
    assert report.losses == {}
    # this build needs its table steered: that was done, and undone
    assert (before != during) == one_python.is_distribution_build
    assert target.do("allocators") == before


def shared(pid):
    with open("/proc/%d/smaps_rollup" % pid, encoding="utf-8") as f:
        return int(re.search(r"^Shared_Dirty: +(\d+) kB", f.read(), re.M)[1]) << 10


def test_another_users_worker_keeps_its_pages_shared(one_python, start_as_other, rights):
    """Memory that only /proc/PID/mem reads without making it private is left alone, and the remedy
    is right."""
    target = start_as_other(one_python, "forked.py", "50000")
    worker = target.said
    harness.quiet(worker)
    before = shared(worker)
    assert before > 10 * MIB
    rights.give(THREE)
    for command in (["heap"], ["trend", "0.05", "2"], ["holders"], ["--exact"], ["doctor"]):
        result = rights.run(*command[:1], "-p", str(worker), *command[1:])
        assert result.returncode == 77, (command, result.returncode, result.stderr)
        assert re.search(
            r"^pyleaktrace: pid %d shares .*: run as root, or add CAP_DAC_READ_SEARCH$" % worker,
            result.stderr,
            re.M,
        )
    assert shared(worker) == before
    rights.give(THREE | {"cap_dac_read_search"})
    result = rights.run("heap", "-p", str(worker))
    assert result.returncode == 0 and "Record" in result.stdout, result.stderr
    assert shared(worker) >= before - 64 * 1024


def shared_data(pid):
    """Bytes of mappings without a file: breakpoints only change text."""
    total, of_file = 0, False
    with open("/proc/%d/smaps" % pid, encoding="utf-8") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                of_file = "/" in line
            elif line.startswith("Shared_Dirty:") and not of_file:
                total += int(line.split()[1]) << 10
    return total


def test_fork_of_another_users_target_keeps_pages_shared(
    one_python, start_as_other, rights, validate
):
    """A watched process that forks later: what it shares from then on is left alone, and the report
    says so."""
    target = start_as_other(one_python, "lifecycle.py")
    rights.give(THREE)
    tool = rights.watch(target.pid)
    try:
        target.do("keep", n=3000, n_keep=700, size=5000)
        assert "New names are not read" not in tool.report_now()
        # what any of them writes is shared no more, either
        for pid in [*target.do("fork_child", size=5000), target.pid]:
            harness.quiet(pid)
        first = shared(target.pid)
        assert first > 2 * MIB
        said = "New names are not read: pid %d shares " % target.pid
        # what is read between the fork and the next look at it may be copied
        assert said in tool.report_now()
        before = shared_data(target.pid)
        assert shared(target.pid) >= first - 512 * 1024
        for _ in range(3):
            assert said in tool.report_now()
        assert shared_data(target.pid) == before
        report = tool.finish()
    finally:
        tool.close()
    validate(report.data)
    assert [note["name"] for note in report.data["notes"]] == ["not_read"]
    # what was read before has its name
    assert report.stacks(line=target.line("fill"))


@pytest.mark.parametrize("missing", sorted(THREE))
def test_missing_capability_is_named(one_python, start_as_other, rights, missing):
    """The error names exactly what is missing, and the heap goes on where only the capabilities for
    BPF are."""
    target = start_as_other(one_python, "lifecycle.py")
    rights.give(THREE - {missing})
    others = [name.upper() for name in THREE - {missing}]
    refused = [["--exact"], ["watch", "__main__.kept", "-d", "100ms"]]
    if missing == "cap_sys_ptrace":
        refused += [["heap"], ["trend", "0.05", "2"], ["doctor"]]
    else:
        for options in (
            ["heap"],
            ["holders"],
            ["growth", "100ms"],
            ["trend", "0.05", "2"],
            ["heap", "--frozen"],
        ):
            result = rights.run(*options, "-p", str(target.pid))
            assert result.returncode == 0, (options, result.stderr)
    for command in refused:
        result = rights.run(*command[:1], "-p", str(target.pid), *command[1:])
        assert result.returncode == 77, (command, result.returncode, result.stderr)
        sentence = result.stderr.strip().splitlines()[-1]
        assert missing.upper() in sentence, sentence
        assert not any(name in sentence for name in others), sentence


def test_no_capability_at_all_is_refused(one_python, start_as_other, rights):
    target = start_as_other(one_python, "lifecycle.py")
    rights.give(set())
    for command in ([], ["heap"]):
        result = rights.run(*command, "-p", str(target.pid))
        assert (
            result.returncode == 77 and "CAP_" in result.stderr and "run as root" in result.stderr
        )


def test_root_is_told_what_denies_it(one_python, start):
    """Where the tool is root, it says what really denies it, and does not advise root to become
    root."""
    target = start(one_python, "lifecycle.py")
    for prefix, words in (
        (["unshare", "--user", "--map-root-user"], "user namespace of its own"),
        (
            ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"],
            "CAP_SYS_PTRACE is missing; this root",
        ),
    ):
        for arguments in (["heap"], ["--exact"]):
            result = subprocess.run(
                [*prefix, harness.TOOL, *arguments, "-p", str(target.pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                timeout=harness.DEADLINE_S,
            )
            if "unshare failed" in result.stderr:
                pytest.skip(result.stderr.strip())
            assert (
                result.returncode == 77
                and words in result.stderr
                and "run as root" not in result.stderr
            ), result.stderr


FILTER = """if True:
    import ctypes, os, struct, sys
    number, error = int(sys.argv[1]), int(sys.argv[2])
    rows = (0x20, 0, 0, 0), (0x15, 0, 1, number)
    rows += (0x06, 0, 0, 0x50000 | error), (0x06, 0, 0, 0x7fff0000)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
    program = Program(len(rows), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0  # PR_SET_SECCOMP
    os.execv(sys.argv[3], sys.argv[3:])
"""
PROCESS_VM_READV = 310  # on x86-64


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS], ids=["EPERM", "ENOSYS"])
def test_filtered_process_vm_readv_is_replaced_by_the_file(one_python, start, error):
    """Under a container's filter that denies process_vm_readv(), the file is enough."""
    target = start(one_python, "lifecycle.py")
    for options in (["heap"], ["holders"], ["trend", "0.05", "2"]):
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                FILTER,
                str(PROCESS_VM_READV),
                str(error),
                harness.TOOL,
                *options,
                "-p",
                str(target.pid),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=harness.DEADLINE_S,
        )
        assert (
            result.returncode == 0
            and result.stderr == ""
            and "pid %d (CPython" % target.pid in result.stdout
        ), result.stderr
