# SPDX-License-Identifier: BSD-2-Clause
"""The service of tools/demo: the report has its three leaks and none of its garbage."""
import contextlib
import os
import re
import subprocess

import harness


class Service:
    """The demo's service, with what attach() needs to know of it."""

    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, "-u", os.path.join(harness.ROOT, "tools", "demo-service"), "--seconds", "600"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.out, self.err = harness.Reader(self.process.stdout), harness.Reader(
            self.process.stderr
        )
        said = self.out.wait(r"^serving pid (\d+) on port \d+\n")
        assert said, self.err.text
        self.pid = int(said[1])

    def close(self):
        self.process.terminate()
        code = self.process.wait(harness.DEADLINE_S)
        self.out.close()
        self.err.close()
        return code


@contextlib.contextmanager
def serving(python):
    """The service; it exits cleanly."""
    service = Service(python.command)
    try:
        assert service.pid == service.process.pid
        yield service
    finally:
        code = service.close()
    assert code == 0, service.err.text


def until_shown(tool, leaks):
    harness.until(
        lambda: all(re.search(leak, text, re.M) for text in [tool.report_now()] for leak in leaks),
        "the leaks to show",
    )


def test_three_leaks_are_found(one_python, attach):
    with serving(one_python) as service:
        tool = attach(service, "-T", "0")
        until_shown(
            tool,
            [
                r"^\t\tremember \(.*sessions\.py:",
                r"^\t\twatermark \(.*images\.py:",
                r"^\t\tplace \(.*orders\.py:",
            ],
        )
        report = tool.finish()
    leaks = {
        function: stack
        for function in ("remember", "watermark", "place")
        for stack in report.stacks(function=function)
    }
    assert leaks["watermark"]["domain"] == "malloc"
    assert leaks["remember"]["domain"] == leaks["place"]["domain"] == "object"
    # something of a page that was being served at that moment may be left, but no more
    page = report.at(function=one_python.qualified("Handler.page", "page"))
    assert (
        page["outstanding_count"] < leaks["watermark"]["outstanding_count"]
        or page["outstanding_count"] < 500
    )
    assert report.totals["missed_frees"] == 0


def test_three_leaks_are_found_below_the_ceiling(one_python, attach):
    """In the default mode: the growing container and what fills it, and the lines of the other two
    leaks."""
    with serving(one_python) as service:
        tool = attach(service, "-v", "-T", "0", exact=False)
        until_shown(
            tool,
            [
                r"^shop\.sessions\.SESSIONS dict, .*\n +\+\d+ inserted(?:, in \d+ changes,)? by:\n"
                r"(?:\t\t.*\n)*?\t\tremember \(.*sessions\.py:",
                r"^\t\twatermark \(.*images\.py:",
                r"^\t\tplace \(.*orders\.py:",
            ],
        )
        report = tool.finish()
    rows = {
        row["container"]["path"]: row["container"]
        for row in report.data["growing"]
        if "container" in row
    }
    sessions = rows["shop.sessions.SESSIONS"]
    # one session is one change; a change that a preemptible kernel kept from the program is said to
    # be lost
    assert sessions["inserted"] == sessions["insertions"] or report.losses["hits_unseen"]
    assert not report.data["mode"]["exact"] and report.totals["missed_frees"] == 0
