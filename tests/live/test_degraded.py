# SPDX-License-Identifier: BSD-2-Clause
"""Machines and containers that lack something: the trace goes on with what there is, and says in
one sentence what is missing and what to do about it. What cannot go on says the same and ends with
the documented exit code."""
import errno
import json
import os
import re
import signal
import subprocess

import pytest

import harness
from harness import tool

CALLS = {"bpf": 321, "perf_event_open": 298}  # x86-64
ERRORS = {"EPERM": errno.EPERM, "ENOSYS": errno.ENOSYS}


class Look(harness.Command):
    """A trace in the default mode in which no allocation is traced."""

    def __init__(self, target, folder, without="", before=()):
        super().__init__(
            folder,
            ["-v", "-p", str(target.pid), harness.NEVER_S],
            {"PYLEAKTRACE_WITHOUT": without},
            [*before, harness.TOOL],
        )
        assert self.err.wait(
            r"^pyleaktrace: scanning the heap of pid %d$" % target.pid
        ), self.err.text

    def report_now(self):
        start = len(self.out.text)
        self.process.send_signal(signal.SIGUSR1)
        assert self.out.wait(r"^cost: .*\n", start), self.err.text
        return self.out.text[start:]


@pytest.fixture(scope="module")
def deny(tmp_path_factory):
    """deny(call, error): the prefix of a command that is to be denied this system call"""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    program = str(tmp_path_factory.mktemp("deny") / "deny")
    harness.build(os.path.join(harness.PROGRAMS, "deny.c"), program)
    return lambda call, error: (program, str(CALLS[call]), str(ERRORS[error]))


def after_the_answer(text):
    """A report without the verdict at its head, if it has one yet."""
    return re.sub(
        r"\A(TOO EARLY|NO LEAK|GROWING|LEAK|FRAGMENTATION)  .*?\n\n", "", text, flags=re.S
    )


def run(before, *arguments):
    return subprocess.run(
        [*before, harness.TOOL, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=harness.DEADLINE_S,
    )


def goes_on(target, folder, validate, words, **how):
    """The heap's views are there, the sentence comes first, and the target notices nothing."""
    look = Look(target, folder, **how)
    try:
        said = []

        def found():
            target.do("work", n=5)
            said.append(look.report_now())
            return "app.state.QUEUE" in said[-1]

        harness.until(found, "the container that grows fastest")
        text = said[-1]
        assert re.search(
            r"^Growing containers, fastest first:\napp\.state\.\w+ \S+, \d\S* items\n"
            r" +the census says \+\S+/min since the trace began\.$",
            text,
            re.M,
        ), text
        data = look.finish()
    finally:
        look.close()
    validate(data)
    assert not {"mode", "totals", "stacks", "cost"} & set(data)
    assert [note["name"] for note in data["notes"]] == ["not_traced"]
    sentence = data["notes"][0]["sentence"]
    assert after_the_answer(text).startswith(sentence + "\n"), text
    for word in words:
        assert word in sentence, sentence
    grown = {row["container"]["path"]: row for row in data["growing"]}
    assert "app.state.QUEUE" in grown and not any(row["watched_s"] for row in data["growing"])
    assert grown["app.state.QUEUE"]["container"]["type"] == "collections.deque"
    assert "Top " not in text and "outstanding" not in text
    assert data["trend"] and data["heap"]["growth"]["scans"] > 1


@pytest.mark.parametrize("error", sorted(ERRORS))
@pytest.mark.parametrize("call", sorted(CALLS))
def test_seccomp_filter_is_named_as_what_denies(
    one_python, start, tmp_path, validate, deny, call, error
):
    """A container's filter is named, not the kernel's age or a capability."""
    target = start(one_python, "holders.py")
    before = deny(call, error)
    words = ["seccomp", call + "()", "on the host"]
    goes_on(target, tmp_path, validate, words, before=before)
    for arguments in (
        ["-p", str(target.pid), "--exact", "-d", "1"],
        ["watch", "-p", str(target.pid), "app.state.LOG"],
        ["-p", str(target.pid), "-X", "heap-scan=no", "-d", "1"],
        ["doctor"],
    ):
        result = run(before, *arguments)
        assert result.returncode == 69, (arguments, result.stderr)
        for word in words:
            assert word in result.stderr, result.stderr
        assert "5.15" not in result.stderr
    # what does not need it does not ask for it
    result = run(before, "heap", "-p", str(target.pid), "-f", "json")
    assert result.returncode == 0 and json.loads(result.stdout)["heap"]


@pytest.mark.parametrize(
    "without, code, words",
    [
        ("lockdown", 69, ["locked down", "lockdown=integrity"]),
        ("jit,all_load", 69, ["verifier rejects", "JIT", "sysctl -w net.core.bpf_jit_enable=1"]),
        ("btf", 69, ["CONFIG_DEBUG_INFO_BTF"]),
        ("user_namespace", 77, ["user namespace", "root on the host"]),
        ("all_load", 69, ["verifier rejects program on_return", "helper"]),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    one_python, start, tmp_path, validate, without, code, words
):
    target = start(one_python, "holders.py")
    goes_on(target, tmp_path, validate, words, without=without)
    environment = {"PYLEAKTRACE_WITHOUT": without}
    result = tool("-p", str(target.pid), "--exact", "-d", "1", environment=environment)
    assert result.returncode == code, result.stderr
    for word in words:
        assert word in result.stderr, result.stderr


def test_capabilities_of_a_user_namespace_do_not_count():
    """The tool has every capability in its namespace, and none that counts."""
    made = subprocess.run(["unshare", "--user", "--map-root-user", "true"], stderr=subprocess.PIPE)
    if made.returncode:
        pytest.skip("user namespaces cannot be made here")
    result = run(["unshare", "--user", "--map-root-user"], "doctor")
    assert result.returncode == 77, result.stderr
    assert "user namespace" in result.stderr and "root on the host" in result.stderr
    assert re.search(r"^  permission to load BPF +no: ", result.stdout, re.M), result.stdout


def test_refused_c_frames_leave_every_allocation_counted(one_python, start, attach, validate):
    """The trace goes on without C frames: every allocation is still counted at its line, and the
    report says why."""
    target = start(one_python, "accounts.py")
    watch = attach(target, "-v", "-z", "7777", "-Z", "7777", without="native_load")
    target.do("of_size", n=3000, n_keep=500, size=7777)
    text = watch.report_now()
    report = watch.finish()
    validate(report.data)
    assert (report.totals["allocated_count"], report.totals["outstanding_count"]) == (3000, 500)
    assert report.losses == {} and report.totals["missed_frees"] == 0
    kinds = {frame["kind"] for stack in report.data["stacks"] for frame in stack["frames"]}
    assert kinds == {"python"}
    [note] = report.data["notes"]
    assert note["name"] == "no_c_frames"
    assert "on_return" in note["sentence"] and "helper" in note["sentence"]
    assert after_the_answer(text).startswith(note["sentence"] + "\n")


def test_nothing_is_missing(one_python, start, attach):
    target = start(one_python, "accounts.py")
    report = attach(target).finish()
    assert "notes" not in report.data


def test_maps_are_filled_beforehand(some_python, start, attach):
    """As before Linux 6.1: just as exact, with maps from which nothing is allocated while a program
    runs."""
    target = start(some_python, "accounts.py")
    watch = attach(target, "-z", "7777", "-Z", "7777", without="allocation")
    flags = set()
    for name in os.listdir("/proc/%d/fdinfo" % watch.process.pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (watch.process.pid, name), encoding="utf-8") as f:
                lines = dict(line.split(":", 1) for line in f if ":" in line)
        except FileNotFoundError:  # closed since the folder was listed; maps stay
            continue
        if lines.get("map_type", "").strip() == "1":
            flags.add(int(lines["map_flags"], 16) & 1)
    assert flags == {0}
    target.do("of_size", n=3000, n_keep=500, size=7777)
    report = watch.finish()
    assert (report.totals["allocated_count"], report.totals["outstanding_count"]) == (3000, 500)
    assert report.losses == {} and report.totals["missed_frees"] == 0


def note_of(target, folder, work, wanted):
    """Work until the report has the note, or until the trace is sure that there is none; returns
    its sentence."""
    watch = harness.Tool(target.pid, folder, "-v", exact=False)
    try:
        for _ in range(60 if wanted else 12):
            target.do(work, n=2)
            text = watch.report_now()
            if "This process does nothing itself" in text:
                break
        data = watch.finish().data
    finally:
        watch.close()
    return [note["sentence"] for note in data.get("notes", []) if note["name"] == "children_work"]


def test_idle_master_names_the_workers_to_watch(one_python, start, tmp_path, validate):
    """The report says which PIDs to watch: those of the children that run CPython."""
    target = start(one_python, "prefork.py")
    pids = target.do("fork", n=3)
    [sentence] = note_of(target, tmp_path, "workers_work", True)
    assert "3 children are CPython" in sentence
    listed = re.search(r"-p ([\d,]+)$", sentence)[1]
    assert sorted(map(int, listed.split(","))) == sorted(pids)
    # and it is not said to a user who already does that
    watch = harness.Command(
        tmp_path,
        ["-p", "%d,%s" % (target.pid, listed), "--group-by", "pid", "-d", "2", harness.NEVER_S],
    )
    for pid in [target.pid, *pids]:
        assert watch.err.wait(r"^pyleaktrace: tracing pid %d$" % pid), watch.err.text
    target.do("workers_work", n=20)
    assert "notes" not in watch.complete()


def test_busy_master_is_the_target_that_was_meant(one_python, start, tmp_path):
    """A master that works itself, with or without children, is the intended target."""
    target = start(one_python, "prefork.py")
    assert note_of(target, tmp_path, "master_works", False) == []
    target.do("fork", n=2)
    assert note_of(target, tmp_path, "all_work", False) == []


def test_exec_while_attaching_is_the_stated_reason(tmp_path):
    """When a target keeps replacing itself, that is the reason given, not the places that could not
    be probed."""
    again = (
        "import os, sys; "
        "os.execv(sys.executable, [sys.executable, '-S', '-c', os.environ['AGAIN']])"
    )
    target = subprocess.Popen(["/usr/bin/python3", "-S", "-c", again], env={"AGAIN": again})
    try:
        for _ in range(8):
            result = tool("-p", str(target.pid), "--exact", "-d", "1", "-q")
            assert result.returncode in (0, 2), (result.returncode, result.stderr)
            assert "cannot probe" not in result.stderr
            if result.returncode == 2:
                assert re.search(r"exec|Python|replaced|ended", result.stderr), result.stderr
    finally:
        target.kill()
        target.wait()


def rows_of(said):
    """What doctor says of each item: name -> answer."""
    return dict(re.findall(r"^  (\S.{34}\S?) +(\S.*)$", said, re.M))


def tried(said):
    return {
        name.strip(): answer for name, answer in rows_of(said[said.index("\ntried ") :]).items()
    }


def test_doctor_tries_what_it_says_works(one_python, start):
    """doctor loads programs, counts a child's allocations and hits a watchpoint before it says that
    they work."""
    result = tool("doctor")
    assert result.returncode == 0, result.stderr
    rows = tried(result.stdout)
    assert re.match(r"yes, in \S+ \S+, with C frames$", rows["programs of probes are loaded"]), rows
    assert rows["allocations are recorded"] == "yes, 200 of 200, each with its stack"
    assert re.match(r"yes, in \S+ \S+, with C frames$", rows["programs of watchpoints are loaded"])
    assert rows["a hardware watchpoint is hit"] == "yes, 10 of 10 times"
    target = start(one_python, "lifecycle.py")
    result = tool("doctor", "-p", str(target.pid))
    assert result.returncode == 0, result.stderr
    rows = tried(result.stdout)
    assert (
        re.match("yes, in", rows["programs of probes are loaded"])
        and "allocations are recorded" not in rows
    )


def test_doctor_tells_what_the_verifier_says():
    result = tool("doctor", environment={"PYLEAKTRACE_WITHOUT": "all_load"})
    assert result.returncode == 69, result.stderr
    assert "on_return" in result.stderr and "helper" in result.stderr
    rows = tried(result.stdout)
    assert rows["programs of probes are loaded"].startswith(
        "no: the kernel's verifier rejects program on_return: "
    )
    words = result.stdout[
        result.stdout.index("  the verifier's last words on on_return:\n") :
    ].splitlines()
    assert any("helper" in line for line in words[1:9]) and any(
        "processed" in line for line in words[1:9]
    )
    result = tool("doctor", environment={"PYLEAKTRACE_WITHOUT": "native_load"})
    assert result.returncode == 0, result.stderr
    rows = tried(result.stdout)
    assert (
        ", without C frames: the kernel's verifier rejects program on_return: "
        in rows["programs of probes are loaded"]
    )
    assert rows["allocations are recorded"].startswith("yes, 200 of 200")


def test_doctor_leaves_nobody_behind():
    before = set(os.listdir("/proc"))
    with subprocess.Popen(
        [harness.TOOL, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as doctor:
        said, _ = doctor.communicate(timeout=harness.DEADLINE_S)
    assert "tried on" in said
    for name in set(os.listdir("/proc")) - before:
        with_script = b"kept.append(bytearray(54321))"
        try:
            with open("/proc/%s/cmdline" % name, "rb") as f:
                assert with_script not in f.read()
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            pass
