# SPDX-License-Identifier: BSD-2-Clause
"""How many blocks, how many bytes, at which line: exactly, on every CPython."""
import re

import pytest

from harness import Target, Tool, quiet

N, KEPT = 3000, 500
SIZES = [40 + 10 * (i % 100) for i in range(KEPT)]
VISITS = N // KEPT
OBJECT_WORK = {"objects", "byte_strings", "large"}
FOREIGN_SIZE, C_SIZE = 4321, 1234

# workload -> bytes that its kept blocks have, where the program does not say
ASKED = {
    "large": 10000 * KEPT,
    "malloc": sum(SIZES),
    "malloc_large": 10000 * KEPT,
    "malloc_mapped": (1 << 20) * KEPT,
    "calloc": 3 * sum(SIZES),
    "strdup": sum(SIZES),
    "realloc": sum(SIZES) + 40 * (VISITS - 1) * KEPT,
    "reallocarray": 2 * sum(SIZES),
    "posix_memalign": sum(SIZES),
    "aligned_alloc": 192 * KEPT,
    "memalign": sum(SIZES),
    "valloc": sum(SIZES),
    "pvalloc": sum(SIZES),
}


@pytest.fixture(scope="module")
def full(python, tmp_path_factory):
    """What is outstanding while everything is kept."""
    folder = tmp_path_factory.mktemp("accounts")
    target = Target(python, "accounts.py")
    reference = Target(python, "accounts.py")
    try:
        # a line is one stack then, and what was made there is in the report as long as anything of
        # it is left; with C frames a line has several, and those of which nothing is left are not
        # in the report
        tool = Tool(target.pid, folder, "--native", "no")
        try:
            # the two processes do the same, up to the commands' number
            target.do("do_nothing")
            target.do("containers", n=500)
            sizes = target.do("all", n=N, n_keep=KEPT)
            # the answer comes before the program has freed what it answered with
            quiet(target.pid)
            report = tool.finish()
        finally:
            tool.close()
        reference.do("start_tracemalloc")
        reference.do("containers", n=500)
        lines = reference.do("tracemalloc_lines")
        yield report, sizes, lines, target
        assert target.quit() == 0
    finally:
        target.close()
        reference.close()


def where(target, marker, function=None, **more):
    return dict(function=function or marker, file=target.program, line=target.line(marker), **more)


@pytest.mark.parametrize("work", ["objects", "byte_strings", *ASKED])
def test_kept_and_made(full, work):
    """N made at one line and K kept: the report has these numbers at this line, in the domain that
    was called."""
    report, sizes, _, target = full
    domain = "object" if work in OBJECT_WORK else "malloc"
    found = report.at(**where(target, work, domain=domain))
    assert found["outstanding_count"] == KEPT
    assert found["allocated_count"] == N
    assert found["outstanding_bytes"] == ASKED.get(work, sizes[work])


def test_nothing_counts_twice(full):
    """What one allocator takes from another below it is not a block of its own."""
    report, _, _, target = full
    for work in OBJECT_WORK:
        assert report.at(**where(target, work, domain="malloc"))["allocated_count"] == 0
    for work in ("objects", "byte_strings", "large", "malloc_large", "malloc_mapped"):
        assert report.at(**where(target, work, domain="mmap"))["allocated_count"] == 0


def test_nothing_is_outstanding_once_all_is_freed(full):
    report, _, _, target = full
    found = report.at(**where(target, "freed"), domain="malloc")
    assert found["outstanding_count"] == found["outstanding_bytes"] == 0


def test_failed_realloc_keeps_the_block(full):
    report, _, _, target = full
    assert (
        report.at(**where(target, "realloc_failed", "realloc"), domain="malloc")["allocated_count"]
        == 0
    )


def test_no_missed_frees_and_nothing_lost(full):
    """The standing proof that coverage is complete."""
    report = full[0]
    assert report.totals["missed_frees"] == 0
    assert report.losses == {}


def test_totals_are_the_sums(full):
    """Stacks with nothing left may be missing from the report, but not from the totals."""
    report = full[0]
    for name in ("outstanding_bytes", "outstanding_count"):
        assert report.totals[name] == sum(stack[name] for stack in report.data["stacks"])
    for name in ("allocated_bytes", "allocated_count"):
        assert report.totals[name] >= sum(stack[name] for stack in report.data["stacks"])
    assert (
        report.totals["freed_count"]
        == report.totals["allocated_count"] - report.totals["outstanding_count"]
    )


def test_changed_allocator_tables_end_the_claim_of_completeness(
    one_python, start, attach, validate
):
    """When the program itself writes to its allocator tables, the report no longer claims that
    every call was traced."""
    target = start(one_python, "accounts.py")
    tool = attach(target, "-v", "--native", "no")
    target.do("do_nothing")
    assert "; every call was traced." in tool.report_now()
    target.do("start_tracemalloc")
    text = tool.report_now()
    report = tool.finish()
    validate(report.data)
    # a build without inlined copies is not steered, and is seen through whatever stands in its
    # tables
    steered = one_python.is_distribution_build
    assert ("; every call was traced." in text) != steered
    assert (
        "the allocator tables were changed" in report.data["mode"].get("object_coverage", "")
    ) == steered


def test_containers_count_as_tracemalloc_counts_them(full):
    """Containers of several blocks that grow: line by line the same as CPython's own tracemalloc
    reports in a process that did the same."""
    report, _, lines, target = full
    mine = {}
    for line in lines:
        found = report.at(file=target.program, line=int(line))
        mine[line] = [found["outstanding_count"], found["outstanding_bytes"]]
    assert mine == lines and len(lines) >= 8


def test_thread_in_c_without_the_gil_has_its_own_line(python, start, attach):
    """A line of a thread that is in C while another one runs Python. Blocks above C_SIZE are left
    out: without a GIL, CPython itself makes a block of 2,048 bytes at such a line
    (_PyObjectStackChunk) when the thread drops an object that another one owns, which happens when
    a name shares its slot in the type cache."""
    target = start(python, "accounts.py")
    tool = attach(target, "--native", "no", "-Z", str(C_SIZE))
    target.do("threads", n=N, n_keep=KEPT, size=C_SIZE)
    report = tool.finish()
    found = report.at(**where(target, "in_c"), domain="malloc")
    assert (found["outstanding_count"], found["allocated_count"], found["outstanding_bytes"]) == (
        KEPT,
        N,
        C_SIZE * KEPT,
    )
    found = report.at(**where(target, "beside"), domain="object")
    assert (found["outstanding_count"], found["allocated_count"]) == (KEPT, N)
    for stack in report.stacks(**where(target, "in_c"), domain="malloc"):
        names = [f["function"].rsplit(".", 1)[-1] for f in stack["frames"] if f["kind"] == "python"]
        assert names[-2:] == ["run", "in_c"] and "threads" not in names
    for stack in report.stacks(**where(target, "beside"), domain="object"):
        assert "threads" in [f["function"] for f in stack["frames"] if f["kind"] == "python"]


def test_thread_unknown_to_python_has_no_python_frames(python, start, attach):
    """Its blocks are counted, and its stack is not mistaken for another thread's."""
    target = start(python, "accounts.py")
    tool = attach(target, "-z", str(FOREIGN_SIZE), "-Z", str(FOREIGN_SIZE))
    target.do("foreign", n=N, n_keep=KEPT, size=FOREIGN_SIZE)
    report = tool.finish()
    assert len(report.data["stacks"]) == 1
    stack = report.data["stacks"][0]
    assert (stack["outstanding_count"], stack["allocated_count"]) == (KEPT, N)
    assert (stack["domain"], stack["outstanding_bytes"]) == ("malloc", FOREIGN_SIZE * KEPT)
    assert {f["kind"] for f in stack["frames"]} == {"native"}
    assert stack["frames"][-1]["module"] == "blocks.so"
    assert stack["frames"][0]["module"].startswith("libc")


def test_report_fits_the_schema(full, validate):
    validate(full[0].data)


def test_report_describes_the_target(full, python):
    facts = full[0].data["target"]
    assert facts["pid"] == full[3].pid
    assert re.sub(r"(a|b|rc)\d+", "", facts["python"]) == python.text
    assert facts["implementation"] == "CPython"
    assert facts["cmdline"][-1] == full[3].program
    assert set(full[0].data["mode"]["domains"]) == {"malloc", "object", "mmap"}


def test_stack_names_the_types_of_what_it_keeps(full):
    """The types of the objects in a stack's blocks now."""
    report, _, _, target = full
    for work, name in (("objects", "Small"), ("byte_strings", "bytes"), ("large", "bytes")):
        for stack in report.stacks(**where(target, work, domain="object")):
            assert stack["types"][0]["name"].rsplit(".", 1)[-1] == name
            assert len(stack["types"]) == 1


def test_no_block_is_left_once_everything_is_freed(python, start, attach):
    target = start(python, "accounts.py")
    tool = attach(target)
    target.do("all", n=600, n_keep=100)
    target.do("empty")
    report = tool.finish()
    for work in ["objects", "byte_strings", *ASKED]:
        found = report.at(
            **where(target, work, domain="object" if work in OBJECT_WORK else "malloc")
        )
        assert found["outstanding_count"] == found["outstanding_bytes"] == 0, work
    assert report.totals["missed_frees"] == 0


def test_mappings_count_by_page_where_they_were_made(python, start, attach):
    target = start(python, "mappings.py")
    tool = attach(target)
    target.do("all", n=200, n_keep=60)
    report = tool.finish()
    page = 4096

    def outstanding(marker, function=None):
        found = report.at(**where(target, marker, function, domain="mmap"))
        return (
            found["outstanding_count"],
            found["outstanding_bytes"] // page,
            found["outstanding_bytes"] % page,
        )

    assert outstanding("modules") == (60, 60 * 16, 0)
    assert report.at(**where(target, "modules", domain="mmap"))["allocated_count"] == 200
    assert outstanding("odd_length") == (1, 6, 0)
    assert outstanding("cut_middle") == (2, 14, 0)
    assert outstanding("cut_ends") == (1, 9, 0)
    assert outstanding("cut_in_pieces") == (0, 0, 0)
    assert outstanding("replaced") == (2, 6, 0)
    assert outstanding("replacement", "replaced") == (1, 2, 0)
    assert outstanding("grown_from", "grown") == (0, 0, 0)
    assert outstanding("grown") == (1, 64, 0)
    assert outstanding("shrunk_from", "shrunk") == (0, 0, 0)
    assert outstanding("shrunk") == (1, 2, 0)
    assert outstanding("growth_failed") == (1, 7, 0)
    assert outstanding("failed") == (0, 0, 0)
    assert report.totals["missed_frees"] == 0


def test_allocator_table_is_put_back(python, start, attach):
    """The target's own view of CPython's allocator table: steered during the watch, and afterwards
    as it was before."""
    target = start(python, "accounts.py")
    before = target.do("allocators")
    tool = attach(target)
    during = target.do("allocators")
    report = tool.finish()
    assert target.do("allocators") == before
    assert report.data["mode"]["steered"] == (during != before)
    assert during[0] == before[0], "the raw domain ends in libc and needs no steering"
    if python.is_distribution_build:
        assert report.data["mode"]["steered"], "inlined copies of the allocator would not be seen"


def test_no_steer_never_writes(python, start, attach):
    target = start(python, "accounts.py")
    before = target.do("allocators")
    tool = attach(target, "-X", "steer=no", "--native", "no")
    assert target.do("allocators") == before
    n, kept = 600, 100
    sizes = target.do("all", n=n, n_keep=kept)
    text = tool.report_now()
    report = tool.finish()
    assert target.do("allocators") == before
    assert report.data["mode"]["steered"] is False
    # libc's functions are complete without it
    for work in ("malloc", "calloc", "realloc"):
        found = report.at(**where(target, work, domain="malloc"))
        assert (found["outstanding_count"], found["allocated_count"]) == (kept, n)
    found = report.at(**where(target, "objects", domain="object"))
    if (found["outstanding_count"], found["outstanding_bytes"]) != (kept, sizes["objects"]):
        assert "steer" in text, "the report must say what is not covered"
