# SPDX-License-Identifier: BSD-2-Clause
"""Six small services that leak. WORKLOADS: name -> function that makes a step; one call of it is
one step.

The line that allocates what stays ends with `# leak: NAME`, the one that puts it where it stays
with `# kept: NAME`. The steps are full speed (bursty rests in between). flask needs Debian's
python3-flask; Stage brings it along for other interpreters.
"""
import collections
import ctypes
import json
import os
import socket
import time


class Node:
    def __init__(self, number):
        self.number = number
        self.name = "node-%d" % number
        self.place = (number, number + 1, number + 2)
        self.fields = {"id": number}


def make_churn():
    """Small instances come and go; one in a thousand stays in a dict."""
    kept = {}
    state = {"step": 0, "number": 1000}

    def step():
        nodes = []
        for _ in range(20):
            state["number"] += 1
            nodes.append(Node(state["number"]))  # leak: churn
        total = sum(node.number for node in nodes)
        state["step"] += 1
        if state["step"] % 50 == 0:
            kept[state["step"]] = nodes[3]  # kept: churn
        return total

    return step


def make_json():
    """A document of about 4 KB is written, read, changed, written; one in 500 stays in a list."""
    kept = []
    state = {"step": 0}

    def step():
        state["step"] += 1
        n = state["step"]
        document = {
            "order": n,
            "customer": {"name": "customer %d" % n, "city": "Leuven"},
            "lines": [
                {
                    "sku": "A-%05d" % (n + i),
                    "count": i,
                    "price": i * 1.25,
                    "note": "as agreed by letter",
                    "tags": ["x", "y"],
                }
                for i in range(25)
            ],
        }
        parsed = json.loads(json.dumps(document))  # leak: json
        parsed["order"] += 1
        if n % 500 == 0:
            kept.append(parsed)  # kept: json
        return len(json.dumps(parsed))

    return step


def make_buffers():
    """Buffers of 1 KB to 64 KB, half-copied; one in 2,000 stays in a list."""
    kept = []
    newest = collections.deque(
        maxlen=64
    )  # holds the heap's end, or glibc would trim it at each step
    sizes = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 24 << 10, 48 << 10, 64 << 10]
    state = {"made": 0}

    def step():
        for size in sizes:
            buffer = bytearray(size)  # leak: buffers
            newest.append(bytes(buffer[: size // 2]))
            state["made"] += 1
            if state["made"] % 2001 == 0:  # (of all sizes in turn)
                kept.append(buffer)  # kept: buffers

    return step


def make_native():
    """Text is made, sorted, encoded; C memory comes and goes; every 20th step a strdup() is never
    freed."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.strdup.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.strdup.argtypes = [ctypes.c_char_p]
    state = {"step": 0}

    def step():
        state["step"] += 1
        words = ["word-%d-%d" % (state["step"], i) for i in range(30)]
        table = dict(zip(words, range(30)))
        text = " ".join(sorted(table)).encode()
        libc.free(libc.malloc(600))
        if state["step"] % 20 == 0:
            libc.strdup(text)  # leak: native

    return step


def make_bursty():
    """200 requests through a socket pair, then a rest; one request in 100 stays in a dict."""
    kept = {}
    ours, theirs = socket.socketpair()
    state = {"request": 0}

    def step():
        for i in range(200):
            state["request"] += 1
            line = "id=%d&user=u%d&path=/shop/item/%d&agent=browser-%d" % (
                state["request"],
                i,
                i * 7,
                i % 9,
            )
            ours.send(line.encode())
            request = dict(
                pair.split("=", 1) for pair in theirs.recv(4096).decode().split("&")
            )  # leak: bursty
            if state["request"] % 100 == 0:
                kept[state["request"]] = request  # kept: bursty
        time.sleep(0.02)

    return step


def make_flask():
    """A request to a handler that builds a record and answers with JSON; one record in 10 stays in
    a list."""
    import flask  # not everywhere

    app = flask.Flask(__name__)
    kept = []
    state = {"request": 0}

    @app.route("/order/<int:number>")
    def order(number):
        record = {
            "order": number,
            "customer": "customer %d" % number,
            "lines": [{"sku": "A-%05d" % (number + i), "count": i} for i in range(10)],
        }  # leak: flask
        if number % 10 == 0:
            kept.append(record)  # kept: flask
        return flask.jsonify(record)

    client = app.test_client()

    def step():
        state["request"] += 1
        return len(client.get("/order/%d" % state["request"]).data)

    return step


WORKLOADS = {
    "churn": make_churn,
    "json": make_json,
    "buffers": make_buffers,
    "native": make_native,
    "bursty": make_bursty,
    "flask": make_flask,
}

# steps in which each has leaked twice, at least
LEAST_STEPS = {"churn": 100, "json": 1000, "buffers": 501, "native": 40, "bursty": 1, "flask": 20}


def marked_line(workload, mark):
    """Number of the line in this file that has this mark for this workload; None when there is
    none."""
    with open(os.path.abspath(__file__), encoding="utf-8") as source:
        for number, text in enumerate(source, 1):
            if text.rstrip().endswith("# %s: %s" % (mark, workload)):
                return number
    return None


def leaking_line(workload):
    """Line number of a workload's leak in this file."""
    return marked_line(workload, "leak")
