# SPDX-License-Identifier: BSD-2-Clause
"""Full maps and filters: what is left out is counted, and the rest stays exact."""
from harness import python_frames, until

BLOCK = 7777
EXACTLY = ("-z", str(BLOCK), "-Z", str(BLOCK))


def test_size_filter_counts_only_that_size(some_python, start, attach):
    """Only blocks of one size count: the workload alone has it, so the totals are its numbers."""
    target = start(some_python, "accounts.py")
    tool = attach(target, *EXACTLY)
    target.do("of_size", n=4000, n_keep=700, size=BLOCK)
    target.do("of_size", n=300, n_keep=100, size=BLOCK + 1)
    target.do("of_size", n=300, n_keep=100, size=BLOCK - 1)
    report = tool.finish()
    assert report.totals["allocated_count"] == 4000
    assert report.totals["freed_count"] == 3300
    assert report.totals["outstanding_count"] == 700
    assert report.totals["outstanding_bytes"] == 700 * BLOCK
    assert report.totals["allocated_bytes"] == 4000 * BLOCK
    assert len(report.data["stacks"]) == 1
    assert report.losses == {} and report.totals["missed_frees"] == 0


def test_full_map_of_blocks_is_reported_and_empties_again(some_python, start, attach):
    target = start(some_python, "accounts.py")
    tool = attach(target, "-v", "-X", "max-blocks=1000", *EXACTLY)
    target.do("of_size", n=5000, n_keep=5000, size=BLOCK)
    text = tool.report_now()
    assert "-X max-blocks" in text and "blocks_full" in text
    target.do("forget_of_size")
    target.do("of_size", n=600, n_keep=600, size=BLOCK)
    report = tool.finish()
    # the ones that were recorded are gone, there is room again, and nothing counts below zero
    assert report.totals["outstanding_count"] == 600
    assert report.totals["outstanding_bytes"] == 600 * BLOCK
    assert report.losses["blocks_full"] + report.totals["allocated_count"] == 5600
    assert report.totals["allocated_count"] <= 1600
    assert report.totals["missed_frees"] == 0


def test_full_map_of_stacks_leaves_totals_exact(some_python, start, attach):
    target = start(some_python, "accounts.py")
    tool = attach(target, "-v", "-T", "0", "-X", "max-stacks=16", *EXACTLY)
    target.do("from_many_lines", n_lines=100, size=BLOCK)
    text = tool.report_now()
    report = tool.finish()
    assert "-X max-stacks" in text and "stacks_full" in text
    assert report.losses["stacks_full"] > 0
    # the totals stay exact: what found no room has an entry of its own, without a stack
    assert report.totals["outstanding_count"] == 100
    assert report.totals["outstanding_bytes"] == 100 * BLOCK
    nameless = [
        s for s in report.data["stacks"] if not [f for f in s["frames"] if f["kind"] == "python"]
    ]
    named = [s for s in report.data["stacks"] if s not in nameless]
    assert len(nameless) == 1 and nameless[0]["frames"][-1]["kind"] == "gap"
    assert 1 <= len(named) <= 16
    assert all(s["outstanding_count"] == 1 for s in named)
    assert nameless[0]["outstanding_count"] == 100 - len(named) == report.losses["stacks_full"]


def test_room_for_stacks_comes_back(one_python, start, attach):
    """Stacks with nothing outstanding any more make room for others, and what they counted
    stays."""
    target = start(one_python, "accounts.py")
    tool = attach(target, "-v", "-T", "0", "-X", "max-stacks=16", *EXACTLY)
    target.do("from_many_lines", n_lines=100, size=BLOCK)
    assert "stacks_full" in tool.report_now()
    target.do("forget_many")
    n = 100

    def has_room():
        nonlocal n
        n += 1
        target.do("from_many_lines", n_lines=1, size=BLOCK, first=10 * n)
        there = "many.py:%d" % (10 * n + 1) in tool.report_now()
        if not there:
            target.do("forget_many")
        return there

    until(has_room, "a stack that is named")
    # the slots of the sixteen before, each with a stack of its own
    target.do("from_many_lines", n_lines=8, size=BLOCK, first=100001)
    report = tool.finish()
    assert report.totals["allocated_count"] == n + 8
    assert report.totals["allocated_bytes"] == (n + 8) * BLOCK
    assert report.totals["freed_count"] == n - 1
    assert report.totals["outstanding_count"] == 9
    kept = [s for s in report.data["stacks"] if s["outstanding_count"]]
    lines = [10 * n + 1] + list(range(100002, 100010))
    assert sorted(python_frames(s)[-1] for s in kept) == [
        ("many", "many.py", line) for line in lines
    ]
    assert {(s["allocated_count"], s["outstanding_bytes"]) for s in kept} == {(1, BLOCK)}


def test_one_domain_is_shown_alone(one_python, start, attach):
    """Unwanted domains are not shown, and what they contain is not moved to another one."""
    target = start(one_python, "accounts.py")
    for domain, work in (("malloc", "malloc_large"), ("object", "large")):
        tool = attach(target, "--domain", domain)
        target.do("all", n=300, n_keep=50)
        report = tool.finish()
        assert {s["domain"] for s in report.data["stacks"]} == {domain}
        assert report.data["mode"]["domains"] == [domain]
        found = report.at(function=work, file=target.program, line=target.line(work))
        assert (found["outstanding_count"], found["allocated_count"]) == (50, 300)
        assert found["outstanding_bytes"] == 50 * 10000
        target.do("empty")


def test_older_leaves_out_young_blocks(one_python, start, attach):
    """Blocks younger than an hour are not in a report with --older 1h."""
    target = start(one_python, "accounts.py")
    tool = attach(target, *EXACTLY, older="1h")
    target.do("of_size", n=400, n_keep=70, size=BLOCK)
    report = tool.finish()
    assert report.totals["outstanding_count"] == 0
    assert report.totals["allocated_count"] == 400


def test_sort_and_top_order_and_cut_the_report(one_python, start, attach):
    keys = {"size": "outstanding_bytes", "count": "outstanding_count", "age": "oldest_s"}
    target = start(one_python, "accounts.py")
    for sort, key in keys.items():
        tool = attach(target, "--sort", sort, "-T", "3")
        target.do("all", n=300, n_keep=50)
        report = tool.finish()
        values = [stack[key] for stack in report.data["stacks"] if stack["outstanding_count"]]
        assert values == sorted(values, reverse=True), sort
        assert len(values) > 3
        last = report.text[report.text.rindex("] Top ") :]
        assert last.count("allocations from stack") == 3
        target.do("empty")
