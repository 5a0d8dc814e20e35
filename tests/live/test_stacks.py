# SPDX-License-Identifier: BSD-2-Clause
"""The stacks in the report are those that CPython itself sees at the allocating line."""
import pytest

from harness import Target, Tool, python_frames

BLOCK = 7000


@pytest.fixture(scope="module")
def seen(python, tmp_path_factory):
    """-> report, {place: stack as the target saw it}, [stacks of odd names], stack of the
    recursion, stacks of code that died"""
    target = Target(python, "stacks.py")
    try:
        tool = Tool(target.pid, tmp_path_factory.mktemp("stacks"))
        try:
            places = target.do("all_places")
            places["finally"] = target.do("finally")
            for number, answer in enumerate(target.do("places_in_threads", n=2)):
                places.update(
                    ("%s in thread %d" % (name, number), stack) for name, stack in answer.items()
                )
            odd = target.do("odd_names")
            deep = target.do("deep", depth=200)
            first = target.do("code_that_dies", n=40, generation=1)
            tool.report_now()  # the names are read now, at the latest
            second = target.do("code_that_dies", n=40, generation=2)
            report = tool.finish()
        finally:
            tool.close()
        yield report, places, odd, deep, first + second
        assert target.quit() == 0
    finally:
        target.close()


def blocks_by_frames(report):
    """{frames: outstanding bytes}"""
    sums = {}
    for stack in report.data["stacks"]:
        frames = tuple(python_frames(stack))
        sums[frames] = sums.get(frames, 0) + stack["outstanding_bytes"]
    return sums


def as_frames(stack):
    return tuple(tuple(frame) for frame in stack)


def test_every_place_has_the_stack_that_python_sees(seen):
    report, places = seen[:2]
    found = blocks_by_frames(report)
    wrong = {}
    for place, stack in places.items():
        if found.get(as_frames(stack), 0) < BLOCK:
            leaf = stack[-1]
            wrong[place] = (stack, [f for f in found if f and f[-1][0] == leaf[0]])
    assert not wrong
    assert len(places) >= 3 * 24 + 1


def test_names_and_files_in_any_script_are_kept(seen):
    """Also with characters that mean something in a report: JSON holds them as they are, cut at
    4095 bytes at most."""
    report, _, odd = seen[:3]
    found = blocks_by_frames(report)
    missing = [stack for stack in odd if found.get(as_frames(stack), 0) < BLOCK]
    assert len(odd) == 20 and not missing


def test_deep_recursion_is_cut_and_says_so(seen):
    report, _, _, deep = seen[:4]
    assert len(deep) > 200
    cut = [
        stack
        for stack in report.data["stacks"]
        if stack["outstanding_bytes"] >= BLOCK and python_frames(stack)[-1:] == [tuple(deep[-1])]
    ]
    assert len(cut) == 1
    frames = python_frames(cut[0])
    assert len(frames) >= 128
    assert frames == [tuple(frame) for frame in deep[-len(frames) :]]
    kinds = [frame["kind"] for frame in cut[0]["frames"]]
    assert (
        kinds[kinds.index("python") - 1] == "gap"
    ), "the root end is missing, and the stack says so"
    assert report.losses.get("stacks_cut", 0) >= 1


def test_code_that_died_before_the_report_has_no_wrong_name(seen):
    """Each function was freed right after its call, and the next one reused its memory. A name is
    right or missing, but never another function's."""
    report, made = seen[0], seen[4]
    truth = {tuple(stack[-1]) for stack in made}
    named = [
        python_frames(s)[-1]
        for s in report.data["stacks"]
        if python_frames(s) and python_frames(s)[-1][0].startswith("made_")
    ]
    assert set(named) <= truth, "a line or a name that never was"
    assert len(named) == len(set(named))
    total = sum(
        s["outstanding_bytes"]
        for s in report.data["stacks"]
        if any(f == ("code_that_dies",) + f[1:] for f in python_frames(s))
    )
    assert total >= BLOCK * len(made), "blocks are counted, named or not"


def test_no_reads_failed(seen):
    losses = dict(seen[0].losses)
    losses.pop("stacks_cut", None)
    losses.pop("names_replaced", None)  # code_that_dies
    assert losses == {}
    assert seen[0].totals["missed_frees"] == 0
