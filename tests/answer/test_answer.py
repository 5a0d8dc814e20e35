# SPDX-License-Identifier: BSD-2-Clause
"""The corpus is complete, its programs run everywhere, and a few of the answers are right.

All answers: `sudo tools/answers --all`. The live cases here are the ones that must not get worse.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import truth  # noqa: E402
import trying  # noqa: E402

FOUND, MISSING = trying.harness.find_interpreters()
SYSTEM = [i for i in FOUND if i.name.startswith("system-")] or FOUND[-1:]
ONLY = os.environ.get("PYLEAKTRACE_PYTHONS", "").split()
SOME = list(dict.fromkeys([FOUND[0], SYSTEM[0], FOUND[-1]]))
RUNS_S = "0.5"
SIDE_BY_SIDE = int(os.environ.get("PYLEAKTRACE_SIDE_BY_SIDE", "8"))

# (program, control): what is right, and must stay so
LIVE = [
    ("dict_sessions", False),
    ("class_attribute", False),
    ("closure_set", False),
    ("listeners", False),
    ("asyncio_futures", False),
    ("lost_strings", False),
    ("c_strdup", False),
    ("dict_sessions", True),
    ("c_strdup", True),
    ("healthy_deque_bounded", False),
]


def programs():
    files = os.listdir(truth.PROGRAMS)
    return {file[:-3] for file in files if file.endswith(".py")} - {"service"}


def test_each_program_has_its_truth():
    assert programs() == set(truth.LEAKS) | set(truth.HEALTHY)
    assert not set(truth.LEAKS) & set(truth.HEALTHY)


def test_there_are_enough_of_each_cause():
    causes = [case.causes[0] for case in truth.LEAKS.values()]
    assert len(causes) >= 40
    assert all(causes.count(cause) >= 2 for cause in truth.CAUSES), causes


@pytest.mark.parametrize("name", sorted(truth.LEAKS))
def test_the_line_that_leaks_is_marked(name):
    assert truth.marked(name)
    with open(truth.program(name), encoding="utf-8") as source:
        assert "service.LEAKS" in source.read(), "it has no control"


@pytest.mark.parametrize("name", sorted(truth.HEALTHY))
def test_what_is_healthy_has_no_mark(name):
    assert not truth.marked(name)


@pytest.fixture
def folder():
    """Makes a folder with the programs, below the interpreter's root."""
    made = []

    def make(interpreter):
        path = tempfile.mkdtemp(prefix="pyleaktrace-answer.", dir=interpreter.root + "/tmp")
        made.append(path)
        shutil.copytree(truth.PROGRAMS, path + "/programs")
        return path[len(interpreter.root) :] + "/programs"

    yield make
    for path in made:
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize(
    "interpreter",
    [i for i in FOUND if i.name in ONLY] if ONLY else SOME,
    ids=lambda interpreter: interpreter.name,
)
def test_each_runs_and_ends_by_itself(interpreter, folder):
    place = folder(interpreter)

    def run(case):
        name, options = case
        command = [interpreter.command, "%s/%s.py" % (place, name), "--for", RUNS_S, *options]
        with subprocess.Popen(
            command,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        ) as process:
            # its stdin stays open: it ends because its time is over
            out = process.stdout.read().decode("utf-8", "replace")
        ended_well = process.returncode == 0 and '{"ready"' in out and '{"total"' in out
        return None if ended_well else "%s: %d %s" % (case, process.returncode, out[-500:])

    names = [name for name in sorted(programs()) if not trying.missing(interpreter.command, name)]
    cases = [(name, options) for name in names for options in ([], ["--control"])]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [text for text in pool.map(run, cases) if text]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="module")
def answers(request):
    """Answers to the live cases that are asked for, made side by side."""
    with_params = [item.callspec.params for item in request.session.items if "[" in item.name]
    cases = [params["case"] for params in with_params if "case" in params]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        made = pool.map(lambda case: trying.attempt(SYSTEM[0].command, *case, seconds=42), cases)
        return dict(zip(cases, made))


@pytest.mark.skipif(os.geteuid() != 0, reason="attaching needs root")
@pytest.mark.parametrize("case", LIVE, ids=lambda case: case[0] + "-control" * case[1])
def test_the_answer_is_right(answers, case):
    result = answers[case]
    assert not result.faults, "%s\n%r" % (result.faults, trying.as_data(result))
