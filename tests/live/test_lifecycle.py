# SPDX-License-Identifier: BSD-2-Clause
"""Targets that fork, replace themselves, end, or are stopped; a tool that is killed. No process is
harmed, and what was known is reported."""
import json
import os
import platform
import re
import signal
import subprocess

import pytest

import harness

N, KEPT, BLOCK = 5000, 800, 3333
ROUNDS = int(
    os.environ.get("PYLEAKTRACE_ROUNDS", "20")
)  # fewer where the machine is emulated (tools/kernels)


def state(pid):
    with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
        return f.read().rpartition(")")[2].split()[0]


def stands(pid):
    """Wait until the user's stop holds it again. A thread that the tool held returns to that stop
    by itself, without running its own program, but only once it gets a CPU (test_freeze.c): until
    then it is runnable."""
    harness.until(lambda: state(pid) == "T", "the stop")


def assert_kept(target, report):
    found = report.at(function="fill", file=target.program, line=target.line("fill"))
    assert (found["outstanding_count"], found["allocated_count"]) == (KEPT, N)
    assert found["outstanding_bytes"] == BLOCK * KEPT


def watched(start, attach, python):
    target = start(python, "lifecycle.py")
    tool = attach(target)
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    return target, tool


def places(tool):
    """{name: address} of what `-v` says is probed"""
    return {
        name: int(address, 16)
        for name, address in re.findall(r"^  probe (\S+) +\S+ +0x(\w+) ", tool.err.text, re.M)
    }


def breakpoints(pid, addresses):
    """Those addresses at which this process has a breakpoint (int3)."""
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        return {
            address for address in addresses if os.pread(memory.fileno(), 1, address) == b"\xcc"
        }


@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows the breakpoints of x86-64 only")
def test_children_run_untraced_and_free_only_their_copies(some_python, start, attach):
    """Children free their copies of the target's blocks: the target still has them. The children
    are not traced, so neither they nor their children have breakpoints, whether they were forked
    before the watch or during it. The target's breakpoints stay, and all it does is counted while
    children come and go."""
    if not re.search(r"^  many probes in one link .* yes$", harness.tool("doctor").stdout, re.M):
        pytest.skip(
            "this kernel has probes put in one by one, and takes them out of children by itself"
        )
    target = start(some_python, "lifecycle.py")
    children = target.do("fork_child", size=BLOCK)
    tool = attach(target, "-v")
    probed = set(places(tool).values())
    assert len(probed) > 10 and breakpoints(target.pid, probed) == probed
    for _ in range(3):
        children += target.do("fork_child", size=BLOCK)
    harness.until(
        lambda: not any(breakpoints(pid, probed) for pid in children), "the children to be swept"
    )
    target.do("children_work")
    assert set(target.do("keep_and_fork", n=N, n_keep=KEPT, size=BLOCK, forks=40)) == {7}
    assert breakpoints(target.pid, probed) == probed
    report = tool.finish()
    assert breakpoints(target.pid, probed) == set()
    assert_kept(target, report)
    assert not list(report.stacks(function="in_child"))
    assert report.totals["missed_frees"] == 0 and report.losses == {}
    assert set(target.do("end_children")) == {0}
    assert target.quit() == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows the breakpoints of x86-64 only")
def test_children_lose_breakpoints_on_older_kernels(one_python, start, attach):
    """There the kernel removes a breakpoint when a child hits it."""
    target = start(one_python, "lifecycle.py")
    tool = attach(target, "-v", without="uprobe_multi")
    probed = places(tool)
    assert breakpoints(target.pid, probed.values()) == set(probed.values())
    child, grandchild = target.do("fork_child", size=600)

    def is_removed():
        target.do("children_work")
        return not breakpoints(child, [probed["malloc"], probed["obj.malloc"]])

    # while another test traces the same libc its link asks the kernel to keep what is hit there
    harness.until(is_removed, "the child's breakpoints to go")
    assert breakpoints(grandchild, probed.values()), "it has hit nothing yet: this test can tell"
    assert set(target.do("keep_and_fork", n=N, n_keep=KEPT, size=BLOCK, forks=10)) == {7}
    assert breakpoints(target.pid, probed.values()) == set(probed.values())
    report = tool.finish()
    assert (
        breakpoints(grandchild, probed.values())
        == breakpoints(target.pid, probed.values())
        == set()
    )
    assert_kept(target, report)
    assert report.totals["missed_frees"] == 0 and report.losses == {}
    assert set(target.do("end_children")) == {0}
    assert target.quit() == 0


def test_exec_ends_with_a_report(some_python, start, attach):
    target, tool = watched(start, attach, some_python)
    target.tell("exec")
    target.answer("ready")
    assert tool.ended() == 0, tool.err.text
    assert_kept(target, tool.report())
    assert "exec" in tool.out.text.splitlines()[-1]
    # the program that came after is not touched
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    assert target.quit() == 0


def test_exit_ends_with_a_report(some_python, start, attach):
    target, tool = watched(start, attach, some_python)
    target.tell("end", code=3)
    assert target.process.wait(harness.DEADLINE_S) == 3
    assert tool.ended() == 0, tool.err.text
    assert_kept(target, tool.report())
    assert "target exited" in "".join(tool.out.text.splitlines()[-2:])


def test_killed_target_ends_with_a_report(some_python, start, attach):
    target, tool = watched(start, attach, some_python)
    target.process.kill()
    target.process.wait(harness.DEADLINE_S)
    assert tool.ended() == 0, tool.err.text
    assert_kept(target, tool.report())
    assert (
        "target exited" in tool.out.text.splitlines()[-1]
        or "target was killed" in tool.out.text.splitlines()[-1]
    )


def test_stopped_target_is_reported_and_left_stopped(some_python, start, attach):
    """A target that does not run still gets a report, which says so; it is left stopped, and goes
    on when told to."""
    target, tool = watched(start, attach, some_python)
    os.kill(target.pid, signal.SIGSTOP)
    stands(target.pid)
    mark = len(tool.out.text)
    tool.process.send_signal(signal.SIGUSR1)
    assert tool.out.wait(r"^target is stopped", mark), tool.err.text
    stands(target.pid)
    report = tool.finish()
    assert_kept(target, report)
    stands(target.pid)  # the end of the trace does not resume it
    os.kill(target.pid, signal.SIGCONT)
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    assert target.quit() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_a_report(one_python, start, attach, number):
    target, tool = watched(start, attach, one_python)
    assert_kept(target, tool.finish(number))
    assert "Top " in tool.out.text


def test_stopped_target_can_be_attached_to(one_python, start, attach):
    target = start(one_python, "lifecycle.py")
    before = target.do("allocators")
    os.kill(target.pid, signal.SIGSTOP)
    stands(target.pid)
    tool = attach(target)
    stands(target.pid)
    os.kill(target.pid, signal.SIGCONT)
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    assert_kept(target, tool.finish())
    assert target.do("allocators") == before


def test_killed_tool_leaves_nothing_in_the_kernel(some_python, start, attach, bpf_objects):
    """kill -9 of the tool in mid-work: nothing of it stays in the kernel, the target works on, and
    has no breakpoint left after the next command."""
    target = start(some_python, "lifecycle.py")
    before = target.do("allocators")
    tool = attach(target, "-v")
    probed = places(tool)
    assert len(probed) > 10
    target.do("be_busy", n_threads=3)
    target.do("turns_done", least=20)
    mine = {kind: bpf_objects(kind, tool.process.pid) for kind in ("prog", "link")}
    assert mine["prog"] and mine["link"], "they should be there while it runs"
    assert all(ids <= bpf_objects(kind, None) for kind, ids in mine.items())
    tool.process.kill()
    tool.process.wait(harness.DEADLINE_S)
    for kind, ids in mine.items():
        harness.until(
            lambda: not ids & bpf_objects(kind, None), "the kernel to let go of each " + kind
        )
    target.do("turns_done", least=50)
    assert target.do("be_idle") == 0

    # CPython's allocator table may still be steered, which does no harm; doctor restores it
    steered = target.do("allocators") != before
    said = harness.tool("doctor", "--restore", "-p", str(target.pid))
    assert said.returncode == 0, said.stderr
    assert target.do("allocators") == before
    if platform.machine() == "x86_64":
        assert breakpoints(target.pid, probed.values()) == set()
    again = harness.tool("doctor", "--restore", "-p", str(target.pid))
    assert again.returncode == 0, again.stderr
    if steered:
        assert again.stdout != said.stdout, "the second time there is nothing to do"
    # and it can be watched again
    tool = attach(target)
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    report = tool.finish()
    assert_kept(target, report)
    assert report.totals["missed_frees"] == 0
    assert target.do("allocators") == before
    assert target.quit() == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows the breakpoints of x86-64 only")
@pytest.mark.parametrize("without", ["", "uprobe_multi"])
def test_tool_killed_anywhere_leaves_the_target_right(one_python, without):
    """At random moments, with and without the process that detaches. tools/kill9 does this for
    longer."""
    done = subprocess.run(
        [
            one_python.command,
            os.path.join(harness.ROOT, "tools", "kill9"),
            "3",
            "--kills",
            "10",
            "--without",
            without,
            "--tool",
            harness.TOOL,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=5 * harness.DEADLINE_S,
    )
    assert done.returncode == 0 and done.stdout.endswith("PASS\n"), done.stdout


def test_what_a_killed_tool_left_is_put_right_by_attaching(one_python, start, attach):
    """Without the doctor: the next watch copes with a table that is still steered, and restores
    it."""
    target = start(one_python, "lifecycle.py")
    before = target.do("allocators")
    tool = attach(target)
    tool.process.kill()
    tool.process.wait(harness.DEADLINE_S)
    tool = attach(target)
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    report = tool.finish()
    assert_kept(target, report)
    assert target.do("allocators") == before


def test_restoring_nothing_changes_nothing(some_python, start, attach):
    target, tool = watched(start, attach, some_python)
    tool.finish()
    before = target.do("allocators")
    said = harness.tool("doctor", "--restore", "-p", str(target.pid))
    assert said.returncode == 0, said.stderr
    assert target.do("allocators") == before


def test_rounds_on_a_busy_target_change_no_result(one_python, start, attach):
    target = start(one_python, "lifecycle.py")
    before = target.do("allocators")
    target.do("be_busy", n_threads=4)
    for i in range(ROUNDS):
        # C frames now and then: most of what an attach takes is the verifier's time for them
        tool = attach(target, "--native", "no" if i % 4 else "yes")
        target.do("turns_done", least=1)
        report = tool.finish()
        tool.close()
        assert report.totals["missed_frees"] == 0
        assert report.totals["allocated_count"] > 0
    target.do("turns_done", least=20)
    assert target.do("be_idle") == 0
    assert target.do("allocators") == before
    assert target.quit() == 0


def test_two_tools_on_one_target_do_not_disturb_each_other(one_python, start, attach):
    """The second one either works or says what prevents it; the first one's figures stay right."""
    target = start(one_python, "lifecycle.py")
    before = target.do("allocators")
    first = attach(target)
    try:
        second = attach(target)
    except AssertionError as refused:
        second = None
        assert "pyleaktrace:" in str(refused)
    target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
    if second is not None:
        second.finish()
    assert_kept(target, first.finish())
    assert target.do("allocators") == before


def doctor_says(feature):
    """ "yes" or "no" """
    return re.search(r"^  %s +(yes|no)" % re.escape(feature), harness.tool("doctor").stdout, re.M)[
        1
    ]


@pytest.mark.parametrize("without", ["", "seccomp"])
def test_seccomp_target_is_refused_where_probes_would_kill_it(
    some_python, start, tmp_path, without
):
    """A target that the system calls of return probes would kill is refused where a test of the
    kernel shows that, and only there."""
    target = start(some_python, "lifecycle.py")
    target.do("seccomp")
    output = tmp_path / "seccomp.json"
    process = subprocess.Popen(
        [
            harness.TOOL,
            "-p",
            str(target.pid),
            "--exact",
            "--older",
            "0",
            "-o",
            str(output),
            harness.NEVER_S,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=dict(os.environ, PYLEAKTRACE_WITHOUT=without),
    )
    out, err = harness.Reader(process.stdout), harness.Reader(process.stderr)
    try:
        attached = err.wait(r"^pyleaktrace: tracing pid")
        if platform.machine() == "x86_64":
            expected = "no" if without else doctor_says("return probes with seccomp filters")
            assert bool(attached) == (expected == "yes")
        for _ in range(3):
            target.do("keep", n=N, n_keep=KEPT, size=BLOCK)
        assert target.process.poll() is None
        if attached:
            process.send_signal(signal.SIGINT)
        assert process.wait(harness.DEADLINE_S) in ((0,) if attached else (69, 77)), err.text
        out.close()
        err.close()
        if attached:
            report = json.loads(output.read_text())
            complete = report["totals"]["allocated_count"] >= 3 * N
            assert (
                complete or "seccomp" in (out.text + err.text).lower()
            ), "what is not covered must be said"
        else:
            assert "seccomp" in err.text.lower()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
            out.close()
            err.close()
    assert target.quit() == 0
