# SPDX-License-Identifier: BSD-2-Clause
"""Objects of a type that is no class of the program: the line that makes those that stay, by
watchpoints on the free lists of pools of their size."""
import re

import pytest

import harness


def leaf(stack):
    function, file, line = harness.python_frames(stack)[-1]
    return function, file.rpartition("/")[2], line


@pytest.mark.pythons(lambda python: python.has_gil)  # the others have no pools
def test_the_line_that_loses_strings_is_named(python, start, attach, validate):
    """Strings of one size stay, others of that size die at once. Windows see neither: no object is
    traced."""
    target = start(python, "pools.py")
    for what in ("grow", "churn"):
        target.do(what)
    # without traces of objects nothing else can name the line
    tool = attach(target, "--max-overhead", "50", "--domain", "malloc", exact=False)
    line = r"made by     keep \(\S*pools\.py:%d\)" % target.line("keep")
    harness.until(lambda: re.search(line, tool.report_now()), "the line")
    report = tool.finish()
    validate(report.data)
    (row,) = [row for row in report.data["growing_classes"] if row["type"] == "str"]
    assert row["sampled"] and row["sure"] and row["died"] == 0
    # what died at once is in no stack, and no more stayed than were lost
    assert {leaf(stack) for stack in row["stacks"]} == {("keep", "pools.py", target.line("keep"))}
    assert 5 <= row["made"] <= 50 * row["followed_s"] + 3
    (finding,) = [f for f in report.data["verdict"]["findings"] if f["cause"] == "reference"]
    assert finding["type"] == "str" and finding["by"] == "made by"
