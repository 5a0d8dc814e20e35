# SPDX-License-Identifier: BSD-2-Clause
"""The processes of a benchmark: the target, and the tracers that watch it. All of them are led by
handshake."""
import glob
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE_S = 600
AGAIN_S = 5  # a signal that was not heeded is sent again
CLOSE_S = 20  # for the last output of a process that has ended
NEVER_S = "36000"  # an interval that does not come about: reports are asked for
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


# of a folder of Python packages
PACKAGES = ("flask", "werkzeug", "jinja2", "itsdangerous", "click", "markupsafe")


class Failed(Exception):
    """Something that makes the figures worthless; the text says what."""


class Lines:
    """Lines of a pipe as they come, each with the moment at which it came."""

    def __init__(self, stream):
        self.lines = []  # (monotonic seconds, text)
        self.closed = False
        self.news = threading.Condition()
        self.stream = stream
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        for line in self.stream:
            with self.news:
                self.lines.append((time.monotonic(), line.decode("utf-8", "replace")))
                self.news.notify_all()
        with self.news:
            self.closed = True
            self.news.notify_all()

    def text(self):
        return "".join(line for _, line in self.lines)

    def wait(self, pattern, start=0):
        """-> (moment, match) of the first line from number `start` on that the pattern is found
        in"""
        end = time.monotonic() + DEADLINE_S
        with self.news:
            while True:
                while start < len(self.lines):
                    match = re.search(pattern, self.lines[start][1])
                    if match:
                        return self.lines[start][0], match
                    start += 1
                if self.closed:
                    raise Failed("ended without %r: %s" % (pattern, self.text()[-2000:]))
                if not self.news.wait(max(0.0, end - time.monotonic())):
                    raise Failed("waited %d s for %r" % (DEADLINE_S, pattern))


def close(process, *lines):
    """End a process of ours and its readers."""
    if process.poll() is None:
        process.kill()
    process.wait(DEADLINE_S)
    if process.stdin:
        process.stdin.close()
    for reader in lines:
        reader.thread.join(CLOSE_S)
        if reader.thread.is_alive():
            raise Failed(
                "%s has ended, but somebody keeps its output open"
                % os.path.basename(process.args[0])
            )
        reader.stream.close()


class Stage:
    """The target's programs, in a folder that an interpreter sees (which may run in a root of its
    own)."""

    def __init__(self, python, loops):
        with subprocess.Popen(
            [python, "-u", "-c", "print('ready'); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as probe:
            ready = probe.stdout.readline().strip() == b"ready"
            root = os.readlink("/proc/%d/root" % probe.pid) if ready else ""
            probe.stdin.close()
        if not ready:
            raise Failed("%s is no Python that runs here" % python)
        self.folder = tempfile.mkdtemp(prefix="pyleaktrace-bench.", dir=root.rstrip("/") + "/tmp")
        self.seen_as = self.folder[len(root.rstrip("/")) :]
        os.chmod(self.folder, 0o755)
        for name in ("target.py", "workloads.py"):
            shutil.copy(os.path.join(HERE, name), self.folder)
        self.loops = shutil.copy(loops, self.folder)
        self.bring_packages()

    def bring_packages(self):
        """Debian's packages of pure Python, for interpreters that have none of their own; after the
        ones that they have."""
        for name in PACKAGES:
            source = os.path.join("/usr/lib/python3/dist-packages", name)
            if os.path.isdir(source):
                shutil.copytree(
                    source,
                    os.path.join(self.folder, "site", name),
                    ignore=shutil.ignore_patterns("*.so", "__pycache__"),
                )

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Target:
    """target.py under an interpreter."""

    def __init__(self, python, stage):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "LC_ALL": "C.UTF-8",
        }
        self.stage = stage
        self.process = subprocess.Popen(
            [python, stage.seen_as + "/target.py"],
            cwd="/",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self.process.pid
        self.facts = self.do("facts")

    def do(self, command, **arguments):
        self.process.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Failed("the target has ended")
        return json.loads(answer)["done"]

    def module(self, pattern):
        """The file, of those mapped with code, whose name matches; None when there is none."""
        with open("/proc/%d/maps" % self.pid, encoding="utf-8") as maps:
            for line in maps:
                words = line.rstrip("\n").split(None, 5)
                if (
                    len(words) == 6
                    and "x" in words[1]
                    and re.search(pattern, os.path.basename(words[5]))
                ):
                    return words[5]
        return None

    def interpreter(self):
        return self.module(r"^libpython3") or os.path.realpath("/proc/%d/exe" % self.pid)

    def close(self):
        close(self.process)
        self.process.stdout.close()


class Tool:
    """pyleaktrace on a target, everything traced; or, not exact, below its ceiling."""

    def __init__(self, command, target, *options, exact=True):
        self.folder = tempfile.mkdtemp(prefix="pyleaktrace-bench.")
        self.report_file = os.path.join(self.folder, "report.json")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                command,
                "-p",
                str(target.pid),
                *(["--exact"] if exact else ["-X", "trace=always"]),
                "-o",
                self.report_file,
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
        )
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        try:
            self.attach_s = self.err.wait(r"^pyleaktrace: tracing pid")[0] - began
        except Failed:
            self.close()
            raise

    def report(self):
        """Have a report made; the seconds it took."""
        start = len(self.out.lines)
        began = time.monotonic()
        self.process.send_signal(signal.SIGUSR1)
        return self.out.wait(r"^cost: ", start)[0] - began

    def cpu_s(self):
        """CPU time of all its threads so far."""
        with open("/proc/%d/stat" % self.process.pid, encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def memory(self):
        """The Vm... and Rss... lines of /proc/PID/status, in bytes"""
        with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as status:
            rows = re.findall(r"^((?:Vm|Rss)\w+):\s+(\d+) kB", status.read(), re.M)
        return {name: int(kib) * 1024 for name, kib in rows}

    def finish(self):
        """Ctrl-C: the final report as data, and what the end took: last_report_s, detach_s."""
        start = len(self.out.lines)
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        reported = self.out.wait(r"^cost: ", start)[0]
        code = self.process.wait(DEADLINE_S)
        ended = time.monotonic()
        self.close()
        if code:
            raise Failed("pyleaktrace ended with %d: %s" % (code, self.err.text()))
        return self.data, {"last_report_s": reported - began, "detach_s": ended - reported}

    def close(self):
        close(self.process, self.out, self.err)
        try:
            with open(self.report_file, encoding="utf-8") as report:
                self.data = json.load(report)
        except FileNotFoundError:
            self.data = None
        shutil.rmtree(self.folder, ignore_errors=True)


class Bpftrace:
    """bpftrace with probes on a target; groups: name -> list of probes; each group is counted or
    ignored."""

    def __init__(self, target, groups, action):
        text = []
        marks = [
            'uprobe:%s:bench_%s_mark { printf("%s\\n"); }' % (target.stage.loops, which, which)
            for which in ("first", "last")
        ]
        text.append(marks[0])
        for name, probes in groups.items():
            if probes:
                text.append("%s %s" % (",\n".join(probes), action.replace("GROUP", name)))
        text.append(marks[1])
        self.target = target
        self.process = subprocess.Popen(
            ["bpftrace", "-q", "-B", "line", "-p", str(target.pid), "-e", "\n".join(text)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)
        # it says nothing when it is attached; its first and its last probe do
        end = time.monotonic() + DEADLINE_S
        while not all(
            any(which in line for _, line in self.out.lines) for which in ("first", "last")
        ):
            if time.monotonic() > end:
                self.close()
                raise Failed("bpftrace does not say that it is attached")
            if self.process.poll() is not None:
                self.close()
                raise Failed("bpftrace: " + self.err.text().strip()[-300:])
            target.do("mark")
            with self.out.news:
                self.out.news.wait(0.05)

    def finish(self):
        """-> what each group counted"""
        for _ in range(DEADLINE_S // AGAIN_S):
            # it overlooks a signal that does not interrupt its poll
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(AGAIN_S)
                break
            except subprocess.TimeoutExpired:
                pass
        self.close()
        if self.process.returncode:
            raise Failed(
                "bpftrace ended with %d: %s"
                % (self.process.returncode, self.err.text().strip()[-300:])
            )
        return {name: int(n) for name, n in re.findall(r"^@(\w+): (\d+)$", self.out.text(), re.M)}

    def close(self):
        close(self.process, self.out, self.err)


def bpftrace_probes(target):
    """-> groups of probes that count the same functions by name, as one would write it by hand"""
    libc, python = target.module(r"^libc[.-]"), target.interpreter()
    listed = subprocess.run(
        ["bpftrace", "-l", "uprobe:%s:*PyObject_*" % python],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=DEADLINE_S,
    ).stdout.decode()
    names = {line.rpartition(":")[2] for line in listed.split()}
    groups = {
        "malloc": ["uprobe:%s:%s" % (libc, f) for f in ("malloc", "calloc", "realloc")],
        "free": ["uprobe:%s:free" % libc],
        "pymalloc": [],
        "pyfree": [],
    }
    for group, functions in (("pymalloc", ("Malloc", "Calloc", "Realloc")), ("pyfree", ("Free",))):
        for function in functions:
            name = next(
                (n for n in ("_PyObject_" + function, "PyObject_" + function) if n in names), None
            )
            if name:
                groups[group].append("uprobe:%s:%s" % (python, name))
    return groups


def default_pythons():
    """Debian's own and the newest of pyenv, those of them that are here."""
    found = [path for path in ("/usr/bin/python3.11",) if os.access(path, os.X_OK)]
    owner = os.environ.get("SUDO_USER") or ""
    homes = [
        os.environ.get("PYENV_ROOT"),
        os.path.expanduser("~/.pyenv"),
        os.path.expanduser("~%s/.pyenv" % owner),
    ]
    for home in filter(None, homes):
        rows = []
        for path in glob.glob(home + "/versions/3.*/bin/python3"):
            match = re.search(r"/versions/(3\.\d+\.\d+)/", path)
            if match and os.access(path, os.X_OK):
                rows.append((tuple(int(word) for word in match[1].split(".")), path))
        if rows:
            found.append(max(rows)[1])
            break
    return found


def median(values):
    return statistics.median(values) if values else None
