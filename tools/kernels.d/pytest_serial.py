# SPDX-License-Identifier: BSD-2-Clause
"""pytest's half of inside.py: each test's outcome, as soon as it is known, to the serial port that
$REPORTS names."""
import json
import os
import signal

import pytest

LIMIT_S = int(os.environ["PYLEAKTRACE_TEST_LIMIT_S"])


class TooLong(Exception):
    pass


class Reports:
    def __init__(self):
        self.out = open(os.environ["REPORTS"], "w", encoding="utf-8")
        self.seconds = {}

    def say(self, **message):
        self.out.write(json.dumps(message) + "\n")
        self.out.flush()

    def pytest_runtest_logstart(self, nodeid):
        self.say(begins=nodeid)

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.failed or report.when == "call" or report.skipped:
            why = (
                report.longrepr[2]
                if report.skipped and isinstance(report.longrepr, tuple)
                else report.longreprtext
            )
            self.say(
                test=report.nodeid,
                outcome=report.outcome,
                seconds=self.seconds[report.nodeid],
                text=why[-6000:],
            )

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self):
        def late(*_):
            raise TooLong("it took more than %d s" % LIMIT_S)

        signal.signal(signal.SIGALRM, late)
        signal.alarm(LIMIT_S)
        yield
        signal.alarm(0)


def pytest_configure(config):
    config.pluginmanager.register(Reports())
