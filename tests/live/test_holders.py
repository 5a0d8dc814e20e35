# SPDX-License-Identifier: BSD-2-Clause
"""Growing containers among very many that come and go: on request every change is counted at its
stack; a watch below a ceiling finds them by itself, names them, fastest first, and says what fills
them.

Nothing depends on time: a target works on command, and gets more commands until the report has what
the test waits for.
"""
import re

import pytest

import harness

STEPS = 50  # that are done at a time
MILLION = 1000000
EACH = 100


class Watch(harness.Command):
    """`pyleaktrace watch` at work."""

    def __init__(self, target, folder, *paths):
        super().__init__(
            folder, ["watch", "-p", str(target.pid), "-d", "36000", "--max-overhead", "100", *paths]
        )
        for path in paths:
            assert self.err.wait(r"^pyleaktrace: watching %s " % re.escape(path)), self.err.text


# the others are refused, as test_heap_watch.py has it
@pytest.mark.pythons(lambda python: python.has_gil)
def test_growing_containers_are_counted_among_a_million(python, start, tmp_path, validate):
    """Exact counts, each by its own thread's stack: two threads existed before, one starts during
    the watch."""
    target = start(python, "holders.py")
    paths = "app.state.BY_NAME", "app.state.LOG"
    watch = Watch(target, tmp_path, *paths)
    try:
        lengths = target.do("among_churning", n=EACH, churned=MILLION)
        report = watch.finish()
    finally:
        watch.close()
    validate(report)
    assert {loss["name"]: loss["count"] for loss in report["losses"]} == {}
    rows = {row["path"]: row for row in report["watch"]["containers"]}
    for path, length, times, ways in zip(
        paths, lengths, (1, 2), (("name_it", "name_all", "by name"), ("log_it", "log_all", "log"))
    ):
        row = rows[path]
        assert (row["inserted"], row["removed"], row["items_after"], row["fate"]) == (
            3 * times * EACH,
            0,
            length,
            "same",
        )
        for stack in row["stacks"]:
            frames = [
                (function, line)
                for function, file, line in reversed(harness.python_frames(stack))
                if file == target.program
            ]
            assert frames[0] == (ways[0], target.line(ways[2])) and [
                function for function, _ in frames[1:]
            ] == [ways[1]]
            assert any(
                function.endswith("_bootstrap") for function, _, _ in harness.python_frames(stack)
            )
            assert not any(frame["kind"] == "gap" for frame in stack["frames"])


def work_until(target, tool, found):
    for turn in range(4000):
        target.do("work" if turn % 2 else "in_thread", n=STEPS)
        text = tool.report_now()
        result = found(text)
        if result:
            return result
    raise AssertionError("not found; the last report:\n" + text)


def test_default_mode_finds_growing_containers_by_itself(some_python, start, attach, validate):
    """The default mode: what has stopped growing is not in the way of what still grows."""
    target = start(some_python, "holders.py")
    target.do("warm_up", n=200)
    tool = attach(target, "-v", "--native", "no", exact=False)
    target.do("warm_up", n=20000)
    wanted = {
        "app.state.QUEUE": "queue_it",
        "app.state.SEEN": "see_it",
        "app.state.LOG": "log_it",
        "app.state.BY_NAME": "name_it",
    }

    def found(text):
        rows = re.findall(
            r"^(app\.state\.\w+) [\w.]+, \d+ items: \+([1-9]\d*) inserted, -(\d+) removed",
            text,
            re.M,
        )
        removed = {path: int(n) for path, _, n in rows}
        return (
            set(wanted) <= set(removed)
            and "app.state.FULL" not in removed
            and removed["app.state.QUEUE"]
            and removed
        )

    removed = work_until(target, tool, found)
    assert [removed[path] for path in list(wanted)[1:]] == [0, 0, 0]
    report = tool.finish()
    validate(report.data)
    rows = report.data["growing"]
    rates = [row["least_items_per_s"] for row in rows]
    assert rates == sorted(rates, reverse=True) and rates[-1] > 0
    by_path = {row["container"]["path"]: row["container"] for row in rows}
    lines = {
        "app.state.QUEUE": {"queued", "taken"},
        "app.state.SEEN": {"seen"},
        "app.state.LOG": {"log"},
        "app.state.BY_NAME": {"by name"},
    }
    for path, function in wanted.items():
        container = by_path[path]
        assert container["inserted"] > 0
        seen = {tuple(harness.python_frames(stack)[-1]) for stack in container["stacks"]}
        assert seen <= {(function, target.program, target.line(line)) for line in lines[path]}


def test_growing_containers_are_not_watched_without_a_gil(free_threaded, start, attach):
    """Growing containers are not examined more closely, and the report says why."""
    target = start(free_threaded, "holders.py")
    tool = attach(target, "-v", "--native", "no", exact=False)
    said = work_until(target, tool, lambda text: re.search(r"^.*without a GIL.*$", text, re.M))
    assert said
    assert target.do("work", n=1)
