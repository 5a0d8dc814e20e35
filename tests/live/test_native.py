# SPDX-License-Identifier: BSD-2-Clause
"""C frames are what a debugger sees, and leaks of C code name the C function and the line of
Python."""
import os
import subprocess

import pytest

from harness import BUILD, DEADLINE_S, ROOT, Reader, python_frames, until

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="session")
def raw_stacks(tmp_path_factory):
    """The program that prints stacks as BPF recorded them."""
    program = str(tmp_path_factory.mktemp("raw") / "raw_stacks")
    libraries = subprocess.run(
        ["pkg-config", "--libs", "libbpf", "libelf", "libdw", "jansson", "zlib"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()
    subprocess.run(
        [
            "gcc",
            "-std=gnu11",
            "-D_GNU_SOURCE",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-I" + ROOT + "/user",
            "-I" + ROOT + "/bpf",
            HERE + "/raw_stacks.c",
            BUILD + "/libpyleaktrace.a",
            *libraries,
            "-lZydis",
            "-liberty",
            "-lm",
            "-o",
            program,
        ],
        check=True,
    )
    return program


def parse(line):
    """One line of raw_stacks -> domain, addresses, number of runs of Python frames, reason for the
    gap."""
    left, right = line.split(" | ")
    domain, _, _, *addresses = left.split()
    # the instruction that a signal interrupted, after its trampoline
    for i in range(1, len(addresses)):
        if addresses[i].endswith("!") and addresses[i - 1].endswith("!"):
            addresses[i] = "0"
    runs, _, gap = right.split()
    return domain, tuple(a.rstrip("!") for a in addresses), int(runs), int(gap)


def seen_by_both(program, target, folder):
    """-> our stacks, gdb's, addresses in the evaluation loop. gdb comes first: in a process that
    was probed before, the kernel takes gdb's breakpoints for its own when a probe at the same place
    ends, whoever set it."""
    watch = subprocess.Popen(
        [program, str(target.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    out = Reader(watch.stdout)
    try:
        theirs, loops = seen_by_gdb(target, out.wait(r"^functions (.*)\n")[1], folder)
        watch.stdin.write(b"\n")
        assert out.wait(r"^tracing\n")
        target.do("everything")
        watch.stdin.write(b"\n")
        assert watch.wait(DEADLINE_S) == 0
        out.thread.join(DEADLINE_S)
        return [parse(line) for line in out.text.splitlines()[2:]], theirs, loops
    finally:
        watch.kill()
        watch.wait()
        watch.stdin.close()
        out.close()


def seen_by_gdb(target, functions, folder):
    """-> stacks, addresses in the evaluation loop"""
    path = str(folder / "stacks")
    command = ["gdb", "-nx", "-batch", "-p", str(target.pid), "-x", HERE + "/gdb_stacks.py"]
    if target.interpreter.root:
        command[1:1] = ["-ex", "set sysroot " + target.interpreter.root]
    with open(str(folder / "gdb.log"), "wb") as log:
        gdb = subprocess.Popen(
            command,
            env=dict(os.environ, STACKS=path, FUNCTIONS=functions),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until(lambda: os.path.exists(path + ".ready") or gdb.poll() is not None, "gdb")
            target.do("everything")
            target.do("everything")
            assert gdb.wait(DEADLINE_S) == 0
        finally:
            gdb.kill()
            gdb.wait()
    with open(path, encoding="utf-8") as f:
        stacks = [line.split() for line in f]
    with open(str(folder / "gdb.log"), encoding="utf-8", errors="replace") as log:
        assert stacks, log.read()[-3000:]
    loops = {a.rstrip("*") for stack in stacks for a in stack if a.endswith("*")}
    return {tuple(a.rstrip("*") for a in stack) for stack in stacks}, loops


def test_frames_are_those_of_a_debugger(native_python, start, raw_stacks, tmp_path):
    target = start(native_python, "native.py")
    ours, theirs, loops = seen_by_both(raw_stacks, target, tmp_path)
    ours = [stack for stack in ours if stack[0] == "malloc"]
    wrong, ended = [], 0
    for _, addresses, runs, gap in ours:
        if addresses in theirs:
            # each activation of the evaluation loop has its run of Python frames
            if loops and runs != sum(address in loops for address in addresses) and runs:
                wrong.append(("%d runs of Python frames" % runs, addresses))
        elif gap and any(stack[: len(addresses)] == addresses for stack in theirs):
            ended += 1
        else:
            wrong.append(("not seen by gdb; gap %d" % gap, addresses))
    print("%s: %d stacks, %d end in a gap frame" % (native_python.name, len(ours), ended))
    assert len(ours) >= 500
    assert not wrong
    assert (
        ended <= len(ours) * 0.005 + 41
    )  # on_other_stack: glibc itself says that nothing is known there


def leaf_frames(stack):
    """The C frames above the innermost Python frame, leaf first."""
    frames = []
    for frame in reversed(stack["frames"]):
        if frame["kind"] == "python":
            return frames
        frames.append(frame)
    return frames


def test_leaks_of_c_code_name_their_function_and_line(some_python, start, attach, validate):
    n = 200
    target = start(some_python, "native.py")
    tool = attach(target)
    for leak in ("strdup", "new", "reference", "crypto"):
        target.do(leak, n=n)
    report = tool.finish()
    validate(report.data)
    assert report.totals["missed_frees"] == 0

    def found(marker, domain, size):
        stacks = [
            s
            for s in report.stacks(file=target.program, line=target.line(marker), domain=domain)
            if s["outstanding_bytes"] == size * s["outstanding_count"]
        ]
        assert sum(s["outstanding_count"] for s in stacks) == n, marker
        return stacks

    for stack in found("strdup", "malloc", 331):
        frames = leaf_frames(stack)
        assert "strdup" in frames[0]["function"] and frames[0]["module"].startswith("libc")
        # some versions bring a libffi of their own, within _ctypes
        assert any(frame["module"].startswith(("libffi", "_ctypes")) for frame in frames)
    for stack in found("new", "malloc", 1777):
        names = [frame.get("function", "") for frame in leaf_frames(stack)]
        assert (
            names[0].startswith("operator new")
            and "shop::Shelf<char>::fill" in names
            and "cxx_leak" in names
        )
    lost = [
        s
        for s in report.stacks(file=target.program, line=target.line("reference"), domain="object")
        if s["outstanding_count"] >= n
    ]
    assert lost and all(frame["kind"] == "native" for s in lost for frame in leaf_frames(s))
    # the line of ours is below that of ssl.py
    line = (target.program, target.line("crypto"))
    modules = {
        frame["module"]
        for s in report.stacks(domain="malloc")
        for frame in leaf_frames(s)
        if line in [f[1:] for f in python_frames(s)]
    }
    assert any(name.startswith("libcrypto") for name in modules), modules
    assert any(name.startswith("libssl") for name in modules), modules
