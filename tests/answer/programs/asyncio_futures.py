# SPDX-License-Identifier: BSD-2-Clause
"""Replies are awaited by number; those that time out stay in the table."""
import asyncio

import service

REPLIES = {}


def expect(n):
    REPLIES[n] = asyncio.get_event_loop().create_future()  # leaks here
    return REPLIES[n]


async def handle(n):
    service.work(n)
    reply = expect(n)
    reply.add_done_callback(lambda done: None)
    if not service.LEAKS:
        del REPLIES[n]


async def main():
    pace = service.Pace(200)
    while True:
        await asyncio.sleep(pace.next())
        pace.check()
        await handle(pace.turns)


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(main())
