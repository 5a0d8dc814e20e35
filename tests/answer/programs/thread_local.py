# SPDX-License-Identifier: BSD-2-Clause
"""A worker thread with a buffer of its own, which is written to and never flushed."""
import queue
import threading

import service

JOBS = queue.Queue(100)
LOCAL = threading.local()


def trace(n, answer):
    LOCAL.spans.append({"span": n, "title": answer["title"]})  # leaks here
    if not service.LEAKS:
        del LOCAL.spans[:-50]


def worker():
    LOCAL.spans = []
    while True:
        n = JOBS.get()
        trace(n, service.work(n))


def main():
    threading.Thread(target=worker, daemon=True).start()
    for n in service.turns():
        JOBS.put(n)


if __name__ == "__main__":
    main()
