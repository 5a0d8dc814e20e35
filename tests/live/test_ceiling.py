# SPDX-License-Identifier: BSD-2-Clause
"""A trace below a ceiling (--max-overhead, which is the default): tracing in windows leaves the
target as it was, and still names the leak.

The target works while the tool looks, one batch per command; a test gives it more work until the
report has what the test waits for. Nothing here depends on how fast either is.
"""
import ctypes
import errno
import os
import re
import signal
import struct

import pytest

import harness

BATCH = 2000  # steps done at a time
WINDOWS = 1000  # of Debian's own Python, and a few of the others
FEW_WINDOWS = 40
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
LOST = 700  # bytes, as in programs/busy.py

# whether anything grows or not
ALWAYS = ("-X", "trace=always")


def work_until(target, command, tool, found, n=BATCH):
    """Make the target work until a report has what is looked for; returns that."""
    for _ in range(2000):
        target.do(command, n=n)
        result = found(tool.report_now())
        if result:
            return result
    raise AssertionError("not found; the last report:\n" + tool.report_now())


def count_hits(pid, path, offset):
    """A file descriptor from which the kernel says how often a process reached a place in a file: a
    counter, without a program."""
    with open("/sys/bus/event_source/devices/uprobe/type", encoding="ascii") as f:
        kind = int(f.read())
    name = ctypes.create_string_buffer(os.fsencode(path))
    attributes = bytearray(128)
    struct.pack_into("=II", attributes, 0, kind, len(attributes))
    struct.pack_into("=QQ", attributes, 56, ctypes.addressof(name), offset)
    perf_event_open = 298  # on x86-64
    fd = ctypes.CDLL(None, use_errno=True).syscall(
        perf_event_open, (ctypes.c_char * len(attributes)).from_buffer(attributes), pid, -1, -1, 0
    )
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


def object_places(said, pid):
    """From doctor's output: function -> file and offset of its probe."""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as f:
        maps = [line.split() for line in f]
    places = {}
    for name, address in re.findall(r"^  probe obj\.(\w+) +object +0x(\w+)", said, re.M):
        for span, _, offset, _, _, *path in maps:
            start, end = (int(part, 16) for part in span.split("-"))
            if start <= int(address, 16) < end:
                file = path[0] if os.path.exists(path[0]) else "/proc/%d/root%s" % (pid, path[0])
                places[name] = file, int(address, 16) - start + int(offset, 16)
    return places


@pytest.mark.pythons(lambda python: python.has_gil)  # the others are not steered
def test_unsteered_target_rarely_reaches_the_probes(python, start):
    """Where windows only steer, a target that is not steered rarely reaches the places of the
    probes, if at all: a jmp that serves as an alias belongs to some function, which may run."""
    target = start(python, "busy.py")
    said = harness.tool("doctor", "-p", str(target.pid))
    assert said.returncode == 0, said.stderr
    if "by steering alone" not in said.stdout:
        assert "probes are attached for each" in said.stdout
        pytest.skip("the probes of this interpreter do not stay")
    places = object_places(said.stdout, target.pid)
    assert set(places) == {"malloc", "calloc", "realloc", "free"}
    fds = [count_hits(target.pid, *place) for place in places.values()]
    target.do("work", n=BATCH)
    hits = [struct.unpack("=Q", os.read(fd, 8))[0] for fd in fds]
    for fd in fds:
        os.close(fd)
    # twenty nodes a step, each with a dict or its values, a name and a tuple: a hundred objects and
    # more
    assert sum(hits) <= BATCH * 100 * 0.02, dict(zip(places, hits))


def growing(report, path):
    """The lines about a container in the section `Growing containers` of a report."""
    part = re.search(r"^Growing containers.*\n((?:.*\n)*?)^\[", report, re.M)
    found = part and re.search(r"^%s .*\n((?:[ \t]+.*\n)*)" % re.escape(path), part[1], re.M)
    return found and found[0]


def test_windows_leave_nothing_behind(python, start, attach, validate):
    """After a thousand windows the allocator table is as it was, and the program has computed the
    same as an unwatched one."""
    watched, alone = start(python, "busy.py"), start(python, "busy.py")
    table = watched.do("allocators")
    windows = WINDOWS if python.name.startswith("system-") else FEW_WINDOWS
    tool = attach(
        watched, "--native", "no", exact=False, environment={"PYLEAKTRACE_WINDOWS": str(windows)}
    )
    while not re.search(r"^pyleaktrace: (\d+) windows done", tool.err.text, re.M):
        seen = watched.do("collect", n=BATCH)
        assert seen == alone.do("collect", n=BATCH)
    assert int(re.search(r"^pyleaktrace: (\d+) windows done", tool.err.text, re.M)[1]) == windows
    report = tool.finish()
    validate(report.data)
    assert watched.do("allocators") == table
    assert watched.do("work", n=BATCH) == alone.do("work", n=BATCH)
    assert watched.process.poll() is None
    assert report.totals["missed_frees"] == 0
    part = report.data["mode"]["parts"][-1]
    assert part["windows"] >= windows and part["longest_s"] <= 1
    if windows == WINDOWS:
        assert part["survivors"] > 0
        assert any(stack["estimated"] for stack in report.stacks(line=watched.line("made")))


def ptrace(request, pid):
    """A debugger's call, from this thread; false if it is denied because another process traces the
    target."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    failed = libc.ptrace(request, pid, None, None)
    assert not failed or ctypes.get_errno() == errno.EPERM, os.strerror(ctypes.get_errno())
    return not failed


def stopped_by(pid):
    """A debugger must stop a process before it can let go of it."""
    assert ptrace(PTRACE_INTERRUPT, pid)
    assert os.waitpid(pid, 0)[0] == pid


def test_debugger_only_postpones_windows(one_python, start, attach):
    """Another tracer of the target keeps it from being steered, or from being restored, at any
    moment: windows come when they can, and in the end everything is as it was."""
    watched, alone = start(one_python, "busy.py"), start(one_python, "busy.py")
    table = watched.do("allocators")
    tool = attach(watched, "--native", "no", exact=False, environment={"PYLEAKTRACE_WINDOWS": "60"})
    done = r"^pyleaktrace: 60 windows done"
    while not re.search(done, tool.err.text, re.M):
        harness.until(lambda: ptrace(PTRACE_SEIZE, watched.pid), "the tool to have steered")
        assert watched.do("collect", n=100) == alone.do("collect", n=100)
        stopped_by(watched.pid)
        assert ptrace(PTRACE_DETACH, watched.pid)
        assert watched.do("collect", n=300) == alone.do("collect", n=300)
    report = tool.finish()
    assert watched.do("allocators") == table
    assert report.totals["missed_frees"] == 0
    assert watched.do("work", n=BATCH) == alone.do("work", n=BATCH)


def test_growing_container_is_named_with_its_line(some_python, start, attach, validate):
    """Path, type and the line of what is put into it, ahead of any stack; nothing else is said to
    grow like that."""
    target = start(some_python, "busy.py")
    tool = attach(target, "-v", exact=False)
    text = work_until(target, "collect", tool, lambda report: growing(report, "app.cache.SESSIONS"))
    report = tool.finish()
    validate(report.data)
    assert re.match(r"app\.cache\.SESSIONS dict, \d+ items: \+\d+ inserted, -0 removed in ", text)
    (by,) = re.findall(r"inserted by:\n(?:\t\t.*\n)*?\t\t(\S+) \(.*busy\.py:(\d+)\)", text)
    assert by == ("collect", str(target.line("inserted")))
    (row,) = report.data["growing"]
    container = row["container"]
    assert (container["path"], container["type"], container["removed"]) == (
        "app.cache.SESSIONS",
        "dict",
        0,
    )
    assert container["inserted"] == container["insertions"] > 0
    assert row["items_per_s"] > 0 and row["watched_s"] > 0
    lines = {harness.python_frames(stack)[-1][2] for stack in container["stacks"]}
    assert lines == {target.line("inserted")}
    assert not report.data["mode"]["exact"] and report.data["cost"]["ceiling"] == 0.05


def test_growing_container_of_a_slowed_target_is_named_too(one_python, start, attach, validate):
    """A target that nearly stands still while it is watched is watched only for moments, which name
    the line all the same; the report says that its rate is not the program's."""
    target = start(one_python, "busy.py")
    slowed = harness.is_slowed(target, "app.cache.SESSIONS")
    tool = attach(target, "-v", exact=False)
    said = "While it was watched the target lost"

    def found(report):
        text = growing(report, "app.cache.SESSIONS")
        return text if text and (said in text) == slowed and "inserted by" in text else None

    text = work_until(target, "collect_slowly", tool, found, n=100)
    report = tool.finish()
    validate(report.data)
    assert re.search(
        r"inserted by:\n(?:\t\t.*\n)*?\t\tcollect_slowly \(.*busy\.py:%d\)"
        % target.line("inserted slowly"),
        text,
    )
    (row,) = report.data["growing"]
    assert (row["lost"] >= 0.05) == slowed
    assert row["watched_s"] * row["lost"] < 1  # of 3 s, were it not cut


def leaking(report, line, size):
    """Stacks of this line with blocks of this size, estimated, in a text report."""
    return [
        (int(n), int(count))
        for n, count in re.findall(
            r"^\t(\d+) bytes in (\d+) allocations from stack.*\n\t\t\w+ \(.*busy\.py:%d\)" % line,
            report,
            re.M,
        )
        if int(n) and round(int(n) / int(count)) == size
    ]


def test_lost_memory_of_c_is_found_at_its_line(some_python, start, attach, validate):
    """What C code lost is found by the windows of malloc at its line of Python, and is called an
    estimate where it is one."""
    target = start(some_python, "busy.py")
    tool = attach(target, "-v", "--native", "no", exact=False)
    line = target.line("lost")
    work_until(target, "lose", tool, lambda report: leaking(report, line, LOST))
    report = tool.finish()
    validate(report.data)
    rows = [
        stack
        for stack in report.stacks(line=line, domain="malloc")
        if stack["outstanding_bytes"] % LOST == 0 or stack["estimated"]
    ]
    assert rows
    (native,) = [part for part in report.data["mode"]["parts"] if "malloc" in part["domains"]]
    for row in rows:
        assert row["estimated"] == (native["how"] == "windows")
        if row["estimated"]:
            assert row["seen"] > 0 and row["bytes_error"] > 0 and "allocated_count" not in row


def test_objects_without_a_holder_are_found_at_their_line(one_python, start, attach):
    """Cycles that are never collected: no container grows; the windows of objects name the line."""
    target = start(one_python, "busy.py")
    tool = attach(target, *ALWAYS, "--max-overhead", "20", "-v", "--native", "no", exact=False)
    line = target.line("cycle")

    def found(report):
        return re.search(
            r"^\t\d+ bytes in \d+ allocations from stack.*__main__\.Session.*estimated.*\n"
            r"\t\tcycle \(.*busy\.py:%d\)" % line,
            report,
            re.M,
        )

    work_until(target, "cycle", tool, found)
    assert not growing(tool.report_now(), "app.cache.SESSIONS")


def test_reaching_the_ceiling_can_end_the_trace(one_python, start, attach, validate):
    """-X on-limit=stop: the trace ends with its report and with exit code 3."""
    target = start(one_python, "busy.py")
    tool = attach(target, *ALWAYS, "-X", "on-limit=stop", exact=False)
    for _ in range(2000):
        target.do("work", n=BATCH)
        if tool.process.poll() is not None:
            break
    assert tool.ended() == 3
    assert "would cost more than 5 % of its own work: stopped" in tool.err.text
    validate(tool.report().data)
    assert target.do("work", n=1)["n"] == 1


def test_cheap_parts_are_exact(one_python, start, attach):
    """A program that rarely allocates is traced all the time, and its figures are counted."""
    target = start(one_python, "busy.py")
    tool = attach(target, *ALWAYS, "-v", "--max-overhead", "100", "--native", "no", exact=False)
    every = r"^Traced: malloc, mmap: every call.*\nTraced: object: every call"
    report = work_until(
        target, "think", tool, lambda text: text if re.search(every, text, re.M) else None, n=100
    )
    assert "estimated" not in report


SLOWER = (
    r"^cost: .*; system calls (\d+) ns slower: (?!0 )\S+ % of a core, "
    r"of other processes \S+ %; tool "
)


def test_mappings_are_not_always_traced_where_system_calls_abound(
    one_python, start, attach, validate
):
    """Each system call takes longer while mappings are traced. For a program that does little else,
    they are not traced all the time even if it maps nothing, unless other tracers have already
    slowed its calls down. Where they are traced all the time (--exact), the report says so."""
    target = start(one_python, "busy.py")
    tool = attach(target, *ALWAYS, "-v", "--native", "no", exact=False)
    windows = r"^Traced: malloc, mmap: (\d+) windows, .* Tracing all would cost (\S+) % of"

    def decided(text):
        found = re.search(windows, text, re.M)
        slower = re.search(SLOWER, text, re.M)
        if re.search(r"^Traced: malloc, mmap: every call", text, re.M):
            assert not slower or int(slower[1]) < 60, text
            return text
        assert (
            not found or float(found[2].lstrip("<")) > 1 or not slower or int(slower[1]) < 60
        ), text
        return text if found and int(found[1]) >= 5 else None

    if re.search(windows, work_until(target, "ask", tool, decided, n=200), re.M):
        # once no other tracer runs, and the period of a report includes a window
        work_until(target, "ask", tool, lambda text: re.search(SLOWER, text, re.M), n=200)
    tool.finish()
    tool = attach(target, "-v", "--native", "no")
    target.do("ask", n=10)
    text = tool.report_now()
    report = tool.finish()
    validate(report.data)
    slower = report.data["cost"].get("ns_per_system_call", 0)
    assert slower < 6 or "; system calls of every process " in text


def test_options_that_contradict_a_ceiling_are_refused(one_python, start):
    target = start(one_python, "busy.py")
    pid = str(target.pid)
    for options, said in (
        (["--exact", "--max-overhead", "3"], "--exact and --sample have no ceiling"),
        (["--exact", "-X", "on-limit=stop"], "--exact and --sample have no ceiling"),
        (["--max-overhead", "0"], "a percentage from 0.1 to 100"),
        (["--max-overhead", "nan"], "a percentage from 0.1 to 100"),
        (["--max-overhead", "5%x"], "a percentage from 0.1 to 100"),
        (["-X", "on-limit=panic"], "-X on-limit: expected throttle or stop"),
        (["--max-delay", "1us"], "expected at least 1 ms"),
    ):
        result = harness.tool("-p", pid, *options)
        assert (result.returncode, result.stdout) == (64, ""), (options, result.stderr)
        assert said in result.stderr, (options, result.stderr)


def test_malformed_number_of_windows_is_refused(one_python, start):
    target = start(one_python, "busy.py")
    for number in ("", "x", "-1", "5x", "99999999999999999999"):
        result = harness.tool("-p", str(target.pid), environment={"PYLEAKTRACE_WINDOWS": number})
        assert (result.returncode, result.stdout) == (64, ""), (number, result.stderr)
        assert "PYLEAKTRACE_WINDOWS is not a number of windows" in result.stderr


def test_sampled_estimates_are_unbiased_and_within_their_error(one_python, start, attach, validate):
    """--sample, with known blocks and 30 rounds of independent sampling: the mean of the estimates
    is within 2 % of the truth, and the error bars contain it 95 times in 100."""
    target = start(one_python, "busy.py")
    n, rounds = 6000, 30
    truth, line = n * LOST, target.line("lost alone")
    tool = attach(target, "-v", "--sample", "2K", "--native", "no", exact=False)
    pattern = (
        r"^\t(\d+) bytes in \d+ allocations from stack.*  malloc.*  estimated ±([\d.]+) %%.*\n"
        r"\t\tlose_alone \(.*busy\.py:%d\)" % line
    )
    totals, inside = [], 0
    for _ in range(rounds):
        target.do("lose_alone", n=n)
        ((total, error),) = re.findall(pattern, tool.report_now(), re.M)
        totals.append(int(total))
        inside += abs(int(total) - truth) <= float(error) / 100 * int(total)
        if len(totals) < rounds:
            tool.process.send_signal(signal.SIGUSR2)  # and now starting from nothing
            harness.until(
                lambda: not re.search(pattern, tool.report_now(), re.M), "the past to be forgotten"
            )
    # one is off by 2 %, so that their mean is by 0.4 %
    assert abs(sum(totals) / rounds / truth - 1) < 0.02, totals
    # by chance fewer than that once in three thousand times
    assert inside >= rounds * 0.8, (inside, totals)
    report = tool.finish()
    validate(report.data)
    (part,) = report.data["mode"]["parts"]
    assert (part["how"], part["sample_bytes"], report.data["mode"]["exact"]) == (
        "sampled",
        2048,
        False,
    )
    (row,) = report.stacks(line=line, domain="malloc")
    assert (
        row["estimated"]
        and row["bytes_error"] > 0
        and row["seen"] > 1000
        and "allocated_count" not in row
    )
    assert "unknown_frees" not in report.totals and report.totals["estimated"]


def test_full_map_of_blocks_turns_into_a_sample(one_python, start, attach, validate):
    """When there are too many blocks for the map, they are thinned out to a sample that stands for
    all of them: the trace can go on forever."""
    target = start(one_python, "busy.py")
    tool = attach(
        target,
        *ALWAYS,
        "-v",
        "--native",
        "no",
        "--max-overhead",
        "100",
        "--max-delay",
        "20ms",
        "-X",
        "max-blocks=12000",
        exact=False,
    )
    line, lost = target.line("lost"), 0
    work_until(
        target,
        "think",
        tool,
        lambda text: re.search(r"^Traced: malloc, mmap: every call", text, re.M),
        n=100,
    )
    for _ in range(800):  # a quarter of the map is between full enough to be thinned out and full
        target.do("lose", n=50)
        lost += 50
        if re.search(r"^Traced: malloc, mmap: a block of every", tool.report_now(), re.M):
            break
    report = tool.finish()
    validate(report.data)
    (native,) = [part for part in report.data["mode"]["parts"] if "malloc" in part["domains"]]
    assert native["how"] == "sampled" and native["sample_bytes"] >= 1024
    (row,) = [
        stack
        for stack in report.stacks(line=line, domain="malloc")
        if stack["outstanding_bytes"] >= LOST * lost / 2
    ]
    assert row["estimated"] and row["seen"] < 12000 and report.losses == {}
    assert abs(row["outstanding_bytes"] - LOST * lost) <= 2.5 * row["bytes_error"]


def test_lists_that_grow_are_estimated_from_a_sample(one_python, start, attach, validate):
    """Objects by samples: PyObject_Realloc() moves a list's items each time it grows, and most of
    those blocks are not in the sample."""
    target = start(one_python, "busy.py")
    n, truth, line = 3000, 3000 * 40 * 8, target.line("grown")
    tool = attach(
        target,
        *ALWAYS,
        "-v",
        "--native",
        "no",
        "--max-overhead",
        "100",
        "--max-delay",
        "20ms",
        "-X",
        "max-blocks=12000",
        exact=False,
    )
    for _ in range(200):
        target.do("grow_alone", n=500)
        # a sample begins with 16 KiB where the first windows were expensive, and becomes finer
        # then; of 3,000 lists more than 200 are in it
        if re.search(r"^Traced: object: a block of every [124]\.0 KiB", tool.report_now(), re.M):
            break
    tool.process.send_signal(signal.SIGUSR2)
    harness.until(
        lambda: not re.search(r"busy\.py:%d\)" % line, tool.report_now()),
        "the past to be forgotten",
    )
    target.do("grow_alone", n=n)
    report = tool.finish()
    validate(report.data)
    (row,) = report.stacks(line=line, domain="object")
    assert row["estimated"] and row["seen"] > 100
    assert abs(row["outstanding_bytes"] - truth) <= 2.5 * row["bytes_error"]
    assert report.totals["missed_frees"] == 0 and report.losses == {}
