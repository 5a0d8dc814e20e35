# SPDX-License-Identifier: BSD-2-Clause
"""A master and its workers, as in prefork servers. A worker works on command, never by itself."""
import os
import subprocess
import sys

import serve

workers = []  # [(pid, to, from)]
others = []


def compute():
    total = 0
    for number in range(300000):
        total += number
    return total


def worker(orders, answers):
    while os.read(orders, 1):
        compute()
        os.write(answers, b".")
    os._exit(0)


def fork(n):
    """n children that run the same program as their parent, and one that is not Python; returns the
    pids of the n."""
    others.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE))
    for _ in range(n):
        orders, answers = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            os.close(orders[1])
            for _, to, _ in workers:
                os.close(to)
            others[0].stdin.close()
            worker(orders[0], answers[1])
        os.close(orders[0])
        workers.append((pid, orders[1], answers[0]))
    return [pid for pid, _, _ in workers]


def workers_work(n):
    for _ in range(n):
        for _, to, _ in workers:
            os.write(to, b".")
        for _, _, answers in workers:
            os.read(answers, 1)


def master_works(n):
    for _ in range(n):
        compute()


def all_work(n):
    for _ in range(n):
        workers_work(1)
        compute()


serve.serve({"fork": fork, "workers_work": workers_work, "master_works": master_works, "all_work": all_work})
