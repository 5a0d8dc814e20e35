# SPDX-License-Identifier: BSD-2-Clause
"""What the command line refuses, and how: one clear sentence, the documented exit code, and no
half-written output."""
import os
import re
import shutil
import subprocess

import pytest

import harness
from harness import tool


@pytest.fixture
def sleeper():
    """sleeper(command...) -> pid of a process that waits until the test is over"""
    running = []

    def run(*command):
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert running[-1].stdout.readline() == b"ready\n"
        return running[-1].pid

    yield run
    for process in running:
        process.stdin.close()
        process.wait(harness.DEADLINE_S)
        process.stdout.close()


def refused(result, code, *words):
    assert result.returncode == code, (result.returncode, result.stderr)
    lines = result.stderr.splitlines()
    assert 1 <= len(lines) <= 2 and lines[0].startswith("pyleaktrace:"), result.stderr
    for word in words:
        assert word.lower() in result.stderr.lower(), result.stderr
    assert "Top " not in result.stdout


def test_shell_is_refused(sleeper):
    pid = sleeper("/bin/sh", "-c", "echo ready; read x")
    refused(tool("-p", str(pid)), 2, "python")


def test_python_2_is_refused():
    command = os.path.expanduser("~/.pyenv/versions/2.7.18/bin/python2.7")
    if not os.access(command, os.X_OK):
        pytest.skip("no CPython 2.7 on this machine")
    process = subprocess.Popen(
        [command, "-u", "-c", "print('ready'); raw_input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        refused(tool("-p", str(process.pid)), 2, "2.7")
    finally:
        process.stdin.close()
        process.wait(harness.DEADLINE_S)
        process.stdout.close()


def test_missing_process_is_refused():
    gone = subprocess.Popen(["true"])
    gone.wait()
    refused(tool("-p", str(gone.pid)), 2, str(gone.pid))


def test_kernel_thread_is_refused():
    with open("/proc/2/comm", encoding="utf-8") as f:
        if f.read().strip() != "kthreadd":
            pytest.skip("pid 2 is no kernel thread here (a pid namespace)")
    refused(tool("-p", "2"), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["-p"],
        ["-p", "abc"],
        ["-p", "0"],
        ["-p", "-1"],
        ["-p", "1", "-T", "x"],
        ["-p", "1", "-T", "-1"],
        ["-p", "1", "--sort", "colour"],
        ["-p", "1", "--domain", "heap"],
        ["-p", "1", "-d", "5q"],
        ["-p", "1", "-d", ""],
        ["-p", "1", "--older", "soon"],
        ["-p", "1", "-z", "big"],
        ["-p", "1", "-z", "10", "-Z", "5"],
        ["-p", "1", "-X", "max-blocks=0"],
        ["-p", "1", "-X", "max-blocks=many"],
        ["-p", "1", "-X", "max-stacks=-5"],
        ["-p", "1", "-X", "max-blocks=99999999999999999999999"],
        ["-p", "1", "-X", "max-blocks"],
        ["-p", "1", "-X", "nothing=1"],
        ["-p", "1", "x"],
        ["-p", "1", "5", "x"],
        ["-p", "1", "5", "1", "1"],
        ["-p", "1", "-f", "poem"],
        ["-p", "1", "-o", "report.poem"],
        ["-p", "1", "-o", ""],
        ["-p", "1", "-o", "%q.json"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_refused_and_writes_nothing(arguments, tmp_path):
    refused(tool(*arguments, cwd=str(tmp_path)), 64)
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["heep", "-p", "1"], ["did you mean `pyleaktrace heap`?"]),
        (["docter"], ["did you mean `pyleaktrace doctor`?"]),
        (["-p", "1", "heap"], ["pyleaktrace heap -p PID"]),
        (["-p", "1", "haep"], ["pyleaktrace heap -p PID"]),
        (["5"], ["-p PID"]),
        (["heap"], ["pyleaktrace heap -p PID"]),
        (["tred", "-p", "1"], ["pyleaktrace trend"]),
        (["he\x1b[2Jap"], ["version"]),
    ],
)
def test_mistyped_command_is_not_run_as_a_program(arguments, words):
    """A word close to a command is not taken for a program, and a missing part is shown as it
    should be typed."""
    result = tool(*arguments)
    refused(result, 64, *words)
    assert "\x1b" not in result.stderr


VERBS = (
    "heap",
    "growth",
    "holders",
    "chain",
    "backrefs",
    "objects",
    "trend",
    "watch",
    "refs",
    "record",
    "report",
    "diff",
    "doctor",
)


def test_without_arguments_the_commands_are_listed():
    result = tool()
    assert (result.returncode, result.stdout) == (64, "")
    assert re.findall(r"^  (\w+)  ", result.stderr, re.M) == list(VERBS)
    assert len(result.stderr.splitlines()) <= 16 and "pyleaktrace -p PID" in result.stderr


def test_help_says_what_is_put_into_the_target():
    for arguments in (["--help"], ["help"]):
        said = tool(*arguments).stdout
        for words in ("breakpoints", "eight pointers", "debug registers"):
            assert words in " ".join(said.split()), words
        assert "othing is put" not in said
    for verb in VERBS:
        assert tool("help", verb).stdout == tool(verb, "--help").stdout != ""


def test_unwritable_output_is_refused_before_attaching(one_python, start, tmp_path):
    """The error comes before anything is attached."""
    target = start(one_python, "lifecycle.py")
    before = target.do("allocators")
    for name in ("/no/such/folder/report.json", "/proc/report.json", str(tmp_path)):
        result = tool(
            "-p", str(target.pid), "-f", "json", "-o", name, "-o", str(tmp_path / "other.folded")
        )
        assert result.returncode in (1, 64, 77), result.stderr
        assert result.stderr.startswith("pyleaktrace:") and "tracing pid" not in result.stderr
        assert os.listdir(str(tmp_path)) == []
    assert target.do("allocators") == before


def test_a_terminal_gets_no_binary(one_python, start):
    target = start(one_python, "lifecycle.py")
    for name, suffix in (("pprof", ".pb.gz"), ("otlp", ".otlp.pb")):
        terminal, other = os.openpty()
        try:
            result = subprocess.run(
                [harness.TOOL, "-p", str(target.pid), "-f", name],
                stdout=other,
                stderr=subprocess.PIPE,
                text=True,
                timeout=harness.DEADLINE_S,
            )
        finally:
            os.close(terminal)
            os.close(other)
        assert result.returncode == 64 and "give -o FILE" + suffix in result.stderr, result.stderr


def test_planted_link_is_not_followed(one_python, start, attach, tmp_path):
    target = start(one_python, "lifecycle.py")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "report.txt").symlink_to(victim)
    result = tool("-p", str(target.pid), "-o", str(tmp_path / "report.txt"), "-d", "1")
    assert result.returncode in (1, 64, 77), result.stderr
    assert victim.read_text() == "precious" and (tmp_path / "report.txt").is_symlink()
    assert sorted(os.listdir(str(tmp_path))) == ["report.txt", "victim"]


def test_missing_rights_are_named_with_their_remedy(one_python, start):
    """Another user's process, without capabilities: the error names what is missing and the
    remedy."""
    target = start(one_python, "lifecycle.py")
    folder = "/tmp/pyleaktrace-live.%d.tool" % os.getpid()
    os.mkdir(folder, 0o755)
    try:
        shutil.copy(harness.TOOL, folder + "/pyleaktrace")
        result = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                folder + "/pyleaktrace",
                "-p",
                str(target.pid),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=harness.DEADLINE_S,
        )
        refused(result, 77)
        assert re.search(r"root|sudo|CAP_", result.stderr)
    finally:
        shutil.rmtree(folder)


def test_interval_and_count_make_that_many_reports(one_python, start):
    target = start(one_python, "lifecycle.py")
    result = tool("-p", str(target.pid), "1", "2")
    assert result.returncode == 0, result.stderr
    assert (
        len(
            re.findall(
                r"^\[\d\d:\d\d:\d\d\] Top \d+ stacks with outstanding allocations:$",
                result.stdout,
                re.M,
            )
        )
        == 2
    )


def test_duration_ends_with_one_report(one_python, start):
    target = start(one_python, "lifecycle.py")
    result = tool("-p", str(target.pid), "-d", "1s")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("] Top ") == 1


def run_without(descriptors, *arguments, **more):
    """The tool, started with some of its standard descriptors closed."""
    redirections = " ".join("%d>&-" % fd for fd in descriptors)
    return subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" ' + redirections, "sh", harness.TOOL, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=harness.DEADLINE_S,
        **more,
    )


def test_closed_descriptors_are_no_place_for_reports(one_python, start, tmp_path):
    target = start(one_python, "heap.py")
    result = run_without((1,), "heap", "-p", str(target.pid))
    assert (result.returncode, result.stderr) == (1, "pyleaktrace: standard output is closed\n")
    result = run_without((2,), "heap", "-p", str(target.pid))
    assert result.returncode == 0 and "objects of" in result.stdout
    path = str(tmp_path / "heap.json")
    result = run_without((0, 1, 2), "heap", "-p", str(target.pid), "-o", path)
    assert result.returncode == 1 and os.path.getsize(path) > 1000
    assert target.quit() == 0


def test_full_disk_is_named(one_python, start):
    target = start(one_python, "heap.py")
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = subprocess.run(
            [harness.TOOL, "holders", "-p", str(target.pid)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=harness.DEADLINE_S,
        )
    assert result.returncode == 1 and "No space left on device" in result.stderr, result.stderr


def test_limits_of_the_shell_are_named(one_python, start):
    """Too few descriptors are no lack of the process, nor of the kernel."""
    target = start(one_python, "heap.py")
    for limit in (4, 16, 24):
        for arguments in (["heap"], ["watch", "sys.modules"]):
            result = subprocess.run(
                ["prlimit", "--nofile=%d" % limit, harness.TOOL, *arguments]
                + ["-p", str(target.pid)]
                + (["-d", "100ms"] if len(arguments) > 1 else []),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                timeout=harness.DEADLINE_S,
            )
            if result.returncode:
                assert result.returncode == 1 and "raise ulimit -n" in result.stderr, (
                    limit,
                    result.stderr,
                )
        if limit == 4:
            assert result.returncode == 1


def test_missing_type_is_named_with_the_one_that_was_meant(one_python, start):
    target = start(one_python, "heap.py")
    target.do("make", kind="Session", n=10)
    for verb in ("chain", "backrefs", "objects"):
        result = tool(verb, "-p", str(target.pid), "Sesion", "-q")
        refused(result, 2, "did you mean __main__.Session?")
    result = tool("objects", "-p", str(target.pid), "Nothing", "60s")
    refused(result, 2, "has no object of type Nothing", "heap -p %d" % target.pid)


def test_plan_is_shown(one_python, start):
    """-v says where the probes are and what the maps cost."""
    target = start(one_python, "lifecycle.py")
    result = tool("-v", "-p", str(target.pid), "1", "1")
    assert result.returncode == 0, result.stderr
    for word in ("malloc", "calloc", "realloc", "free", "maps"):
        assert word in result.stderr + result.stdout


def test_help_lists_every_option_and_version_is_shown():
    result = tool("--help")
    assert result.returncode == 0 and result.stderr == ""
    assert len(result.stdout.splitlines()) <= 40
    for option in (
        "--pid",
        "--duration",
        "--top",
        "--frames",
        "--group-by",
        "--module",
        "--sort",
        "--older",
        "--min-size",
        "--max-size",
        "--domain",
        "--output",
        "--format",
        "--quiet",
        "--verbose",
        "--no-color",
    ):
        assert option in result.stdout, option
    knobs = tool("-X", "help")
    assert knobs.returncode == 0 and knobs.stderr == ""
    assert re.findall(r"^  (\S+?)=", knobs.stdout, re.M) == [
        "steer",
        "heap-scan",
        "trace",
        "on-limit",
        "max-blocks",
        "max-stacks",
    ]
    result = tool("--version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+", result.stdout)


def text_of(target):
    """A process's executable memory that is mapped from files, as it is now: probes are
    instructions written into it."""
    with open("/proc/%d/maps" % target.pid, encoding="utf-8") as maps:
        ranges = [
            line.split()[0].split("-")
            for line in maps
            if line.split()[1].startswith("r-x") and " /" in line
        ]
    parts = []
    with open("/proc/%d/mem" % target.pid, "rb", buffering=0) as memory:
        for start, end in ranges:
            memory.seek(int(start, 16))
            parts.append(memory.read(int(end, 16) - int(start, 16)))
    return b"".join(parts)


def test_doctor_attaches_nothing(one_python, start, attach):
    """doctor predicts the cost, and the target never has a probe."""
    target = start(one_python, "busy.py")
    bare = text_of(target)
    with subprocess.Popen(
        [harness.TOOL, "doctor", "-p", str(target.pid)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as doctor:
        while doctor.poll() is None:
            assert text_of(target) == bare
        said, wrong = doctor.communicate()
    assert doctor.returncode == 0, wrong
    assert re.search(
        r"a trap takes \d\S* \w+ on an emulated instruction, \d\S* us on another", said
    ), said
    assert re.search(r"^  watchpoints, .*: a thread switch takes \d\S* \w+ more", said, re.M), said
    # of another tracer's tracepoints they are slow already, and ours take nothing more; that is not
    # so for long
    slower = (
        r"^  while mappings are traced .* each system call of every process takes \d\S* ns more$"
    )
    harness.until(
        lambda: re.search(slower, tool("doctor", "-p", str(target.pid)).stdout, re.M),
        "system calls to be told of",
    )
    # the comparison of the text does see a probe when there is one
    watch = attach(target, "--native", "no")
    assert text_of(target) != bare
    watch.finish()
    assert text_of(target) == bare


def test_doctor_changes_nothing(one_python, start):
    target = start(one_python, "lifecycle.py")
    before = target.do("allocators")
    result = tool("doctor", "-p", str(target.pid))
    assert result.returncode == 0, result.stderr
    assert result.stdout
    assert target.do("allocators") == before
