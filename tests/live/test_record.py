# SPDX-License-Identifier: BSD-2-Clause
"""Recordings of live targets: what is in them is what was printed, whenever the tool is killed.

PYLEAKTRACE_KILLS: how many times it is killed (10)."""
import json
import os
import random
import re
import signal
import subprocess
import time

import pytest

import harness
from harness import NEVER_S, Reader, Target, tool

KILLS = int(os.environ.get("PYLEAKTRACE_KILLS", "10"))


class Recording:
    """`pyleaktrace record` at work."""

    def __init__(self, target, folder, *options, name="x.plt", interval=NEVER_S):
        self.path = str(folder / name)
        self.process = subprocess.Popen(
            [harness.TOOL, "record", "-p", str(target.pid), "-o", self.path, *options, interval],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        self.out, self.err = Reader(self.process.stdout), Reader(self.process.stderr)
        assert self.err.wait(r"^pyleaktrace: (tracing|scanning)\b"), self.err.text

    def report_now(self):
        """Request a report; returns its text."""
        start = len(self.out.text)
        self.process.send_signal(signal.SIGUSR1)
        assert self.out.wait(r"^cost: .*\n", start), self.err.text
        return self.out.text[start:]

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        code = self.process.wait(harness.DEADLINE_S)
        self.out.close()
        self.err.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end(signal.SIGKILL)


@pytest.fixture
def target(one_python):
    target = Target(one_python, "accounts.py")
    yield target
    target.close()


def report(path, *options):
    result = tool("report", path, *options)
    assert result.returncode == 0, result.stderr
    return result


def number(path):
    """How many reports are in a recording, by zstd alone."""
    text = subprocess.run(["zstdcat", path], check=True, stdout=subprocess.PIPE).stdout.decode()
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["pyleaktrace_recording"] == 1
    return sum("profile" in line for line in lines)


def test_a_report_is_what_was_printed(target, tmp_path):
    """Each report so far can be read while the recording goes on; of the last the answer is
    repeated."""
    recording = Recording(target, tmp_path, "--exact", "--older", "0")
    try:
        for i in range(3):
            target.do("of_size", n=200 * (i + 1), n_keep=100 * (i + 1), size=6543)
            live = recording.report_now()
            if i == 0:
                live = live[live.index("\n") + 1 :] if live.startswith("Attaching") else live
            recorded = report(recording.path)
            assert recorded.stdout == live
            assert "report %d of %d" % (i + 1, i + 1) in recorded.stderr
            kept = sum(100 * (k + 1) for k in range(i + 1))
            assert "%d bytes in %d allocations" % (6543 * kept, kept) in recorded.stdout
        start = len(recording.out.text)
        assert recording.end() == 0
        assert report(recording.path).stdout == recording.out.text[start:]
    finally:
        recording.close()
    assert number(recording.path) == 4
    # a report in the middle, and one that there is not
    middle = report(recording.path, "--to", "-0.01", "-f", "json")
    assert json.loads(middle.stdout)["totals"]["outstanding_count"] >= 100
    result = tool("report", recording.path, "--from", "1h")
    assert result.returncode == 64 and "no report in this span; there are 4" in result.stderr


def test_the_only_report_is_what_was_printed(target, tmp_path):
    """With the heap, the trend and the verdict, and whatever is traced by default."""
    path = str(tmp_path / "x.plt")
    live = tool("record", "-p", str(target.pid), "-o", path, "-v", "2", "1")
    assert live.returncode == 0, live.stderr
    assert live.stdout.startswith("Attaching to pid")
    assert report(path, "-v").stdout == live.stdout[live.stdout.index("\n") + 1 :]


def test_outputs_and_groups_are_those_of_a_trace(target, tmp_path, validate):
    """No root, no target: the file is enough."""
    recording = Recording(target, tmp_path, "--exact", "--older", "0")
    try:
        target.do("of_size", n=100, n_keep=50, size=6543)
        assert recording.end() == 0
    finally:
        recording.close()
    target.close()
    os.chmod(recording.path, 0o644)
    files = [str(tmp_path / name) for name in ("r.json", "r.txt", "r.folded", "r.svg", "r.html")]
    report(recording.path, "-v", *(word for name in files for word in ("-o", name)))
    data = json.loads((tmp_path / "r.json").read_text())
    validate(data)
    assert data["target"]["pid"] == target.pid
    assert all(os.path.getsize(name) for name in files)
    grouped = report(recording.path, "--group-by", "line", "--module", "accounts")
    assert re.search(r"fill \(.*accounts\.py:%d\)" % target.line("of_size"), grouped.stdout)


def test_what_grew_between_two_reports(target, tmp_path, validate):
    recording = Recording(target, tmp_path, "--exact", "--older", "0")
    try:
        target.do("of_size", n=100, n_keep=50, size=6543)
        recording.report_now()
        target.do("of_size", n=100, n_keep=70, size=6543)
        assert recording.end() == 0
    finally:
        recording.close()
    result = tool("diff", recording.path)
    assert result.returncode == 0, result.stderr
    assert re.match(r"[+-][\d.]+ \S+ of memory \(RSS\) between ", result.stdout)
    assert "+%d bytes in +70 allocations from stack" % (70 * 6543) in result.stdout
    data = json.loads(tool("diff", recording.path, "-f", "json").stdout)
    validate(data)
    assert any(
        stack["bytes_after"] - stack["bytes_before"] == 70 * 6543
        for stack in data["difference"]["stacks"]
    )
    folded = tool("diff", recording.path, recording.path, "-f", "folded")
    assert (folded.returncode, folded.stdout) == (0, "")
    result = tool("diff", recording.path, recording.path, "--to", "1")
    assert result.returncode == 64 and "of one recording" in result.stderr


def test_killed_at_any_moment(target, tmp_path):
    """What was written is read; at most the last report is cut."""
    choose = random.Random(18)
    for i in range(KILLS):
        recording = Recording(target, tmp_path, name="%d.plt" % i, interval="0.01")
        try:
            # the moment is any: nothing that is asserted depends on it
            harness.until(lambda: os.path.getsize(recording.path), "the first report")
            time.sleep(choose.random() / 5)
            assert recording.end(signal.SIGKILL) == -signal.SIGKILL
        finally:
            recording.close()
        result = report(recording.path, "-T", "0")
        assert result.stdout.strip()
        assert result.stderr.count("\n") <= 2, result.stderr
        target.do("of_size", n=10, n_keep=1, size=6543)


def test_damage_is_said_and_passed_over(tmp_path):
    with open(os.path.join(harness.ROOT, "tests/data/recording-1.plt"), "rb") as f:
        whole = f.read()
    second = whole.index(whole[:4], 4)
    path = tmp_path / "x.plt"
    path.write_bytes(whole + b"more" + whole)
    result = report(str(path))
    assert "x.plt: 4 bytes from byte %d on are damaged" % len(whole) in result.stderr
    assert "report 4 of 4" in result.stderr
    path.write_bytes(whole[:-1])
    result = report(str(path))
    assert "x.plt: the last %d bytes are not a whole report" % (len(whole) - 1 - second) in (
        result.stderr
    )
    assert "report 1 of 1" in result.stderr
    # the first report of a segment has the names of the others
    path.write_bytes(whole[:40] + b"?" + whole[41:])
    result = tool("report", str(path))
    assert result.returncode == 1 and "names that it needs" in result.stderr
    path.write_bytes(b"")
    result = tool("report", str(path))
    assert result.returncode == 64 and "no report was due yet" in result.stderr


def test_what_is_recorded_stays(target, tmp_path):
    path = tmp_path / "x.plt"
    path.write_text("mine")
    result = tool("record", "-p", str(target.pid), "-o", str(path), "1", "1")
    assert result.returncode == 64 and "never written over" in result.stderr
    assert path.read_text() == "mine"
    result = tool("record", "-p", str(target.pid), "1", "1")
    assert result.returncode == 64 and "-o FILE" in result.stderr
    result = tool("report", str(path))
    assert result.returncode == 64 and "no report" in result.stderr
    # no process: nothing is left
    result = tool("record", "-p", "4194303", "-o", str(tmp_path / "y.plt"), "1", "1")
    assert result.returncode == 2 and not (tmp_path / "y.plt").exists()
