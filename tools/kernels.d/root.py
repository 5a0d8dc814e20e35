# SPDX-License-Identifier: BSD-2-Clause
"""A small root for the machines of tools/kernels, as an initramfs: files of Debian's packages, the
tool, and the live tests.

Packages' files are copied from this machine, where tools/setup has installed them; nothing else of
it goes in, but the libraries that programs in it are linked with.
"""
import os
import re
import stat
import subprocess

PYTHON = os.path.basename(os.path.realpath("/usr/bin/python3"))  # python3.11
# What the tests run on, and what they import; what these need of Python's packages goes in with
# them
PACKAGES = (
    PYTHON + "-minimal",
    "lib%s-minimal" % PYTHON,
    "lib%s-stdlib" % PYTHON,
    "python3-pytest",
    "python3-jsonschema",
    "python3-objgraph",
)
COMMANDS = ("/usr/bin/python3", "/usr/sbin/bpftool", "/bin/busybox")
# What packages bring, but no test imports: it would be unpacked at each boot
LEFT_OUT = re.compile(
    r"/usr/share/(doc|man|lintian|bash-completion|applications|pixmaps|binfmts|python3)/"
    r"|/usr/lib/valgrind/|/usr/lib/python3[^/]*/"
    r"(test|idlelib|lib2to3|tkinter|ensurepip|distutils|pydoc_data|turtledemo)/"
    r"|/pkg_resources/tests/"
)
MERGED = ("bin", "lib", "lib64", "sbin")  # /bin is /usr/bin, and so on


class Root:
    """What goes in: {path: ("file", source, mode) | ("text", bytes, mode) | ("link", to) |
    ("dir",)}"""

    def __init__(self):
        self.entries = {}
        for name in (
            "dev",
            "proc",
            "sys",
            "tmp",
            "root",
            "run",
            "var",
            "etc",
            "usr/bin",
            "usr/lib",
            "usr/lib64",
            "usr/sbin",
        ):
            self._folders("/" + name)
            self.entries["/" + name] = ("dir",)
        for name in MERGED:
            self.entries["/" + name] = ("link", "usr/" + name)

    def _place(self, path):
        first = path.split("/")[1]
        return "/usr" + path if first in MERGED else path

    def _folders(self, path):
        parts = path.split("/")[1:-1]
        for n in range(len(parts)):
            self.entries.setdefault("/" + "/".join(parts[: n + 1]), ("dir",))

    def add(self, path, source=None):
        """A file of this machine, at its own path or at another; links are followed, and kept."""
        source = source or path
        at = self._place(path)
        if at in self.entries:
            return
        self._folders(at)
        if os.path.islink(source) and source == path:
            to = os.readlink(source)
            self.entries[at] = ("link", to)
            self.add(os.path.normpath(os.path.join(os.path.dirname(path), to)))
        elif os.path.isfile(source):
            self.entries[at] = ("file", source, stat.S_IMODE(os.stat(source).st_mode))

    def text(self, path, text, mode=0o644):
        self._folders(path)
        self.entries[path] = ("text", text.encode(), mode)

    def tree(self, path, source, wanted=lambda name: True):
        for folder, folders, files in os.walk(source):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in files:
                full = os.path.join(folder, name)
                if wanted(full):
                    self.add(path + full[len(source) :], os.path.realpath(full))

    def packages(self, names):
        listed = subprocess.run(
            ["dpkg-query", "-L", *with_needed(names)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        for path in listed.splitlines():
            if (
                not LEFT_OUT.search(path + "/")
                and (os.path.isfile(path) or os.path.islink(path))
                and not os.path.isdir(path)
            ):
                self.add(path)
                self._compiled(path)

    def _compiled(self, path):
        """The byte code that the package's scripts have compiled here: it saves time in
        emulation."""
        folder, name = os.path.split(path)
        compiled = "%s/__pycache__/%s.cpython-%s.pyc" % (
            folder,
            name[:-3],
            PYTHON[len("python") :].replace(".", ""),
        )
        if name.endswith(".py") and os.path.isfile(compiled):
            self.add(compiled)

    def libraries(self):
        """What the programs and libraries that are in it by now are linked with."""
        done = set()
        while True:
            sources = [
                entry[1]
                for entry in self.entries.values()
                if entry[0] == "file" and entry[1] not in done
            ]
            programs = [source for source in sources if is_elf(source)]
            done.update(sources)
            if not programs:
                return
            # ldd says what it will of each; one that is static is no failure
            said = subprocess.run(
                ["ldd", *programs], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ).stdout
            missing = re.findall(r"^\s*(\S+) => not found", said, re.M)
            if missing:
                raise FileNotFoundError("no library %s" % ", ".join(sorted(set(missing))))
            for path in set(re.findall(r"(?:=> |^\s+)(/\S+) \(0x", said, re.M)):
                self.add(path)

    def write(self, out):
        """As a cpio archive (newc), which kernels unpack."""
        links = sorted(self.entries, key=lambda path: (path.count("/"), path))
        with open(out + ".new", "wb") as f:
            for number, path in enumerate(links, 1):
                entry = self.entries[path]
                if entry[0] == "dir":
                    member(
                        f,
                        number,
                        path,
                        stat.S_IFDIR | (0o1777 if path == "/tmp" else 0o755),
                        0,
                        b"",
                    )
                elif entry[0] == "link":
                    member(f, number, path, stat.S_IFLNK | 0o777, 0, entry[1].encode())
                elif entry[0] == "text":
                    member(f, number, path, stat.S_IFREG | entry[2], 0, entry[1])
                else:
                    with open(entry[1], "rb") as source:
                        # byte code is used only while its source has the time that it had
                        member(
                            f,
                            number,
                            path,
                            stat.S_IFREG | entry[2],
                            int(os.fstat(source.fileno()).st_mtime),
                            source.read(),
                        )
            member(f, 0, "/TRAILER!!!", 0, 0, b"")
        os.replace(out + ".new", out)


def with_needed(names):
    """Packages, and those of Python that they depend on and that are installed."""
    found, todo = [], list(names)
    while todo:
        said = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Depends}\n", *todo],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout
        rows = [line.split(" ", 2) for line in said.splitlines() if line.startswith("installed ")]
        missing = [name for name in todo if name in names and name not in [row[1] for row in rows]]
        if missing:
            raise FileNotFoundError("not installed: %s (tools/setup kernels)" % ", ".join(missing))
        found += [row[1] for row in rows]
        todo = sorted(
            {name for row in rows for name in re.findall(r"\bpython3-[a-z0-9+.-]+", row[2])}
            - set(found)
        )
    return found


def is_elf(path):
    with open(path, "rb") as f:
        return f.read(4) == b"\x7fELF"


def member(f, number, path, mode, mtime, data):
    name = path[1:].encode() + b"\0"
    fields = (number, mode, 0, 0, 1, mtime, len(data), 0, 0, 0, 0, len(name), 0)
    f.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
    f.write(b"\0" * (-(110 + len(name)) % 4) + data + b"\0" * (-len(data) % 4))
