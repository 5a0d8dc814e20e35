# SPDX-License-Identifier: BSD-2-Clause
"""Every example of README.md, docs/ and the man pages runs as written, in a shell, on the demo's
service.

PID and 4242 stand for the target. A command that would run longer gets `-d 2s` appended. Whatever
else the examples promise (the contents of a report) is left to the other tests; here no example may
be refused, fail, or print nothing.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

import documents
import harness
from test_demo import serving

EXAMPLES = documents.examples()
SHORT = "-d 2s"


def test_every_page_has_examples():
    """Each page has some, so that none is missed because of how it is written."""
    places = {example.place for example in EXAMPLES}
    assert {
        "README.md",
        "docs/heap.md",
        "docs/watchpoints.md",
        "docs/recordings.md",
        "docs/reading-a-report.md",
        "docs/safety.md",
        "docs/troubleshooting.md",
        "man/pyleaktrace.8.in",
        "man/pyleaktrace-heap.8.in",
        "man/pyleaktrace-watch.8.in",
        "man/pyleaktrace-record.8.in",
        "man/pyleaktrace-doctor.8.in",
    } <= places
    verbs = {re.match(r"(?:sudo )?pyleaktrace ([a-z]*)", example.line)[1] for example in EXAMPLES}
    assert verbs == {"", *documents.verbs()}


@pytest.fixture(scope="module")
def service(one_python):
    with serving(one_python) as running:
        yield running


@pytest.fixture
def commands(service, tmp_path):
    """A folder with the commands that the examples call."""
    folder = tmp_path / "commands"
    folder.mkdir()
    lasting = [verb for verb in documents.verbs() if "--duration" in documents.options(verb)]
    scripts = {
        "sudo": 'exec "$@"\n',
        "pgrep": "echo %d\n" % service.pid,
        "pyleaktrace": 'case "$1" in\n-*|%s) exec %s "$@" %s ;;\nesac\nexec %s "$@"\n'
        % ("|".join(lasting), harness.TOOL, SHORT, harness.TOOL),
    }
    for name, text in scripts.items():
        (folder / name).write_text("#!/bin/sh\n" + text)
        (folder / name).chmod(0o755)
    return folder


def written(line):
    """The files that an example says it writes."""
    words = shlex.split(line, comments=True)
    return [words[i + 1] for i, word in enumerate(words) if word == "-o"]


def read(line):
    """The recordings that an example reads, and does not write."""
    words = shlex.split(line, comments=True)
    return {word for word in words if word.endswith(".plt")} - set(written(line))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_succeeds_and_says_something(example, service, commands, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    line = re.sub(r"\b(PID|4242)\b", str(service.pid), example.line)
    for name in read(line):
        shutil.copy(os.path.join(harness.ROOT, "tests/data/recording-1.plt"), str(folder / name))
    result = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line],
        cwd=str(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=harness.DEADLINE_S,
        env={"PATH": "%s:%s" % (commands, os.environ["PATH"]), "LC_ALL": "C.UTF-8"},
    )
    assert result.returncode == 0, (line, result.stderr)
    assert result.stdout.strip(), (line, result.stderr)
    for name in written(line):
        # without Graphviz the .dot is written; %t is the time
        names = {re.sub("%.", "*", name), str(pathlib.Path(name).with_suffix(".dot"))}
        there = [path for pattern in names for path in folder.glob(pattern)]
        assert any(path.is_file() and path.stat().st_size for path in there), (
            line,
            os.listdir(str(folder)),
        )
