# SPDX-License-Identifier: BSD-2-Clause
"""A class that grows where no container does, in many chains: the line that makes the instances
that stay, by the watchpoint on the class's reference count."""
import re

import pytest

import harness


def leaf(stack):
    function, file, line = harness.python_frames(stack)[-1]
    return function, file.rpartition("/")[2], line


def by_line(row):
    """{line: (made, died)} of all stacks; each is one of a birth, inside of an allocator."""
    sums = {}
    for stack in row["stacks"]:
        assert stack["frames"][-1]["kind"] == "native", stack
        function, file, line = leaf(stack)
        assert file == "classes.py", stack
        made, died = sums.get(line, (0, 0))
        sums[line] = (made + stack["made"], died + stack["died"])
    return sums


@pytest.mark.pythons(lambda python: python.has_gil)
def test_the_line_that_makes_what_stays_is_named(python, start, attach, validate):
    """Eight of nine instances die at once, and most changes of the count are those of code that
    names the class."""
    target = start(python, "classes.py")
    for what in ("grow", "churn", "use"):
        target.do(what)
    # without traces of objects nothing else can name the line
    tool = attach(target, "--max-overhead", "50", "--domain", "malloc", exact=False)
    line = r"made by     keep \(\S*classes\.py:%d\)" % target.line("keep")
    harness.until(lambda: re.search(line, tool.report_now()), "the line")
    report = tool.finish()
    validate(report.data)
    (row,) = [row for row in report.data["growing_classes"] if not row["sampled"]]
    assert (row["type"], row["sure"]) == ("__main__.Kept", True)
    assert 25 < row["per_s"] < 51
    lines = by_line(row)
    assert set(lines) == {target.line("keep"), target.line("drop")}
    made, died = lines[target.line("drop")]
    assert made == died >= 10
    made, died = lines[target.line("keep")]
    assert died == 0
    # a busy machine makes turns late; none is made up for
    assert 10 <= made <= 50 * row["followed_s"] + 3
    (finding,) = [f for f in report.data["verdict"]["findings"] if f.get("type") == row["type"]]
    assert re.match(r"app\.SLOTS\[\*\]\.newest(\.before)*$", finding["path"]), finding
    assert finding["frames"] == row["stacks"][0]["frames"]
