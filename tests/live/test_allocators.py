# SPDX-License-Identifier: BSD-2-Clause
"""Allocators other than libc's: in its place (LD_PRELOAD, linked into the program), alongside it in
a library, or loaded while the tool watches. How many blocks, how many bytes, at which line:
exactly."""
import glob
import json
import os
import re
import subprocess

import pytest

from harness import PROGRAMS, Interpreter, Target, Tool, build, tool

N, KEPT = 600, 100
SMALL, LARGE = 40, 5000  # within and beyond the range of their fast paths
LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
C = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "strdup",
]
CXX = ["operator_new", "new_array", "sized_delete", "new_aligned"]
FILES = {
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "mimalloc": "libmimalloc.so.[23]",
}
WORKS = {
    "jemalloc": C + CXX + ["mallocx", "rallocx"],
    "tcmalloc": C + ["pvalloc"] + CXX,
    "mimalloc": C + ["pvalloc"] + CXX,
}
LATER = [
    "calloc",
    "realloc",
    "posix_memalign",
    "operator_new",
    "heap_malloc",
    "heap_realloc",
    "malloc_aligned",
]
# libraries with much thread-local memory can be loaded later, too
TLS = {"GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=16384"}


def path_of(allocator):
    paths = glob.glob(LIBRARIES + FILES[allocator])
    assert len(paths) == 1, FILES[allocator] + " is not there; tools/setup test installs it"
    return paths[0]


@pytest.fixture(scope="module")
def own_library(tmp_path_factory):
    """A library with jemalloc inside: the functions have the prefix own_ and are not exported."""
    folder = tmp_path_factory.mktemp("own")
    archive = LIBRARIES + "libjemalloc_pic.a"
    listed = subprocess.run(
        ["nm", "-g", "--defined-only", archive],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    ).stdout
    names = {line.split()[2] for line in listed.splitlines() if len(line.split()) == 3}
    names = sorted(name for name in names if re.fullmatch(r"[a-z]+|[a-z]*alloc[a-z_]*", name))
    (folder / "names").write_text("".join("%s own_%s\n" % (name, name) for name in names))
    (folder / "own.map").write_text("{ global: own_allocate; local: *; };\n")
    own = str(folder / "own.a")
    subprocess.run(["objcopy", "--redefine-syms=%s" % (folder / "names"), archive, own], check=True)
    subprocess.run(["ar", "d", own, "jemalloc_cpp.pic.o"], check=True)
    library = str(folder / "own.so")
    build(
        os.path.join(PROGRAMS, "own_allocator.c"),
        library,
        "-O2",
        "-shared",
        "-fPIC",
        own,
        "-Wl,--version-script=%s" % (folder / "own.map"),
        "-lm",
    )
    return library


class Watched:
    """Everything there is to know about one allocator, from one watch."""

    def __init__(self, target, folder, works, own_library):
        self.target, self.works = target, works
        self.doctor = tool("doctor", "-p", str(target.pid))
        # a line is one stack then, see test_accounts.py
        watch = Tool(target.pid, folder, "-v", "--native", "no")
        try:
            self.attached = watch.err.text
            for size in (SMALL, LARGE):
                self.run(works + ["freed"], size)
            self.failures = (
                target.do("fail", n=5, size=1 << 55) if "mi_malloc" not in self.attached else None
            )
            self.run(["malloc"], SMALL)
            # one that has its own names, and one that is in a library's inside and has hidden its
            # names
            self.later = path_of("mimalloc")
            self.loaded = self.load(watch, self.later, "mimalloc")
            self.run(LATER, SMALL, self.later, "mi_")
            self.loaded += self.load(watch, own_library, "own.so")
            target.do("own", library=own_library, n=N, n_keep=KEPT, size=SMALL)
            self.report = watch.finish()
        finally:
            watch.close()

    def run(self, works, size, library=None, prefix=""):
        self.target.do(
            "run", library=library, prefix=prefix, works=works, n=N, n_keep=KEPT, size=size
        )

    def load(self, watch, library, name):
        """Load it; returns what the tool says once it is probed."""
        if name in self.attached:
            return ""
        self.target.do("load", library=library)
        said = watch.err.wait(r"^  allocator \S*%s\S*: .*\n" % name, len(self.attached))
        assert said, watch.err.text
        return said[0]

    def at(self, marker, domain="malloc"):
        found = self.report.at(
            function=marker, file=self.target.program, line=self.target.line(marker), domain=domain
        )
        return found["outstanding_count"], found["allocated_count"], found["outstanding_bytes"]


@pytest.fixture(scope="module")
def watched(home, allocator, own_library, tmp_path_factory):
    target = Target(home, "allocators.py", env=dict(TLS, LD_PRELOAD=path_of(allocator)))
    try:
        yield Watched(target, tmp_path_factory.mktemp("allocators"), WORKS[allocator], own_library)
        assert target.quit() == 0
    finally:
        target.close()


def in_turn(works, size):
    return {work: (KEPT, N, KEPT * (size + 64 * i)) for i, work in enumerate(works)}


def added(*tables):
    return {
        work: tuple(map(sum, zip(*(table.get(work, (0, 0, 0)) for table in tables))))
        for work in set().union(*tables)
    }


def test_kept_and_made(watched, allocator):
    """N made with each function and K kept, small and large; also in a library that comes later,
    and after the tool has seen an exception."""
    expected = added(
        in_turn(watched.works, SMALL),
        in_turn(watched.works, LARGE),
        in_turn(["malloc"], SMALL),
        in_turn(LATER, SMALL),
    )
    assert {work: watched.at(work) for work in expected} == expected


def test_nothing_is_outstanding_once_all_is_freed(watched):
    kept, _, size = watched.at("freed")
    assert (kept, size) == (0, 0)


def test_allocator_inside_a_library_is_counted(watched):
    assert watched.at("own") == (4 * KEPT, 4 * N, 4 * KEPT * SMALL)


def test_exception_leaves_operator_new(watched, allocator):
    """The exception is caught as in an unwatched program, and what follows is counted
    (test_kept_and_made). Debian's mimalloc is built as C: it cannot throw but ends the program, so
    it is left out."""
    assert watched.failures == (None if allocator == "mimalloc" else 5)


def test_no_missed_frees_and_nothing_lost(watched):
    assert watched.report.totals["missed_frees"] == 0
    assert watched.report.losses == {}
    # what is kept is never freed; these are a few blocks that the interpreter had before
    assert watched.report.totals["unknown_frees"] < 100


def test_nothing_counts_twice(watched):
    """What an allocator maps for itself is not a mapping of the program."""
    for work in watched.works + LATER + ["own", "freed"]:
        assert watched.at(work, "mmap")[1] == 0, work


def test_allocator_is_named(watched, allocator):
    """doctor and -v say which allocator is there, whether the interpreter uses it, and what is
    probed."""
    assert watched.doctor.returncode == 0
    for text in (watched.doctor.stdout, watched.attached):
        line = re.search(r"^  allocator (\S+): (\w+) \((.*)\), (\d+) functions probed$", text, re.M)
        assert line and os.path.realpath(path_of(allocator)) == line[1] and line[2] == allocator
        assert "malloc" in line[3].split(", ") and int(line[4]) >= 15
        assert "  malloc of the interpreter: %s\n" % line[1] in text
        for name in ("malloc", "realloc", "operator new"):
            assert re.search(r"^  probe %s +malloc " % re.escape(name), text, re.M), name
    if allocator != "mimalloc":
        assert re.search(
            r"^  allocator \S+libmimalloc\S+: mimalloc \(malloc, mi_malloc\), \d+ functions probed",
            watched.loaded,
            re.M,
        )
    assert re.search(
        r"^  allocator \S+/own.so: jemalloc \(own_malloc\), \d+ functions probed",
        watched.loaded,
        re.M,
    )


def test_frames_are_the_callers(one_python, tmp_path):
    """The stack begins with the caller of the allocator, even where the call ends in another
    function."""
    target = Target(one_python, "allocators.py", env={"LD_PRELOAD": path_of("jemalloc")})
    try:
        watch = Tool(target.pid, tmp_path)
        try:
            for size in (SMALL, LARGE):
                target.do(
                    "run",
                    library=None,
                    prefix="",
                    works=["malloc", "operator_new"],
                    n=N,
                    n_keep=KEPT,
                    size=size,
                )
            report = watch.finish()
        finally:
            watch.close()
        for work in ("malloc", "operator_new"):
            stacks = list(
                report.stacks(
                    function=work, file=target.program, line=target.line(work), domain="malloc"
                )
            )
            assert sum(stack["outstanding_count"] for stack in stacks) == 2 * KEPT
            for stack in stacks:
                assert "libffi" in stack["frames"][-1]["module"], stack["frames"][-3:]
                assert [f for f in stack["frames"] if f["kind"] == "gap"] == []
    finally:
        target.close()


def test_allocator_linked_into_the_program_is_counted(one_python, tmp_path):
    """Python in a program with jemalloc linked in: the whole process uses its malloc."""
    one_python.place()  # the same folder, which is removed with this interpreter
    program = str(tmp_path / "embedding")
    build(
        os.path.join(PROGRAMS, "embedding.c"),
        program,
        "-O2",
        LIBRARIES + "libpython%d.%d.so.1.0" % one_python.version[:2],
        "-rdynamic",
        "-Wl,--whole-archive",
        LIBRARIES + "libjemalloc_pic.a",
        "-Wl,--no-whole-archive",
        "-lstdc++",
        "-lm",
    )
    home = Interpreter("embedding", program)
    target = Target(home, "allocators.py")
    try:
        works = ["malloc", "realloc", "posix_memalign", "strdup", "mallocx", "operator_new"]
        watch = Tool(target.pid, tmp_path, "-v", "--native", "no")
        try:
            target.do("run", library=None, prefix="", works=works, n=N, n_keep=KEPT, size=SMALL)
            report = watch.finish()
        finally:
            watch.close()
        line = re.search(
            r"^  allocator (\S+): (\w+) \((.*)\), (\d+) functions probed$", watch.err.text, re.M
        )
        assert line and line.group(1, 2, 3) == (program, "jemalloc", "malloc")
        assert "  malloc of the interpreter: %s\n" % program in watch.err.text
        for work, expected in in_turn(works, SMALL).items():
            found = report.at(
                function=work, file=target.program, line=target.line(work), domain="malloc"
            )
            assert (
                found["outstanding_count"],
                found["allocated_count"],
                found["outstanding_bytes"],
            ) == expected, work
        assert report.totals["missed_frees"] == 0 and report.losses == {}
        # the heap seen from outside: large objects are not in glibc's chunks, though no file's name
        # says so
        target.do("objects", n=N, size=LARGE)
        heap = tool("heap", "-p", str(target.pid), "-f", "json", "--types-like", "^bytes$")
        rows = {row["name"]: row for row in json.loads(heap.stdout)["heap"]["types"]}
        assert rows["bytes"]["bytes"] >= N * LARGE, heap.stderr
        assert target.quit() == 0
    finally:
        target.close()
