# SPDX-License-Identifier: BSD-2-Clause
"""Tasks that wait for an acknowledgement which never comes, in the set that keeps them alive."""
import asyncio

import service

WAITING = set()


async def acknowledge(n, event):
    name = "message %d" % n
    await event.wait()
    return name


def send(n):
    event = asyncio.Event()
    task = asyncio.ensure_future(acknowledge(n, event))  # leaks here
    WAITING.add(task)  # leaks here
    task.add_done_callback(WAITING.discard)
    return event


async def handle(n):
    service.work(n)
    event = send(n)
    if not service.LEAKS:
        event.set()


async def main():
    pace = service.Pace(200)
    while True:
        await asyncio.sleep(pace.next())
        pace.check()
        await handle(pace.turns)


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(main())
