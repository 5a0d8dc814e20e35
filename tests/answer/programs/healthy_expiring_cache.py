# SPDX-License-Identifier: BSD-2-Clause
"""Sessions that live for eight seconds; every four seconds the old ones are dropped."""
import time

import service

SESSIONS = {}


def expire(now):
    for key in [key for key, session in SESSIONS.items() if session["until"] < now]:
        del SESSIONS[key]


def handle(n):
    answer = service.work(n)
    SESSIONS[n] = {"until": time.monotonic() + 8, "title": answer["title"]}
    if n % 800 == 0:
        expire(time.monotonic())


def main():
    for n in service.turns():
        handle(n)


if __name__ == "__main__":
    main()
