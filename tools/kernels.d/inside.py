# SPDX-License-Identifier: BSD-2-Clause
"""Run in a machine of tools/kernels: does what /plan.json says. Standard output is the serial
port that the results go to, one JSON object a line (machine.py reads them)."""
import json
import os
import re
import select
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = ROOT + "/build/pyleaktrace"
COST = ROOT + "/build/tools/verifier-cost"
OBJECT = ROOT + "/build/bpf/x86/pyleaktrace.bpf.o"
REPORT = "/tmp/load.json"
TARGET = ROOT + "/tests/programs/lifecycle.py"


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def run(arguments, limit_s):
    """-> exit code (None: it took too long), what it printed, seconds"""
    began = time.monotonic()
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            text=True,
            errors="replace",
        )
        return done.returncode, done.stdout, time.monotonic() - began
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode("utf-8", "replace"), time.monotonic() - began


def start_target():
    target = subprocess.Popen(
        [sys.executable, "-u", TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    target.stdout.readline()  # it is ready
    return target


def end_target(target):
    target.stdin.close()
    return target.wait()


def watch(target, options, limit_s):
    """Start the tool on a target, and end it when every probe is live.
    -> exit code, what it said, seconds until then"""
    began, text, took = time.monotonic(), "", None
    tool = subprocess.Popen(
        [TOOL, "-p", str(target.pid), "-o", REPORT, *options, "36000"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while True:
        left = began + limit_s - time.monotonic()
        if left <= 0:
            tool.kill()
            text += "\nafter %d s it has not come to its end\n" % limit_s
            break
        if not select.select([tool.stderr], [], [], left)[0]:
            continue
        piece = os.read(tool.stderr.fileno(), 65536).decode("utf-8", "replace")
        if not piece:
            break
        text += piece
        if took is None and re.search(r"^pyleaktrace: tracing pid ", text, re.M):
            took = time.monotonic() - began
            tool.send_signal(signal.SIGINT)
    tool.stderr.close()
    return tool.wait(), text, took


LOADS = {"load": ["--exact", "--native", "no"], "load +C": ["--exact"], "load default": []}


def notes():
    """What the last watch says of itself: that it has gone on without C frames, or without
    tracing."""
    with open(REPORT, encoding="utf-8") as f:
        return [note["sentence"] for note in json.load(f).get("notes", [])]


def load(name, limit_s):
    began = time.monotonic()
    target = start_target()
    code, text, took = watch(target, LOADS[name], limit_s)
    lived = target.poll() is None and end_target(target) == 0
    missing = notes() if code == 0 else []
    passed = code == 0 and took is not None and lived and not missing
    text += "".join("\nnote: " + note for note in missing)
    if not lived:
        text += "\nthe target did not live: %r\n" % target.poll()
    elif not passed:
        target = start_target()
        text += (
            "\nthe same with -v, its last lines:\n"
            + watch(target, [*LOADS[name], "-v"], limit_s)[1][-5000:]
        )
        end_target(target)
    say(
        cell=name,
        outcome="passed" if passed else "failed",
        seconds=time.monotonic() - began,
        attach_s=took,
        text=text[-6000:],
    )


def refuses(since, limit_s):
    """On a kernel that is too old the tool says which one is needed, and the target is not
    touched."""
    target = start_target()
    code, text, took = watch(target, ["--exact"], limit_s)
    lived = target.poll() is None and end_target(target) == 0
    say(
        refuses=code == 69 and took is None and since in text and lived,
        text="exit code %d: %s" % (code, text[-6000:]),
    )


def verifier_cost(limit_s):
    """What tools/verifier-cost measures, when it has been built."""
    if os.access(COST, os.X_OK) and os.path.exists(OBJECT):
        code, text, took = run([COST, OBJECT, "1"], limit_s)
        say(cost=code, text=text[-12000:], seconds=took)


def kernel_log():
    """What the kernel's log has by now."""
    with open("/dev/kmsg", "rb", buffering=0) as f:
        os.set_blocking(f.fileno(), False)
        lines = []
        while True:
            try:
                record = os.read(f.fileno(), 8192)
            except BlockingIOError:
                return lines
            except BrokenPipeError:  # overwritten meanwhile
                continue
            head, _, text = record.decode("utf-8", "replace").partition(";")
            fields = head.split(",")
            lines.append((int(fields[0]) & 7, int(fields[2]) / 1e6, text.split("\n")[0]))


def main():
    with open("/plan.json", encoding="utf-8") as f:
        plan = json.load(f)
    booted_s = time.monotonic()
    say(kernel=os.uname().release, booted_s=booted_s)
    if plan["refused_before"]:
        refuses(plan["refused_before"], plan["limit_s"])
    for name in LOADS:
        if name in plan["parts"]:
            load(name, plan["limit_s"])
    if plan["tests"]:
        environment = dict(
            os.environ,
            PYTHONPATH=os.path.dirname(os.path.abspath(__file__)),
            PYLEAKTRACE_PYTHONS="system-%d.%d" % sys.version_info[:2],
            PYLEAKTRACE_ROUNDS="5",
            PYLEAKTRACE_LIBRARIES=ROOT + "/build/kernels/libraries",
            PYLEAKTRACE_DEADLINE_S=str(plan["test_limit_s"]),
            PYLEAKTRACE_TEST_LIMIT_S=str(plan["test_limit_s"]),
        )
        # results are written by the plugin; what pytest prints is for the console
        console = os.open("/dev/console", os.O_WRONLY)
        tests = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--color=no",
                "-p",
                "pytest_serial",
                "--tb=short",
                *["tests/live/" + test for test in plan["tests"]],
            ],
            env=dict(environment, REPORTS="/dev/ttyS1"),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd=ROOT,
        )
        say(tests=tests.returncode)
    if plan["run"]:
        code, text, took = run(["/bin/busybox", "sh", "-c", plan["run"]], plan["run_limit_s"])
        say(
            cell="run",
            outcome="passed" if code == 0 else "failed",
            seconds=took,
            text=text[-6000:],
            said=text[-20000:],
        )
    if "cost" in plan["parts"]:
        verifier_cost(plan["limit_s"])
    say(log=[line for line in kernel_log() if line[1] >= booted_s])
    say(end=True)


main()
