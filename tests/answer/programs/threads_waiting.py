# SPDX-License-Identifier: BSD-2-Clause
"""A thread for each subscriber, which waits for news for ever."""
import threading

import service


def wait_for_news(event):
    event.wait()


def subscribe(n):
    event = threading.Event()
    if not service.LEAKS:
        event.set()
    thread = threading.Thread(target=wait_for_news, args=(event,), daemon=True)
    thread.start()  # leaks here


def handle(n):
    service.work(n)
    if n % 100 == 0:
        subscribe(n)


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
