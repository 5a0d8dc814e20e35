# SPDX-License-Identifier: BSD-2-Clause
"""What tools/kernels runs on each kernel: the columns of its table."""
import dataclasses

LOADS = ("load", "load +C", "load default")  # done by inside.py itself


@dataclasses.dataclass(frozen=True)
class Cell:
    name: str  # heading
    tests: tuple = ()  # of tests/live; none: inside.py does it
    needs: tuple = (5, 15)  # kernel
    why: str = "BPF cookies"  # what that kernel has, and older ones have not


CELLS = (
    Cell("load"),
    Cell("load +C"),
    Cell("load default"),
    Cell(
        "counts",
        (
            "test_accounts.py::test_kept_and_made",
            "test_accounts.py::test_nothing_counts_twice",
            "test_accounts.py::test_nothing_is_outstanding_once_all_is_freed",
            "test_accounts.py::test_no_missed_frees_and_nothing_lost",
            "test_accounts.py::test_totals_are_the_sums",
        ),
    ),
    Cell("C frames", ("test_native.py::test_leaks_of_c_code_name_their_function_and_line",)),
    Cell(
        "heap",
        (
            "test_heap.py::test_counts_are_those_of_the_collector",
            "test_heap.py::test_buffers_count_with_their_container",
        ),
        (5, 10),
    ),
    Cell(
        "holders",
        ("test_heap_graph.py::test_holders_and_what_no_root_reaches_are_counted",),
        (5, 10),
    ),
    Cell("chain", ("test_heap_graph.py::test_chain_is_found_for_every_way_of_holding",), (5, 10)),
    Cell("watch", ("test_heap_watch.py::test_every_change_is_counted_at_its_stack",)),
    Cell("refs", ("test_heap_watch.py::test_references_are_counted_when_taken_and_dropped",)),
    Cell(
        "demo",
        (
            "test_demo.py::test_three_leaks_are_found",
            "test_demo.py::test_three_leaks_are_found_below_the_ceiling",
        ),
    ),
    Cell(
        "forks",
        (
            "test_lifecycle.py::test_children_run_untraced_and_free_only_their_copies",
            "test_lifecycle.py::test_children_lose_breakpoints_on_older_kernels",
        ),
    ),
    Cell("detach", ("test_lifecycle.py::test_rounds_on_a_busy_target_change_no_result",)),
    Cell(
        "kill -9",
        (
            "test_lifecycle.py::test_killed_tool_leaves_nothing_in_the_kernel",
            "test_lifecycle.py::test_what_a_killed_tool_left_is_put_right_by_attaching",
        ),
    ),
    Cell(
        "seccomp", ("test_lifecycle.py::test_seccomp_target_is_refused_where_probes_would_kill_it",)
    ),
)


def cell_of_test(nodeid):
    """tests/live/test_heap.py::test_NAME[system-3.11] -> the cell that the test belongs to"""
    plain = nodeid.split("[")[0].removeprefix("tests/live/")
    for cell in CELLS:
        for test in cell.tests:
            if plain == test or plain.split("::")[0] == test:
                return cell
    raise KeyError(nodeid)
