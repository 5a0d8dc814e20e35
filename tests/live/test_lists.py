# SPDX-License-Identifier: BSD-2-Clause
"""Threads and sub-interpreters that get more and more: the line that makes them, by watchpoints on
the lists that the interpreter keeps of them."""
import re

import pytest

import harness


def find_cause(target, tool, cause, line):
    """Wait for a finding of this cause with its line. return it as JSON"""
    place = r"lists\.py:%d\)" % target.line(line)
    harness.until(
        lambda: re.search(r"  %s .*\n.*%s" % (cause, place), tool.report_now()), "the line"
    )
    findings = tool.finish().data["verdict"]["findings"]
    (finding,) = [finding for finding in findings if finding["cause"] == cause]
    return finding


def lines_of(finding):
    return [frame["line"] for frame in finding["frames"] if frame["kind"] == "python"]


def test_the_line_that_starts_threads_is_named(some_python, start, attach):
    """Those that end change the list as often, and are started by another line."""
    target = start(some_python, "lists.py")
    target.do("leak_threads")
    # what is traced of objects and malloc cannot name the line
    tool = attach(target, "--domain", "mmap", exact=False)
    finding = find_cause(target, tool, "thread", "waiting")
    assert target.line("waiting") in lines_of(finding)


@pytest.mark.pythons(lambda python: python.version >= (3, 8))
def test_the_line_that_makes_interpreters_is_named(some_python, start, attach):
    target = start(some_python, "lists.py")
    target.do("leak_interpreters")
    tool = attach(target, "--domain", "mmap", exact=False)
    finding = find_cause(target, tool, "interpreter", "staying")
    assert target.line("staying") in lines_of(finding)
