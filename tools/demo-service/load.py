# SPDX-License-Identifier: BSD-2-Clause
"""Visitors for the shop: usage load.py PORT CLIENTS. Ends when its standard input does."""
import http.client
import itertools
import sys
import threading

# what a visitor does: mostly he looks, now and then he buys
VISIT = ("/", "/article/7", "/image/7.png", "/article/12", "/image/12.png", "/order/12")


def visit(port, number, stopped):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        for visitor in itertools.count():
            for path in VISIT:
                if stopped.wait(0.002):
                    return
                connection.request(
                    "GET", path, headers={"Cookie": "visitor=%d-%d" % (number, visitor)}
                )
                connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return  # the shop has closed
    finally:
        connection.close()


def main():
    port, clients = int(sys.argv[1]), int(sys.argv[2])
    stopped = threading.Event()
    threads = [threading.Thread(target=visit, args=(port, n, stopped)) for n in range(clients)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()


main()
