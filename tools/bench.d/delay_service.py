# SPDX-License-Identifier: BSD-2-Clause
"""A service whose requests come at fixed times, whether the ones before are done or not.

usage: delay_service.py RATE WORK_MS leaky|healthy thread|asyncio

Each line that it reads is a number of seconds; then it serves for so long, and answers with the
latencies in microseconds, of each request from when it was due to when it was done.
"""
import array
import asyncio
import ctypes
import json
import sys
import time

RECORD = {"id": 1, "items": [{"name": "item %d" % i, "price": i * 1.5} for i in range(8)]}
lose = ctypes.pythonapi.Py_IncRef
lose.argtypes = [ctypes.py_object]
lose.restype = None


def work(turns):
    for _ in range(turns):
        json.loads(json.dumps(RECORD))


def turns_in(work_s):
    """Work is a number of turns: what slows the service down must not shorten a request."""
    turns, took = 500, []
    for _ in range(9):
        begin = time.thread_time()
        work(turns)
        took.append((time.thread_time() - begin) / turns)
    return max(1, round(work_s / sorted(took)[len(took) // 2]))


def request(turns, leaks):
    work(turns)
    if leaks:
        lose("lost %d %s" % (time.monotonic_ns(), "x" * 200))


def room_for(n):
    """What is measured must not grow: a healthy service has nothing that does."""
    return array.array("q", bytes(8 * n))


def serve(rate, turns, leaks, seconds):
    latencies, begin = room_for(int(rate * seconds)), time.monotonic()
    for i in range(len(latencies)):
        due = begin + i / rate
        time.sleep(max(0, due - time.monotonic()))
        request(turns, leaks)
        latencies[i] = int((time.monotonic() - due) * 1e6)
    return latencies


async def serve_async(rate, turns, leaks, seconds):
    latencies, begin = room_for(int(rate * seconds)), time.monotonic()
    tasks = [None] * 100

    async def one(i, due):
        request(turns, leaks)
        latencies[i] = int((time.monotonic() - due) * 1e6)

    for i in range(len(latencies)):
        due = begin + i / rate
        await asyncio.sleep(max(0, due - time.monotonic()))
        tasks[i % len(tasks)] = asyncio.create_task(one(i, due))
    await asyncio.gather(*filter(None, tasks))
    return latencies


def main():
    rate, work_s = float(sys.argv[1]), float(sys.argv[2]) / 1e3
    leaks, is_async = sys.argv[3] == "leaky", sys.argv[4] == "asyncio"
    turns = turns_in(work_s)
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = float(line)
        if is_async:
            latencies = asyncio.run(serve_async(rate, turns, leaks, seconds))
        else:
            latencies = serve(rate, turns, leaks, seconds)
        print(json.dumps(latencies.tolist()), flush=True)


main()
