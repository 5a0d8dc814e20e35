# SPDX-License-Identifier: BSD-2-Clause
"""Events go into a queue faster than a thread takes them out."""
import queue
import threading
import time

import service

EVENTS = queue.Queue()


def consume():
    while True:
        EVENTS.get()
        if service.LEAKS:
            time.sleep(0.02)


def publish(n, answer):
    EVENTS.put({"event": n, "title": answer["title"]})  # leaks here


def main():
    threading.Thread(target=consume, daemon=True).start()
    for n in service.turns():
        publish(n, service.work(n))


if __name__ == "__main__":
    main()
