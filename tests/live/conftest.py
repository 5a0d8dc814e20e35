# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the live tests. A test that takes `python` runs on every CPython found; one that
takes `some_python` on the oldest, the newest and Debian's own; one that takes `one_python` on
Debian's own; one that takes `free_threaded` on those without a GIL; `home` and `allocator` are one
of each. A test that some versions cannot run says which with @pytest.mark.pythons(suits): it is not
generated for the others, so none returns early or is skipped."""
import contextlib
import glob
import json
import os
import subprocess
import sys

import pytest

sys.dont_write_bytecode = True
sys.path[:0] = [
    os.path.dirname(os.path.abspath(__file__)),
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
]
import harness  # noqa: E402

FOUND, MISSING = harness.find_interpreters()
FREE_THREADED, MISSING_FREE_THREADED = harness.find_free_threaded()
ONLY = os.environ.get("PYLEAKTRACE_PYTHONS", "").split()  # names, to try one version by hand


def pytest_configure(config):
    """Say once, and loudly, what cannot be tested at all."""
    if not os.access(harness.TOOL, os.X_OK):
        raise pytest.UsageError("%s is not built; run make" % harness.TOOL)
    config.pluginmanager.register(Order())


def interpreter_of(item):
    """Index of the item's interpreter in FOUND; -1 if it has none."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return next((FOUND.index(value) for value in values if value in FOUND), -1)


# the breakpoints of one stay in the interpreter for long, and the other looks whether its own are
# gone
TOGETHER = {"test_ceiling.py": "test_lifecycle.py"}


class Order:
    """One attach serves all tests of a file with one interpreter, so they stay together. pytest
    loses that order where a test has a second parameter, and then sets up the file's fixtures again
    for each test."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        # pytest -n N --dist loadgroup: the worker that gets one of these gets them all
        for item in items:
            name = TOGETHER.get(item.fspath.basename, item.fspath.basename)
            item.add_marker(pytest.mark.xdist_group("%s-%d" % (name, interpreter_of(item))))

    @pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
    def sort(self, items):
        files = list(dict.fromkeys(item.fspath for item in items))
        items.sort(key=lambda item: (files.index(item.fspath), interpreter_of(item)))


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="attaching needs root")
        for item in items:
            item.add_marker(skip)


def chosen(interpreters):
    return [i for i in interpreters if not ONLY or i.name in ONLY]


def parameters(interpreters, missing=(), otherwise=FOUND[:1]):
    rows = [pytest.param(i, id=i.name) for i in chosen(interpreters) or otherwise]
    if not ONLY:
        rows += [
            pytest.param(None, id=name, marks=pytest.mark.skip(reason=why)) for name, why in missing
        ]
    return rows


def system_pythons():
    return [i for i in FOUND if i.name.startswith("system-")] or FOUND[-1:]


def allocator_rows():
    """Each allocator on Debian's own Python, and on another one that uses this machine's
    libraries."""
    others = [i for i in FOUND if not i.root and not i.name.startswith("system-")]
    rows = []
    for n, name in enumerate(("jemalloc", "tcmalloc", "mimalloc")):
        rows += [(i, name) for i in system_pythons()[:1] + others[n * (len(others) - 1) // 2 :][:1]]
    rows = [row for row in rows if row[0] in chosen(FOUND)] or rows[:1]
    return [pytest.param(i, name, id="%s-%s" % (i.name, name)) for i, name in rows]


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("pythons")
    suits = [i for i in FOUND + FREE_THREADED if not marker or marker.args[0](i)]
    if "python" in metafunc.fixturenames:
        metafunc.parametrize("python", parameters(suits, MISSING, suits[:1]), scope="module")
    if "free_threaded" in metafunc.fixturenames:
        # one is enough; that there is none is said here, and not again for each test that takes
        # `python`
        metafunc.parametrize(
            "free_threaded",
            parameters(FREE_THREADED, [] if FREE_THREADED else MISSING_FREE_THREADED[:1], []),
            scope="module",
        )
    if "some_python" in metafunc.fixturenames:
        usual = [i for i in suits if i in FOUND]
        some = {i.name: i for i in usual[:1] + system_pythons() + usual[-1:]}.values()
        metafunc.parametrize("some_python", parameters(some), scope="module")
    if "native_python" in metafunc.fixturenames:
        # each way of finding the end of a run of Python frames, plain and PGO builds
        rows = [
            i
            for i in FOUND
            if i.version[:2] in ((3, 8), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15))
        ]
        metafunc.parametrize("native_python", parameters(rows), scope="module")
    if "allocator" in metafunc.fixturenames:
        metafunc.parametrize(("home", "allocator"), allocator_rows(), scope="module")
    if "one_python" in metafunc.fixturenames:
        metafunc.parametrize("one_python", parameters(system_pythons()[:1]), scope="module")


def pytest_sessionfinish():
    for interpreter in FOUND + FREE_THREADED:
        interpreter.remove()


@pytest.fixture
def start():
    """start(interpreter, program, ...) -> Target, which ends with the test."""
    targets = []

    def run(*args, **kwargs):
        targets.append(harness.Target(*args, **kwargs))
        return targets[-1]

    yield run
    for target in targets:
        target.close()


@pytest.fixture
def attach(tmp_path):
    """attach(target, option...) -> Tool, attached; it ends with the test."""
    tools = []

    def run(target, *options, **kwargs):
        tools.append(harness.Tool(target.pid, tmp_path, *options, **kwargs))
        return tools[-1]

    yield run
    for tool in tools:
        tool.close()


@pytest.fixture(scope="session")
def validate():
    """validate(data): fails the test unless data matches the schema."""
    import jsonschema

    with open(harness.SCHEMA, encoding="utf-8") as f:
        schema = json.load(f)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    return validator(schema).validate


@pytest.fixture(scope="session")
def bpf_objects():
    """bpf_objects(kind, pid) -> ids of the BPF programs ("prog") or links ("link") that a process
    holds, as the kernel reports them; with pid None, of all that exist, as bpftool sees them."""

    def run(kind, pid):
        if pid is None:
            out = subprocess.run(
                ["bpftool", "-j", kind, "show"],
                check=True,
                stdout=subprocess.PIPE,
                env={"PATH": os.environ["PATH"] + ":/usr/sbin"},
            ).stdout
            return {row["id"] for row in json.loads(out)}
        ids = set()
        for name in glob.glob("/proc/%d/fdinfo/*" % pid):
            # it does not hold what was closed after the list was made
            with contextlib.suppress(FileNotFoundError), open(name, encoding="utf-8") as f:
                ids.update(int(line.split()[1]) for line in f if line.startswith(kind + "_id:"))
        return ids

    return run
