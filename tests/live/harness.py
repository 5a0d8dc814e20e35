# SPDX-License-Identifier: BSD-2-Clause
"""What the live tests are built on: interpreters, targets under control, the tool, and its report.

Everything works by handshake: a target answers each command with a line, and the tool says when it
is attached and when a report is complete. The deadlines here only turn a hang into a failure.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("O", os.path.join(ROOT, "build"))
TOOL = os.environ.get("PYLEAKTRACE", os.path.join(BUILD, "pyleaktrace"))
PROGRAMS = os.path.join(ROOT, "tests", "programs")
SCHEMA = os.path.join(ROOT, "user", "export", "pyleaktrace-2.schema.json")
WANTED_PYTHONS = ("3.13", "3.14", "3.15")  # the ones that tools/fetch-pythons takes
WANTED_FREE_THREADED = ("3.13t", "3.14t", "3.15t")  # the ones that tools/build-nogil builds
# (name, source, flags) of what the programs load; it needs no library that a root may lack
LIBRARIES = [
    ("blocks", "blocks.c", ["-O1"]),
    ("native", "native.c", ["-O2", "-fomit-frame-pointer"]),
    (
        "native_cxx",
        "native_cxx.cc",
        ["-O2", "-fomit-frame-pointer", "-static-libstdc++", "-static-libgcc"],
    ),
    ("stepped", "stepped.c", ["-O2", "-fomit-frame-pointer", "-Wl,-z,lazy"]),
    ("throwing", "throwing.cc", ["-O2", "-fno-builtin"]),
] + [
    (name, "late.c", ["-O2", "-DNAME=" + name])
    for name in ("late_one", "late_two", "gone", "replaced")
]
DEADLINE_S = int(
    os.environ.get("PYLEAKTRACE_DEADLINE_S", "120")
)  # more where the machine is emulated (tools/kernels)
# reports are requested; the tool sends one unasked only after this many seconds
NEVER_S = "36000"

ABOUT = """if True:
    import json, sys, sysconfig
    print(json.dumps({"version": sys.version_info[:3],
                      "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED"))}))
"""


class Interpreter:
    """One CPython of this machine."""

    def __init__(self, name, command, root=""):
        self.name = name
        self.command = command
        self.root = root  # it runs in this folder as its /
        out = subprocess.run(
            [command, "-c", ABOUT], check=True, stdout=subprocess.PIPE, timeout=DEADLINE_S
        ).stdout
        about = json.loads(out)
        self.version = tuple(about["version"])
        self.free_threaded = about["free_threaded"]
        self.folder = None

    @property
    def is_distribution_build(self):
        """Built with PGO and LTO, as distributions do: the allocator is inlined."""
        return not self.name.startswith("pyenv-") and not self.free_threaded

    @property
    def text(self):
        """Its version, as reports print it."""
        return "%d.%d.%d" % self.version + ("t" if self.free_threaded else "")

    @property
    def has_gil(self):
        return not self.free_threaded

    def place(self):
        """Put the programs where this interpreter can see them; returns the folder's name as it
        sees it."""
        if self.folder is None:
            self.folder = "/tmp/pyleaktrace-live.%d" % os.getpid()
            if not os.path.isdir(self.root + self.folder):
                shutil.copytree(
                    PROGRAMS, self.root + self.folder, ignore=shutil.ignore_patterns("__pycache__")
                )
                build_libraries(self.root + self.folder)
        return self.folder

    def remove(self):
        if self.folder is not None:
            shutil.rmtree(self.root + self.folder, ignore_errors=True)

    def qualified(self, qualified, plain):
        """The name of a function in reports: code objects know qualified names from 3.11 on."""
        return qualified if self.version >= (3, 11) else plain


def find_interpreters():
    """-> interpreters, [(name, why it is missing)]"""
    found, missing = [], []
    home = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for folder in glob.glob(home + "/versions/3.*"):
        version = os.path.basename(folder)
        command = folder + "/bin/python3"
        if re.fullmatch(r"3\.\d+\.\d+", version) and os.access(command, os.X_OK):
            found.append(Interpreter("pyenv-" + version, command))
    for command in glob.glob("/usr/bin/python3.[0-9]*"):
        if re.fullmatch(r"python3\.\d+", os.path.basename(command)):
            found.append(
                Interpreter("system-" + command.rsplit("python", 1)[1], os.path.realpath(command))
            )
    pythons = os.path.join(BUILD, "pythons")
    for version in WANTED_PYTHONS:
        command = os.path.join(pythons, "bin", "python" + version)
        if os.access(command, os.X_OK) and os.geteuid() == 0:
            with open(command, encoding="utf-8") as f:
                suite = re.search(r"/roots/(\w+)\"", f.read())[1]
            found.append(
                Interpreter(
                    "%s-%s" % (suite, version), command, os.path.join(pythons, "roots", suite)
                )
            )
        else:
            missing.append(("debian-" + version, why_missing(pythons, version)))
    found.sort(key=lambda i: (i.version, i.name))
    return found, missing


def find_free_threaded():
    """The same for the builds without a GIL, which Debian does not package."""
    found, missing = [], []
    for version in WANTED_FREE_THREADED:
        command = os.path.join(BUILD, "nogil", version, "bin", "python" + version)
        if os.access(command, os.X_OK):
            found.append(Interpreter("built-" + version, command))
        else:
            missing.append(("built-" + version, why_missing(os.path.join(BUILD, "nogil"), version)))
    return found, missing


def why_missing(folder, version):
    try:
        with open(os.path.join(folder, "missing", version), encoding="utf-8") as f:
            return f.read().strip()
    except FileNotFoundError:
        if version in WANTED_FREE_THREADED:
            return "tools/build-nogil has not been run"
        return (
            "it runs in a root of its own, by chroot: needs root"
            if os.geteuid()
            else "tools/fetch-pythons has not been run"
        )


class Reader:
    """Collects what a child writes to a pipe; wait() blocks until a pattern appears."""

    def __init__(self, stream):
        self.text = ""
        self.closed = False
        self.news = threading.Condition()
        self.stream = stream
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        fd = self.stream.fileno()
        while True:
            piece = os.read(fd, 65536)
            with self.news:
                self.text += piece.decode("utf-8", "surrogateescape")
                self.closed = not piece
                self.news.notify_all()
            if not piece:
                return

    def close(self):
        """Once the writer has ended. The thread goes first: the number of a closed pipe is soon
        reused."""
        self.thread.join(DEADLINE_S)
        self.stream.close()

    def wait(self, pattern, start=0, deadline_s=DEADLINE_S):
        """The match of `pattern` in what came after `start`; None if the pipe closed without
        one."""
        end = time.monotonic() + deadline_s
        with self.news:
            while True:
                match = re.compile(pattern, re.M).search(self.text, start)
                if match or self.closed:
                    return match
                if not self.news.wait(max(0.0, end - time.monotonic())):
                    raise AssertionError(
                        "waited %d s for %r; there is: %r"
                        % (deadline_s, pattern, self.text[start:][-2000:])
                    )


def build(source, out, *options):
    """Compile a program of the live tests."""
    compiler = "g++" if source.endswith(".cc") else "gcc"
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", source, *options, "-o", out], check=True
    )


def build_libraries(folder):
    """Compile what the programs load into a folder. Where there is no compiler (tools/kernels) they
    are already built."""
    ready = os.environ.get("PYLEAKTRACE_LIBRARIES")
    for name, source, flags in LIBRARIES:
        out = "%s/%s.so" % (folder, name)
        if ready:
            shutil.copy("%s/%s.so" % (ready, name), out)
        else:
            build(os.path.join(PROGRAMS, source), out, *flags, "-shared", "-fPIC")


def until(condition, what, deadline_s=DEADLINE_S):
    """Poll a condition that nothing announces."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "waited %d s for %s" % (deadline_s, what)
        time.sleep(0.01)


def quiet(pid):
    """Wait until a process waits for its next command, so that two readings of it see the same
    moment."""

    def sleeps():
        states = []
        for task in os.listdir("/proc/%d/task" % pid):
            try:
                with open("/proc/%d/task/%s/stat" % (pid, task), encoding="utf-8") as f:
                    states.append(f.read().rpartition(")")[2].split()[0])
            except (FileNotFoundError, ProcessLookupError):
                return False  # it has just ended
        return set(states) == {"S"}

    until(sleeps, "the target to wait")


class Target:
    """A program of tests/programs under an interpreter, which obeys commands."""

    def __init__(self, interpreter, program, *args, env=None):
        self.interpreter = interpreter
        self.folder = interpreter.place()
        self.program = self.folder + "/" + program
        self.source = os.path.join(PROGRAMS, program)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "LC_ALL": "C.UTF-8",
            **(env or {}),
        }
        self.process = subprocess.Popen(
            [interpreter.command, "-u", self.program, *args],
            cwd="/",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self.pid = self.process.pid
        self.out, self.err = Reader(self.process.stdout), Reader(self.process.stderr)
        self.seen = 0
        self.said = self.answer("ready")

    def tell(self, command, **args):
        self.process.stdin.write(json.dumps({"do": command, "args": args}).encode() + b"\n")

    def answer(self, key="done"):
        match = self.out.wait(r"^(\{.*\})\n", self.seen)
        assert match, "the target ended: " + self.err.text[-2000:]
        self.seen = match.end()
        said = json.loads(match[1])
        assert key in said, "the target says %r; stderr: %s" % (said, self.err.text[-2000:])
        return said[key]

    def do(self, command, **args):
        """Run one workload; returns its answer."""
        self.tell(command, **args)
        return self.answer()

    def line(self, marker):
        """Number of the line marked `# line: MARKER` in the program."""
        with open(self.source, encoding="utf-8") as f:
            found = [
                n for n, text in enumerate(f, 1) if text.rstrip().endswith("# line: " + marker)
            ]
        assert len(found) == 1, "marker %s: lines %r" % (marker, found)
        return found[0]

    def quit(self):
        """Let it end by itself; returns its exit code."""
        if self.process.stdin:
            self.process.stdin.close()
        return self.process.wait(DEADLINE_S)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(DEADLINE_S)
        self.process.stdin.close()
        self.out.close()
        self.err.close()


class Command:
    """The tool at work until it is told to end. Its JSON report is read at the end."""

    def __init__(self, folder, arguments, env=(), command=None):
        self.json = os.path.join(str(folder), "report-%d.json" % time.monotonic_ns())
        self.process = subprocess.Popen(
            [*(command or [TOOL]), *arguments, "-o", self.json],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=str(folder),
            bufsize=0,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **dict(env)},
        )
        self.out, self.err = Reader(self.process.stdout), Reader(self.process.stderr)

    def ended(self):
        """Wait until it has ended by itself; returns the exit code. All it wrote is in out.text and
        err.text."""
        code = self.process.wait(DEADLINE_S)
        self.out.thread.join(DEADLINE_S)
        self.err.thread.join(DEADLINE_S)
        return code

    def report(self):
        """The final report, after it has ended."""
        with open(self.json, encoding="utf-8") as f:
            return json.load(f)

    def complete(self):
        """The final report, when it ends by itself. Any exit code but 0 is a failure."""
        code = self.ended()
        assert code == 0, "exit code %d: %s" % (code, self.err.text)
        return self.report()

    def finish(self, number=signal.SIGINT):
        """Press Ctrl-C; returns the final report."""
        self.process.send_signal(number)
        return self.complete()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait(DEADLINE_S)
        self.out.close()
        self.err.close()


class Tool(Command):
    """The trace of one target."""

    def __init__(
        self,
        pid,
        folder,
        *options,
        older="0",
        without="",
        exact=True,
        environment=None,
        command=None,
    ):
        super().__init__(
            folder,
            ["-p", str(pid), "--older", older, *(["--exact"] if exact else []), *options, NEVER_S],
            {"PYLEAKTRACE_WITHOUT": without, **(environment or {})},
            command,
        )
        self.pid = pid
        attached = self.err.wait(r"^pyleaktrace: tracing pid %d\b" % pid)
        assert attached, "it ended with %r: %s" % (self.process.wait(DEADLINE_S), self.err.text)

    def report_now(self):
        """Request a report; returns its text."""
        start = len(self.out.text)
        self.process.send_signal(signal.SIGUSR1)
        assert self.out.wait(r"^cost: .*\n", start), "no report; it says: " + self.err.text
        return self.out.text[start:]

    def report(self):
        return Report(super().report(), self.out.text)


def python_frames(stack):
    """[(function, file, line)], root first"""
    return [
        (f["function"], f.get("file"), f.get("line"))
        for f in stack["frames"]
        if f["kind"] == "python"
    ]


class Report:
    """A JSON report, with sums by what a test knows: the leaf line and the domain."""

    SUMS = ("outstanding_bytes", "outstanding_count", "allocated_bytes", "allocated_count")

    def __init__(self, data, text=""):
        self.data = data
        self.text = text
        self.totals = data["totals"]
        self.losses = {loss["name"]: loss["count"] for loss in data["losses"]}

    def stacks(self, function=None, file=None, line=None, domain=None):
        """Stacks with that innermost Python frame."""
        for stack in self.data["stacks"]:
            frames = python_frames(stack)
            leaf = frames[-1] if frames else (None, None, None)
            if all(
                want is None or want == have
                for want, have in zip((function, file, line, domain), leaf + (stack["domain"],))
            ):
                yield stack

    def at(self, **where):
        """Sums over those stacks, without what is unknown of any of them (how much was allocated,
        if one is estimated)."""
        sums = dict.fromkeys(self.SUMS, 0)
        for stack in self.stacks(**where):
            sums = {name: sums[name] + stack[name] for name in sums if name in stack}
        return sums


def is_slowed(target, path):
    """Does this processor move memory in bulk slowly while a watchpoint is set? The tool's own
    measurement decides."""
    result = tool("watch", "-p", str(target.pid), path, "-d", "50ms", "-f", "json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["watch"]["string_loss"] > 0.1


def tool(*args, environment=None, **kwargs):
    """Run the tool until it exits."""
    return subprocess.run(
        [TOOL, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=DEADLINE_S,
        text=True,
        env=dict({"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **(environment or {})),
        errors="surrogateescape",
        **kwargs,
    )
