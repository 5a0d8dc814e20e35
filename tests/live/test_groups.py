# SPDX-License-Identifier: BSD-2-Clause
"""By package, by line, by process: stacks with something in common, added up exactly."""
import re
import signal

import pytest

from harness import PROGRAMS, Target, Tool, tool

# nothing else has blocks of this size, so that everything seen is known
SIZE = 5000
# workload -> (blocks made, kept)
LEAKS = {
    "one": (900, 300),
    "two": (120, 40),
    "two_in_c": (60, 20),
    "stdlib": (30, 15),
    "own": (21, 7),
    "own_by_two": (12, 4),
}
IN_LIBRARY = (50, 25)
ALL = sum(keep for _, keep in LEAKS.values()) + IN_LIBRARY[1]


def leak(target):
    for what, (n, n_keep) in LEAKS.items():
        target.do("leak", what=what, n=n, n_keep=n_keep, size=SIZE)
    n, n_keep = IN_LIBRARY
    target.do("leak_in_foreign_thread", n=n, n_keep=n_keep, size=SIZE)


def kept(*names):
    return sum(LEAKS[name][1] for name in names)


def groups(data, key):
    """What distinguishes the groups -> allocations; they must add up."""
    found = {}
    for i, group in enumerate(data["groups"]):
        stacks = [stack for stack in data["stacks"] if stack["group"] == i]
        for figure in ("outstanding_bytes", "outstanding_count", "allocated_count", "freed_count"):
            assert sum(stack[figure] for stack in stacks) == group[figure]
        assert group["outstanding_bytes"] == SIZE * group["outstanding_count"]
        assert group["share"] == pytest.approx(
            group["outstanding_count"] / data["totals"]["outstanding_count"]
        )
        found[key(group)] = group["outstanding_count"]
    assert len(found) == len(data["groups"])
    return found


@pytest.fixture(scope="module")
def watched(one_python, tmp_path_factory, validate):
    """-> for each of two groupings: JSON, text, target, folder. Two targets run at the same time,
    which halves the wait for their ends."""
    folders = [tmp_path_factory.mktemp(name) for name in ("modules", "lines")]
    options = [
        ["--group-by", "module", "-o", "out.folded"],
        ["--group-by", "line", "--module", "leaky_two"],
    ]
    targets, tools = [], []
    try:
        for folder, more in zip(folders, options):
            targets.append(Target(one_python, "wheels.py"))
            tools.append(Tool(targets[-1].pid, folder, "-z", str(SIZE), "-Z", str(SIZE), *more))
        for target in targets:
            leak(target)
        for tool_ in tools:
            tool_.process.send_signal(signal.SIGINT)
        assert [tool_.ended() for tool_ in tools] == [0, 0]
        reports = [tool_.report() for tool_ in tools]
        for report in reports:
            validate(report.data)
        yield [
            (report.data, report.text, target, folder)
            for report, target, folder in zip(reports, targets, folders)
        ]
    finally:
        for running in tools + targets:
            running.close()


def test_modules_add_up(watched):
    data, text, target, folder = watched[0]
    expected = {
        ("package", "leaky_one"): kept("one"),
        # through ctypes, whose own frames and libc's do not count
        ("package", "leaky_two"): kept("two", "two_in_c"),
        ("stdlib", "shlex"): kept("stdlib"),
        ("application", target.folder): kept("own", "own_by_two"),
        ("library", "blocks.so"): IN_LIBRARY[1],
    }
    assert data["group_by"] == "module"
    assert (
        groups(data, lambda group: (group["module"]["kind"], group["module"]["name"])) == expected
    )
    two = next(group for group in data["groups"] if group["module"]["name"] == "leaky_two")
    assert two["domains"] == ["malloc", "object"] and two["stacks"] == 2
    assert data["totals"]["outstanding_count"] == ALL
    # one command shows it
    assert re.search(
        r"^\[[\d:]+\] Top 5 modules with outstanding allocations:\n"
        r"\t%d bytes in %d allocations from module leaky_one \(1 stack, %d %%\)"
        % (SIZE * 300, 300, round(100 * 300 / ALL)),
        text,
        re.M,
    )
    folded = (folder / "out.folded").read_text().splitlines()
    of_two = sum(
        int(line.rsplit(" ", 1)[1]) for line in folded if line.startswith("module leaky_two;")
    )
    assert of_two == SIZE * two["outstanding_count"]


def test_lines_of_a_module_add_up(watched):
    """By line, and only stacks with a frame of one package."""
    data, text, target, _ = watched[1]
    place = target.folder + "/site-packages/leaky_two.py"
    with open(PROGRAMS + "/site-packages/leaky_two.py", encoding="utf-8") as f:
        lines = {
            code.split("# line: ")[1].strip(): n
            for n, code in enumerate(f, 1)
            if "# line: " in code
        }
    expected = {
        (place, lines["remember"]): kept("two"),
        (place, lines["duplicate"]): kept("two_in_c"),
        (target.program, target.line("own")): kept("own_by_two"),
    }
    assert groups(data, lambda group: (group["place"]["file"], group["place"]["line"])) == expected
    left_out = ALL - kept("two", "two_in_c", "own_by_two")
    assert data["selection"]["modules"] == ["leaky_two"]
    assert (data["selection"]["left_out_count"], data["selection"]["left_out_bytes"]) == (
        left_out,
        SIZE * left_out,
    )
    assert data["totals"]["outstanding_count"] == ALL
    assert re.search(
        r"^Left out: .* in %d allocations from \d+ stacks without a frame of leaky_two\.$"
        % left_out,
        text,
        re.M,
    )


def test_processes_add_up_in_one_table(start, attach, one_python, validate):
    """One table covers all of them, even after one has ended."""
    first, second = start(one_python, "wheels.py"), start(one_python, "wheels.py")
    tool = attach(
        first, "-p", str(second.pid), "--group-by", "pid", "-z", str(SIZE), "-Z", str(SIZE)
    )
    assert tool.err.wait(r"^pyleaktrace: tracing pid %d\b" % second.pid)
    first.do("leak", what="one", n=80, n_keep=40, size=SIZE)
    second.do("leak", what="own", n=80, n_keep=70, size=SIZE)
    text = tool.report_now()
    for target, n in (second, 70), (first, 40):
        assert re.search(
            r"^\t%d bytes in %d allocations from pid %d \(.*wheels\.py\) \(1 stack, \d+ %%\)"
            % (SIZE * n, n, target.pid),
            text,
            re.M,
        ), text
    assert text.count("] Top 5 pids with outstanding allocations:") == 1
    second.process.kill()
    second.process.wait()
    first.do("leak", what="one", n=80, n_keep=40, size=SIZE)
    data = tool.finish().data
    validate(data)
    assert groups(data, lambda group: group["pid"]) == {first.pid: 80, second.pid: 70}
    ends = {target["pid"]: target.get("end") for target in data["targets"]}
    assert ends == {first.pid: None, second.pid: {"how": "killed", "signal": 9}}


def test_each_process_keeps_below_its_own_ceiling(start, attach, one_python, validate):
    """Each process has its own ceiling and its own means of staying below it; the report says how
    each was traced. All are attached at once."""
    targets = [start(one_python, "wheels.py") for _ in range(4)]
    others = [word for target in targets[1:] for word in ("-p", str(target.pid))]
    tool = attach(targets[0], *others, "-v", "--group-by", "pid", exact=False)
    for target in targets[1:]:
        assert tool.err.wait(r"^pyleaktrace: tracing pid %d\b" % target.pid)
    report = tool.finish()
    validate(report.data)
    parts = report.data["mode"]["parts"]
    for target in targets:
        assert "malloc" in sum((part["domains"] for part in parts if part["pid"] == target.pid), [])
        assert re.search(r"^Traced: pid %d: malloc" % target.pid, report.text, re.M), report.text


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--group-by", "colour"], "line"),
        (["--group-by", ""], "line"),
        (["--module", ""], "name"),
        (["--module", "a,,b"], "name"),
        (["-p", "2", "--group-by", "pid", "-o", "a.%p.json"], "%p"),
        (["--module", ",".join("x" * 65)], "64"),
    ],
)
def test_wrong_grouping_is_refused(arguments, words):
    result = tool("-p", "1", *arguments)
    assert result.returncode == 64 and words in result.stderr, result.stderr
    assert result.stdout == ""
