# SPDX-License-Identifier: BSD-2-Clause
"""A service whose requests come at fixed times, whether the ones before are done or not.

usage: delay_service.py RATE WORK_MS leaky|healthy thread|asyncio

Each line that it reads is a number of seconds; then it serves for so long, and answers with the
latencies in microseconds, of each request from when it was due to when it was done.
"""
import asyncio
import ctypes
import json
import sys
import time

RECORD = {"id": 1, "items": [{"name": "item %d" % i, "price": i * 1.5} for i in range(8)]}
lose = ctypes.pythonapi.Py_IncRef
lose.argtypes = [ctypes.py_object]
lose.restype = None


def request(work_s, leaks):
    """Work for about so long, by the clock that stands while others run."""
    end = time.thread_time() + work_s
    while time.thread_time() < end:
        json.loads(json.dumps(RECORD))
    if leaks:
        lose("lost %d %s" % (time.monotonic_ns(), "x" * 200))


def serve(rate, work_s, leaks, seconds):
    latencies, begin = [], time.monotonic()
    for i in range(int(rate * seconds)):
        due = begin + i / rate
        time.sleep(max(0, due - time.monotonic()))
        request(work_s, leaks)
        latencies.append(int((time.monotonic() - due) * 1e6))
    return latencies


async def serve_async(rate, work_s, leaks, seconds):
    latencies, begin = [], time.monotonic()

    async def one(due):
        request(work_s, leaks)
        latencies.append(int((time.monotonic() - due) * 1e6))

    tasks = []
    for i in range(int(rate * seconds)):
        due = begin + i / rate
        await asyncio.sleep(max(0, due - time.monotonic()))
        tasks.append(asyncio.create_task(one(due)))
        tasks = tasks[-100:]
    await asyncio.gather(*tasks)
    return latencies


def main():
    rate, work_s = float(sys.argv[1]), float(sys.argv[2]) / 1e3
    leaks, is_async = sys.argv[3] == "leaky", sys.argv[4] == "asyncio"
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = float(line)
        if is_async:
            latencies = asyncio.run(serve_async(rate, work_s, leaks, seconds))
        else:
            latencies = serve(rate, work_s, leaks, seconds)
        print(json.dumps(latencies), flush=True)


main()
