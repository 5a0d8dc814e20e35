# SPDX-License-Identifier: BSD-2-Clause
"""Unusual ways in which C code comes to run: the frames are right, or a gap frame says why they
end."""
import collections
import os
import re
import subprocess

import pytest

from harness import Target, Tool, python_frames

STEPS = {
    "linkage": "step_linkage",
    "prologues": "step_prologues",
    "clock": "step_clock",
    "digests": "step_digest",
    "callbacks": "step_callback",
}
CODE_CHANGED = "[no C frames: code was unloaded just before]"
CODE_UNKNOWN = "[C frames end: return address in no known code]"
NO_TABLE = "[C frames end: code without unwind information]"
SIZE = 7000


@pytest.fixture(scope="module")
def seen(some_python, tmp_path_factory):
    """-> report, target, what the target said by name. One watch serves all the tests below."""
    target = Target(some_python, "native_ways.py")
    said = {}
    try:
        tool = Tool(target.pid, tmp_path_factory.mktemp("ways"))
        try:
            said["stepped"] = target.do("stepped", size=SIZE)
            target.do("anonymous", n=100)
            for name in ("gone", "replaced"):
                target.do("use", name=name, n=50, size=SIZE)
            # loaded after the attach: one allocation has the tool look for the code, at the next
            # report at the latest
            said["one"] = target.do("load", name="late_one")
            target.do("use", name="late_one", n=1, size=SIZE)
            tool.report_now()
            target.do("use", name="late_one", n=60, size=SIZE)
            # another library takes its place
            target.do("unload", name="late_one")
            said["two"] = target.do("load", name="late_two")
            target.do("use", name="late_two", n=1, size=SIZE)
            tool.report_now()
            target.do("use", name="late_two", n=70, size=SIZE)
            report = tool.finish()
        finally:
            tool.close()
        yield report, target, said
        assert target.quit() == 0
    finally:
        target.close()


def leaf_first(stack):
    """[(function, name of its file)], gap frames as (their text, None)"""
    return [
        (
            frame.get("function"),
            frame.get("module")
            or (os.path.basename(frame["file"]) if frame["kind"] == "python" else None),
        )
        for frame in reversed(stack["frames"])
    ]


def from_line(seen, marker):
    report, target = seen[:2]
    return list(report.stacks(file=target.program, line=target.line(marker), domain="malloc"))


def gaps(frames):
    return [function for function, module in frames if module is None]


def named(seen, name):
    """-> allocations whose innermost frame is that function, and its file; its stacks must be
    complete"""
    count, files = 0, set()
    for stack in from_line(seen, "use"):
        frames = leaf_first(stack)
        if frames[0][0] == name:
            assert gaps(frames) == [] and frames[-1][0] == "_start"
            assert any(module.startswith(("libffi", "_ctypes")) for _, module in frames)
            count += stack["outstanding_count"]
            files.add(frames[0][1])
    return count, files


def test_report_fits_the_schema_and_loses_nothing(seen, validate):
    report = seen[0]
    # a few of the thousands of similar ones will do
    validate(dict(report.data, stacks=report.data["stacks"][:100]))
    assert report.losses == {} and report.totals["missed_frees"] == 0


def test_deleted_and_replaced_files_are_named(seen):
    """They are read through the mapping, so it is the file that was loaded."""
    count, files = named(seen, "gone")
    assert count == 50 and files == {"deleted.so"}
    count, files = named(seen, "replaced")
    assert count == 50 and files == {"file.so"}


def test_libraries_loaded_after_the_attach_are_named(seen):
    """All are named but the first, which is a gap frame or ends in one."""
    one, files = named(seen, "late_one")
    assert one in (60, 61) and files == {"late_one.so"}
    two, files = named(seen, "late_two")
    assert two in (70, 71) and files == {"late_two.so"}
    ended = [leaf_first(stack) for stack in from_line(seen, "use") if gaps(leaf_first(stack))]
    assert len(ended) <= 2
    # the second was where the first had been
    assert seen[2]["one"] == seen[2]["two"]


def test_code_without_a_file_ends_in_a_gap(seen):
    found = from_line(seen, "anonymous")
    # ctypes itself allocates there, too
    found = [
        stack for stack in found if stack["outstanding_bytes"] == SIZE * stack["outstanding_count"]
    ]
    assert sum(stack["outstanding_count"] for stack in found) == 200
    for stack in found:
        frames = leaf_first(stack)
        assert [module for _, module in frames[:2]] == ["generated code", None]
        assert gaps(frames) == [NO_TABLE]
        assert frames[2] == (
            seen[1].interpreter.qualified("anonymous", "anonymous"),
            "native_ways.py",
        )
    assert {gap["reason"]: gap["count"] for gap in seen[0].data["native_gaps"]}[NO_TABLE] >= 200


def test_callers_are_found_at_each_interrupted_instruction(seen):
    """Whatever the handler interrupted, its caller is there, or else a gap frame."""
    said = seen[2]["stepped"]
    outer, inner = set(), {}
    for marker, steps in said.items():
        found, ended = collections.Counter(), collections.Counter()
        for stack in from_line(seen, marker):
            frames, n = leaf_first(stack), stack["outstanding_count"]
            if frames[0][0] != "on_trap":
                continue
            # after the handler and its return path comes what was interrupted
            function, module = frames[2]
            found[module] += n
            python = [i for i, frame in enumerate(frames) if frame[0] == marker][-1]
            if gaps(frames):
                assert len(gaps(frames)) == 1 and frames[python - 1] == (gaps(frames)[0], None)
                ended[module] += n
                continue
            begin = [
                i
                for i, frame in enumerate(frames[:python])
                if frame == (STEPS[marker], "stepped.so")
            ][-1]
            # through which of its functions the interpreter calls changes as it specialises the
            # code
            ways = tuple(
                frame
                for frame in frames[begin + 1 : python]
                if frame[1].startswith(("libffi", "_ctypes"))
            )
            outer.add((ways, tuple(frames[python + 1 :])))
        assert sum(found.values()) == steps, marker
        inner[marker] = found, ended
    # what called the functions that step is always the same
    assert len(outer) == 1
    ways, below = outer.pop()
    assert len(ways) >= 4 and below[-1][0] == "_start"
    assert inner["clock"][0]["[vdso]"] > 10
    assert inner["digests"][0]["libcrypto.so.3"] > 5000
    for marker in ("linkage", "prologues", "clock"):
        assert not inner[marker][1], "all of it has unwind information that can be followed"
    # assembly in which the frame hangs on a register that is followed nowhere else
    assert sum(inner["digests"][1].values()) <= 0.01 * said["digests"]
    # the trampoline of a callback: code that libffi has made, or copies of a page of its own
    assert all(
        module.startswith(("generated code", "memfd:libffi", "libffi.so"))
        for module in inner["callbacks"][1]
    )
    assert sum(inner["callbacks"][1].values()) <= said["callbacks"] / 2


def test_stubs_of_the_linkage_table_are_among_the_interrupted(seen, tmp_path):
    """Some of the interrupted code lies there: the file itself says where the table is."""
    interpreter = seen[1].interpreter
    out = subprocess.run(
        ["readelf", "-SW", interpreter.root + interpreter.folder + "/stepped.so"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    address, size = (
        int(word, 16) for word in re.search(r" \.plt +PROGBITS +(\w+) \w+ (\w+)", out).groups()
    )
    stubs = collections.Counter()
    for stack in from_line(seen, "linkage"):
        frame = stack["frames"][-3]
        if frame.get("module") == "stepped.so" and address <= frame["address"] < address + size:
            stubs[frame["address"]] += stack["outstanding_count"]
            assert gaps(leaf_first(stack)) == []
    # once through all of it, once through its jump alone; and that of step_end()
    assert len(stubs) >= 5 and sum(stubs.values()) >= 6


def kept(report):
    """{Python frames: allocations} of the function keep() of native.c, and its stacks"""
    stacks = [
        s for s in report.stacks(domain="malloc") if leaf_first(s)[0] == ("keep", "native.so")
    ]
    counts = collections.Counter()
    for stack in stacks:
        counts[tuple(python_frames(stack))] += stack["outstanding_count"]
    return counts, stacks


def test_generators_and_coroutines_lie_where_they_run(native_python, start, attach):
    """Their frames are found wherever they were started: each lies where it was resumed, below what
    it calls."""
    target = start(native_python, "native_ways.py")
    tool = attach(target)
    made = target.do("generators", size=SIZE) + target.do("coroutines", size=SIZE)
    report = tool.finish()
    counts, stacks = kept(report)
    assert counts == collections.Counter(tuple(tuple(frame) for frame in stack) for stack in made)
    assert sum(counts.values()) == 2 + 5
    for stack in stacks:
        frames = leaf_first(stack)
        python = [
            i for i, frame in enumerate(frames) if stack["frames"][-1 - i]["kind"] == "python"
        ]
        assert gaps(frames) == [] and frames[-1][0] == "_start"
        # between keep() and the line that calls it lie ctypes and libffi, and nothing of them is
        # elsewhere
        foreign = [
            i
            for i, frame in enumerate(frames)
            if frame[1].startswith(("libffi", "_ctypes.", "native.so"))
        ]
        assert foreign and max(foreign) < python[0]
        # map(), which goes on with a generator by calling a function of Python, lies below that
        # function
        lambdas = [i for i in python if frames[i][0].endswith("<lambda>")]
        assert not lambdas or python[python.index(lambdas[0]) + 1] > lambdas[0] + 1
    assert any(frame[0].endswith("<lambda>") for stack in counts for frame in stack)


def test_lines_are_the_same_without_c_frames(one_python, start, attach):
    """--native no: the same lines of Python, and nothing else."""
    target = start(one_python, "native_ways.py")
    tool = attach(target, "--native", "no")
    made = target.do("generators", size=SIZE) + target.do("coroutines", size=SIZE)
    report = tool.finish()
    found = collections.Counter()
    for stack in report.data["stacks"]:
        assert {frame["kind"] for frame in stack["frames"]} == {"python"}
        found[tuple(python_frames(stack))] += stack["outstanding_bytes"]
    assert all(found[tuple(tuple(frame) for frame in stack)] >= SIZE for stack in made)
    assert "native_gaps" not in report.data


def test_another_library_in_the_same_place_is_not_mistaken(one_python, start, attach):
    """Until it is known, there are no C frames, and never those of the library that was there
    before. The mappings may have been read when one was gone and the other not there yet: then
    nothing is known to be at that place."""
    target = start(one_python, "native_ways.py")
    target.do("load", name="late_one")
    tool = attach(target, "--domain", "malloc")
    target.do("use", name="late_one", n=5, size=SIZE)
    assert target.do(
        "swap", old="late_one", new="late_two", n=50, size=SIZE + 1
    ), "not in the same place"
    tool.report_now()
    target.do("use", name="late_two", n=60, size=SIZE + 1)
    report = tool.finish()
    counts = collections.Counter()
    for stack in report.stacks(file=target.program, line=target.line("use")):
        if stack["outstanding_bytes"] == (SIZE + 1) * stack["outstanding_count"]:
            counts[leaf_first(stack)[0]] += stack["outstanding_count"]
    assert set(counts) <= {("late_two", "late_two.so"), (CODE_CHANGED, None), (CODE_UNKNOWN, None)}
    assert sum(counts.values()) == 110 and counts["late_two", "late_two.so"] >= 60
    told = {gap["reason"]: gap["count"] for gap in report.data.get("native_gaps", [])}
    assert told.get(CODE_CHANGED, 0) >= counts[CODE_CHANGED, None]
