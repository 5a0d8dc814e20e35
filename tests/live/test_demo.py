# SPDX-License-Identifier: BSD-2-Clause
"""The service of tools/demo: its three leaks are in the report, its garbage is not."""
import os
import re
import subprocess

import harness


class Service:
    """The demo's service, as far as attach() wants to know it."""

    def __init__(self, python):
        self.process = subprocess.Popen([python, "-u", os.path.join(harness.ROOT, "tools", "demo-service"),
                                         "--seconds", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        self.out, self.err = harness.Reader(self.process.stdout), harness.Reader(self.process.stderr)
        said = self.out.wait(r"^serving pid (\d+) on port \d+\n")
        assert said, self.err.text
        self.pid = int(said[1])

    def close(self):
        self.process.terminate()
        code = self.process.wait(harness.DEADLINE_S)
        self.out.close()
        self.err.close()
        return code


def test_three_leaks(one_python, attach):
    service = Service(one_python.command)
    try:
        assert service.pid == service.process.pid
        tool = attach(service, "-T", "0")
        leaks = [r"\n\t\tremember \(.*sessions\.py:", r"\n\t\twatermark \(.*images\.py:", r"\n\t\tplace \(.*orders\.py:"]
        harness.until(lambda: all(re.search(leak, text) for text in [tool.report_now()] for leak in leaks),
                      "the leaks to show")
        report = tool.finish()
    finally:
        code = service.close()
    assert code == 0, service.err.text
    leaks = {function: stack for function in ("remember", "watermark", "place")
             for stack in report.stacks(function=function)}
    assert leaks["watermark"]["domain"] == "malloc"
    assert leaks["remember"]["domain"] == leaks["place"]["domain"] == "object"
    # of a page that was being answered at that moment something may be left, but no more
    page = report.at(function=one_python.qualified("Handler.page", "page"))
    assert page["outstanding_count"] < leaks["watermark"]["outstanding_count"] or page["outstanding_count"] < 500
    assert report.totals["missed_frees"] == 0
