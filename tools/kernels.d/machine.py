# SPDX-License-Identifier: BSD-2-Clause
"""One kernel in qemu without KVM: boots the root, and collects what inside.py writes to the second
serial port.

`thread=single`: with threads, emulated kernels panic at tracepoints now and then (`Oops: int3`),
which is no fault of theirs. `-icount`: an instruction takes two nanoseconds of the machine's own
time, however busy this host is, and idle time passes at once. Seconds of a machine are such
seconds.
"""
import dataclasses
import json
import os
import subprocess
import time

QEMU = "qemu-system-x86_64"


running = set()  # machines that are at work: end_all() ends them


@dataclasses.dataclass
class Result:
    """What came of a machine. `rows` are the messages of inside.py and of pytest_serial.py, in
    order."""

    rows: list
    took_s: float
    ended: bool  # it came to the end of its plan
    console: str


def messages(text):
    """Complete lines of the serial port -> the messages. A kernel that prints into them is no
    reason to stop."""
    rows = []
    for line in text.split("\n")[:-1]:
        try:
            row = json.loads(line.strip("\r\0 "))
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def run(image, root, folder, memory_mib, limit_s):
    """Boot, wait until it ends by itself, or end it after limit_s. Logs are left in `folder`."""
    os.makedirs(folder, exist_ok=True)
    console, results = os.path.join(folder, "console.log"), os.path.join(folder, "results.log")
    for path in (console, results):
        if os.path.exists(path):
            os.remove(path)
    began = time.monotonic()
    with subprocess.Popen(
        [
            QEMU,
            "-accel",
            "tcg,thread=single",
            "-icount",
            "shift=1,sleep=off",
            "-cpu",
            "max",
            "-smp",
            "1",
            "-m",
            str(memory_mib),
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
            "-kernel",
            image,
            "-initrd",
            root,
            "-append",
            "console=ttyS0 panic=-1",
            "-serial",
            "file:" + console,
            "-serial",
            "file:" + results,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as qemu:
        running.add(qemu)
        try:
            said = qemu.communicate(timeout=limit_s)[1]
        except subprocess.TimeoutExpired:
            qemu.kill()
            said = "ended after %d s\n" % limit_s
        finally:
            running.discard(qemu)
    took = time.monotonic() - began
    rows = messages(read(results))
    return Result(rows, took, any("end" in row for row in rows), read(console) + said)


def end_all():
    for qemu in list(running):
        qemu.kill()


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""
