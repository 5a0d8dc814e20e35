# SPDX-License-Identifier: BSD-2-Clause
"""What the programs have in common: work that comes and goes at a steady rate, and an end.

A program goes through turns(), does work() in each, and leaks where LEAKS says so. It is ready
after WARM_S and says so on stdout; once a second it says how many turns it has done and what they
cost. It ends when its stdin is closed, and after LIFETIME_S.

Cost is CPU time in yardsticks: a piece of work of constant size is done in each turn, too, and
takes as much longer as the machine is slower just then. It allocates nothing.
"""
import argparse
import collections
import itertools
import json
import os
import select
import sys
import time

LIFETIME_S = 600
WARM_S = 2
YARDSTICK = 2000  # steps

_parser = argparse.ArgumentParser()
_parser.add_argument("--control", action="store_true", help="the same without the leak")
_parser.add_argument("--for", dest="seconds", type=float, default=LIFETIME_S)
_options = _parser.parse_args()

LEAKS = not _options.control

_recent = collections.deque(maxlen=200)


def work(n):
    """A request: made, parsed, answered, and soon dropped."""
    rows = [{"id": i, "name": "item %d" % (20 * n + i), "price": 1.5 * i} for i in range(30)]
    page = json.dumps({"turn": n, "rows": rows})
    words = " ".join(row["name"] for row in json.loads(page)["rows"]).split()
    answer = {"bytes": len(page), "words": len(words), "title": "page %d" % n}
    _recent.append(answer)
    return answer


class Pace:
    """A number of turns a second."""

    def __init__(self, per_s):
        self.step_s = 1.0 / per_s
        self.turns = 0
        self.began = self.due = self.said = time.monotonic()
        self.is_ready = False
        self.cost = 0.0
        self.cpu_s = time.process_time()
        self.yardsticks_s, self.yardsticks = 0.0, 0

    def _measure(self):
        before = time.process_time()
        for _ in itertools.repeat(None, YARDSTICK):
            pass
        self.yardsticks_s += time.process_time() - before
        self.yardsticks += 1

    def _add_up(self):
        """What was done since the last time, by the machine's speed meanwhile."""
        if not self.yardsticks_s:
            return
        cpu_s = time.process_time()
        own_s = cpu_s - self.cpu_s - self.yardsticks_s
        self.cost += own_s * self.yardsticks / self.yardsticks_s
        self.cpu_s = cpu_s
        self.yardsticks_s, self.yardsticks = 0.0, 0

    def _say(self, **what):
        print(json.dumps(what), flush=True)

    def _progress(self, key):
        self._add_up()
        self._say(**{key: self.turns, "cpu_s": round(self.cost, 6)})

    def next(self):
        """How long to wait for the next turn."""
        now = time.monotonic()
        if not self.is_ready and now >= self.began + min(WARM_S, _options.seconds / 2):
            self.is_ready = True
            self._say(ready=os.getpid())
        if now >= self.said + 1:
            self.said = now
            self._progress("turns")
        self.turns += 1
        self._measure()
        self.due = max(self.due + self.step_s, now - 0.1)
        return max(0.0, self.due - now)

    def check(self, wait_s=0):
        """Wait that long. End at once when it is time: what has leaked would delay a tidy end."""
        over = time.monotonic() >= self.began + _options.seconds
        if over or (select.select([0], [], [], wait_s)[0] and not os.read(0, 4096)):
            self._progress("total")
            sys.stdout.flush()
            os._exit(0)

    def wait(self):
        self.check(self.next())


def turns(per_s=200):
    """0, 1, 2, ... at that rate."""
    pace = Pace(per_s)
    n = 0
    while True:
        pace.wait()
        yield n
        n += 1
