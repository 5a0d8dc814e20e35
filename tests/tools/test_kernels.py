# SPDX-License-Identifier: BSD-2-Clause
"""What tools/kernels makes of package lists, of a machine's serial port, and of what came in it."""
import json
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "kernels.d"))
import catalogue  # noqa: E402
import cells  # noqa: E402
import machine  # noqa: E402
import root  # noqa: E402
import table  # noqa: E402

LISTS = """Package: linux-image-6.1.0-47-cloud-amd64
Version: 6.1.170-1
Size: 26000000

Package: linux-image-6.1.0-50-cloud-amd64-unsigned
Version: 6.1.176-1
Size: 26400000

Package: linux-image-6.1.0-50-amd64
Version: 6.1.176-1
Size: 70000000

Package: linux-image-6.1.0-50-cloud-amd64-dbg
Version: 6.1.176-1
Size: 900000000

Package: linux-image-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
Size: 1928

Package: linux-binary-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
Size: 13600000

Package: linux-binary-7.3-cloud-amd64
Version: 7.3~rc7-1~exp1
Size: 13500000
"""
PASSED = [
    {"kernel": "6.12.1"},
    {"cell": "load", "outcome": "passed", "attach_s": 1.25, "text": ""},
    {
        "test": "tests/live/test_heap.py::test_buffers_count_with_their_container[system-3.11]",
        "outcome": "passed",
        "seconds": 1,
        "text": "",
    },
    {
        "test": "test_heap.py::test_counts_are_those_of_the_collector[system-3.11]",
        "outcome": "passed",
        "seconds": 1,
        "text": "",
    },
]
ALL = {cell.name: cell for cell in cells.CELLS}
SOME = [ALL["load"], ALL["heap"]]


def judged(rows, which=SOME, ended=True, version=(6, 12), console=""):
    outcome = table.Outcome("6.12", "6.12")
    table.judge(outcome, machine.Result(rows, 10.0, ended, console), which, version)
    return outcome


def test_newest_package_of_each_version_is_chosen():
    rows = [row + ("suite",) for row in catalogue.packages(LISTS)]
    assert len(rows) == 5  # neither those for real machines nor debug information
    assert {name: row[1] for name, row in catalogue.newest(rows).items()} == {
        "6.1": "linux-image-6.1.0-50-cloud-amd64-unsigned",
        "7.3": "linux-binary-7.3.4+deb13-cloud-amd64",
    }


def test_each_test_of_a_cell_is_there():
    for cell in cells.CELLS:
        for test in cell.tests:
            file, _, name = test.partition("::")
            text = (ROOT / "tests" / "live" / file).read_text(encoding="utf-8")
            assert not name or re.search(r"^def %s\(" % name, text, re.M), test
            assert cells.cell_of_test("tests/live/%s[system-3.11]" % test) is cell


def test_messages_are_found_between_other_output():
    said = (
        json.dumps({"cell": "load"})
        + "\r\n[    1.0] a kernel's line\r\n{broken\r\n[1]\r\n"
        + json.dumps({"end": True})
        + '\r\n{"half'
    )
    assert machine.messages(said) == [{"cell": "load"}, {"end": True}]


def test_cells_are_ok_when_all_tests_pass():
    outcome = judged(PASSED)
    assert outcome.cells == {"load": ("ok", ""), "heap": ("ok", "")} and not outcome.failed
    assert table.text([outcome], SOME).splitlines()[1].split()[:5] == [
        "6.12",
        "ok",
        "1.2",
        "s",
        "ok",
    ]


@pytest.mark.parametrize(
    "change, state",
    [
        (dict(outcome="failed", text="assert 1 == 2"), "failed"),
        (dict(outcome="skipped", text="no such thing here"), "n/a"),
    ],
)
def test_one_failure_fails_the_cell_and_one_skip_does_not(change, state):
    """A failure fails the cell; a skipped test does not make it n/a as long as another one ran."""
    rows = PASSED[:-1] + [dict(PASSED[-1], **change)]
    outcome = judged(rows)
    assert outcome.cells["heap"][0] == ("failed" if state == "failed" else "ok")
    assert outcome.failed == (state == "failed")
    only = judged([row for row in rows if row is not PASSED[2]])
    assert only.cells["heap"][0] == state


def test_failure_at_the_end_of_a_test_counts():
    """pytest reports a test twice if its fixture fails afterwards."""
    assert judged(PASSED + [dict(PASSED[-1], outcome="failed")]).cells["heap"][0] == "failed"


def test_machine_that_dies_fails_what_was_not_run():
    """What did not run counts as failed, and the kernel's last words are shown."""
    outcome = judged(
        PASSED[:2] + [{"begins": "test_heap.py::test_buffers_count_with_their_container"}],
        ended=False,
        console="[    9.1] BUG: kernel NULL pointer dereference\n"
        "[    9.2] Kernel panic - not syncing\n",
    )
    assert (
        outcome.cells["load"][0] == "ok" and outcome.cells["heap"][0] == "failed" and outcome.failed
    )
    assert "[    9.1] BUG: kernel NULL pointer dereference" in outcome.warnings
    assert "test_buffers_count_with_their_container" in table.details([outcome])


def test_silent_machine_fails_every_cell():
    assert {state for state, _ in judged([], ended=False).cells.values()} == {"failed"}


def test_kernel_that_is_too_old_is_refused_or_not_applicable():
    outcome = judged(PASSED, version=(5, 10))
    assert (
        outcome.cells["load"] == ("n/a", "BPF cookies came with 5.15")
        and outcome.cells["heap"][0] == "ok"
    )
    assert not outcome.failed
    assert judged(PASSED + [{"refuses": True, "text": ""}], version=(5, 10)).cells["load"] == (
        "refused",
        "",
    )
    assert judged(PASSED + [{"refuses": False, "text": "loaded"}], version=(5, 10)).failed


def test_unavailable_kernel_is_no_failure():
    outcome = table.not_available("6.8", "no suite has it")
    assert not outcome.failed
    assert (
        table.text([outcome], SOME).splitlines()[1].split()
        == ["6.8", "(not", "available)"] + ["-"] * 5
    )
    assert "no suite has it" in table.details([outcome])


def test_exit_code_ignores_unavailable_kernels_among_others():
    """If no kernel was available, nothing is known; if only one of several was not, that makes no
    difference."""
    missing, good, bad = (
        table.not_available("6.8", "no network"),
        judged(PASSED),
        judged([], ended=False),
    )
    assert table.exit_code([]) == table.exit_code([missing, missing]) == 69
    assert table.exit_code([good]) == table.exit_code([missing, good]) == 0
    assert table.exit_code([bad]) == table.exit_code([missing, good, bad]) == 1


def test_warnings_and_cost_are_in_the_table():
    cost = (
        "program            instructions   states  stack  JIT bytes  most expensive\n"
        "on_entry                   2370      189     96       4528  CPython 3.15t\n"
        "on_return                 68627     2601    416      15024  CPython 3.15t\n"
    )
    log = {
        "log": [
            [4, 1.0, "WARNING: CPU: 0 PID: 9 at kernel/events/uprobes.c:1"],
            [6, 1.1, "Call Trace:"],
            [6, 1.2, "eth0 up"],
        ]
    }
    outcome = judged(PASSED + [{"cost": 0, "text": cost}, log])
    assert outcome.warnings == ["WARNING: CPU: 0 PID: 9 at kernel/events/uprobes.c:1"]
    assert table.steps_and_stack(outcome) == "68,627 / 416" and not outcome.failed
    assert "| 68,627 / 416 | 1 |" in table.markdown([outcome], SOME, "2026-01-01", "abc")
    assert judged(PASSED + [{"cost": 1, "text": cost}]).failed


def test_archive_is_as_cpio_and_kernels_read_it(tmp_path):
    """What GNU cpio and kernels read: names, modes, links, and data at multiples of four."""
    tree = root.Root()
    tree.text("/etc/a", "abc", 0o755)
    tree.write(str(tmp_path / "root.cpio"))
    data = (tmp_path / "root.cpio").read_bytes()
    assert (
        data.endswith(b"TRAILER!!!\0" + b"\0" * (-(110 + 11) % 4))
        and b"etc/a\0" in data
        and len(data) % 4 == 0
    )
    at = data.index(b"etc/a\0") - 110
    assert (
        data[at : at + 6] == b"070701"
        and int(data[at + 14 : at + 22], 16) == 0o100755
        and int(data[at + 54 : at + 62], 16) == 3
    )
