# SPDX-License-Identifier: BSD-2-Clause
"""CPython without a GIL: threads really allocate, free and end at the same time, and the numbers
are still exact."""
import pytest

from harness import Target, Tool, python_frames

THREADS, N, KEPT = 4, 2000, 300
SHARED_SIZE, SHORT_SIZE, DYING_SIZE, WANDERER_SIZE = 3000, 3100, 3200, 3300
SHORT, DYING, WANDERERS = 40, 60, 5


@pytest.fixture(scope="module")
def parallel(free_threaded, tmp_path_factory):
    """-> report, {function that died: its line}, target"""
    target = Target(free_threaded, "parallel.py")
    try:
        # by C frames the first of many calls differs (its bytecode is not specialized yet): a stack
        # of its own, which is in no report once its block is freed
        tool = Tool(target.pid, tmp_path_factory.mktemp("parallel"), "--native", "no")
        try:
            target.do("own", n_threads=THREADS, n=N, n_keep=KEPT)
            target.do("shared", n_threads=THREADS, n=N, n_keep=KEPT, size=SHARED_SIZE)
            target.do("handed_over", n_threads=THREADS, n=N, n_keep=KEPT)
            target.do("short", n=SHORT, size=SHORT_SIZE)
            target.do("wandering", n_threads=THREADS, n=WANDERERS, size=WANDERER_SIZE)
            target.do("cycles", n_threads=THREADS, n=N)
            died = target.do("dying", n_threads=THREADS, n=DYING, size=DYING_SIZE)
            report = tool.finish()
        finally:
            tool.close()
        yield report, died, target
        assert target.quit() == 0
    finally:
        target.close()


def at(parallel, marker, function):
    report, _, target = parallel
    return report.at(
        function=function, file=target.program, line=target.line(marker), domain="object"
    )


def test_each_thread_keeps_its_own(parallel):
    found = at(parallel, "own", "make_own")
    assert (found["allocated_count"], found["outstanding_count"]) == (THREADS * N, THREADS * KEPT)


def test_one_drops_what_another_made(parallel):
    found = at(parallel, "shared", "make_shared")
    assert (found["allocated_count"], found["outstanding_count"]) == (THREADS * N, KEPT)
    assert found["outstanding_bytes"] == KEPT * SHARED_SIZE


def test_one_frees_what_another_made(parallel):
    found = at(parallel, "handed_over", "make_handed_over")
    pairs = THREADS // 2
    assert (found["allocated_count"], found["outstanding_count"]) == (pairs * N, pairs * KEPT)


def test_threads_that_come_and_go_are_counted(parallel):
    found = at(parallel, "short", "make_short")
    assert found["allocated_count"] == found["outstanding_count"] == 2 * SHORT
    assert found["outstanding_bytes"] == 2 * SHORT * SHORT_SIZE


def test_generator_resumed_by_every_thread_is_counted(parallel):
    found = at(parallel, "wanderer", "wanderer")
    assert found["allocated_count"] == found["outstanding_count"] == WANDERERS * (THREADS + 1)
    assert found["outstanding_bytes"] == WANDERERS * (THREADS + 1) * WANDERER_SIZE


def test_cycles_that_another_thread_collects_are_freed(parallel):
    found = at(parallel, "cycles", "make_cycles")
    assert (found["allocated_count"], found["outstanding_count"]) == (2 * THREADS * N, 2 * THREADS)


def test_code_that_died_while_others_ran_has_no_wrong_name(parallel):
    """A name is right or missing, but never another function's; nor is a line. On its first line a
    function's bytecode is copied for the thread (3.14t)."""
    report, died, _ = parallel
    named = [python_frames(stack)[-1] for stack in report.data["stacks"] if python_frames(stack)]
    named = [(function, line) for function, _, line in named if function in died]
    assert set(named) <= set(died.items()) | {(function, 1) for function in died}
    assert len(named) == len(set(named))
    assert (
        len([line for _, line in named if line > 1]) >= DYING / 2
    ), "most are read while they are there"
    total = sum(
        stack["outstanding_bytes"]
        for stack in report.data["stacks"]
        if any(frame[0] == "make_functions" for frame in python_frames(stack))
    )
    assert total >= THREADS * DYING * DYING_SIZE, "blocks are counted, named or not"


def test_no_free_was_missed_and_nothing_lost(parallel):
    report = parallel[0]
    losses = dict(report.losses)
    losses.pop("names_replaced", None)  # code that died
    assert report.totals["missed_frees"] == 0
    assert losses == {}


def test_report_says_free_threaded_and_not_steered(parallel, free_threaded):
    report, _, target = parallel
    assert report.data["target"]["python"].endswith("t")
    assert (
        report.data["mode"]["steered"] is False
    ), "a build without a profile has no inlined copies"
    names = {
        stack["types"][0]["name"]
        for stack in report.stacks(function="make_own", line=target.line("own"))
    }
    assert names == {"__main__.Small"}
