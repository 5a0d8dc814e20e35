# SPDX-License-Identifier: BSD-2-Clause
"""A small web shop that leaks memory in three ways. What tools/demo shows pyleaktrace with.

usage: python3 tools/demo-service [--seconds N] [--clients N]

Serves on a free port of the loopback interface and sends itself requests from a second process.
Prints one line when it is at work, and ends by itself after N seconds (60) or at SIGTERM. Standard
library only.
"""
import argparse
import gc
import os
import signal
import subprocess
import sys
import threading

from shop import web


def start_clients(port, clients):
    load = os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.py")
    return subprocess.Popen([sys.executable, load, str(port), str(clients)], stdin=subprocess.PIPE)


def main():
    parser = argparse.ArgumentParser(prog="demo-service")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=2)
    options = parser.parse_args()

    # "It made the slowest requests faster." It also means that cycles are never freed: the third
    # leak.
    gc.disable()

    server = web.Server(("127.0.0.1", 0), web.Handler)
    load = start_clients(server.server_address[1], options.clients)
    stop = threading.Timer(options.seconds, server.shutdown)
    stop.daemon = True
    stop.start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("serving pid %d on port %d" % (os.getpid(), server.server_address[1]), flush=True)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        # the load ends when its input does, whoever closes it
        load.stdin.close()
        load.wait()
    server.server_close()


main()
