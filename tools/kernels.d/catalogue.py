# SPDX-License-Identifier: BSD-2-Clause
"""Which kernels the machine's mirror has, and their images: package lists and packages by
tools/private-apt.sh, kept below build/kernels, so that what is there once needs no network.

    build/kernels/catalogue.json        {"date": ..., "suites": {suite: why it has nothing},
                                         "kernels": {"6.1": {"package", "version", "suite"}}}
    build/kernels/images/6.1/vmlinuz    with about.json: the row of the catalogue that it came from
"""
import datetime
import functools
import json
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
APT = os.path.join(HERE, "apt")
# What a later suite has counts only where no earlier one has that kernel at all.
SUITES = (
    (
        "bullseye",
        "bookworm",
        "bookworm-backports",
        "trixie",
        "trixie-backports",
        "sid",
        "experimental",
    ),
    ("ubuntu:jammy-updates", "ubuntu:noble-updates"),
)
# The ones that people have, run by default, with the newest that there is: one that no suite has is
# in the table all the same. The others that a suite has are run by name.
WANTED = ("5.10", "5.15", "6.1", "6.8", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0")
# Debian's kernels for virtual machines are small, and have all that the tool needs built in. The
# image is in linux-binary or, until 6.18, in linux-image. Signed or not, the kernel is the same.
# Ubuntu's are generic.
NAME = re.compile(
    r"linux-(image|binary)-(?:unsigned-)?(\d+\.\d+)[^ ]*-(cloud-amd64(-unsigned)?|generic)"
)


class NotAvailable(Exception):
    """One sentence that says why."""


def number(name):
    """'6.12' -> (6, 12)"""
    return tuple(int(part) for part in name.split("."))


def packages(text):
    """What `apt-cache dumpavail` prints -> [(x.y, package, version, bytes)] of images"""
    found = []
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Size): (.*)$", block, re.M))
        match = NAME.fullmatch(fields.get("Package", ""))
        if match and {"Version", "Size"} <= fields.keys():
            found.append((match[2], fields["Package"], fields["Version"], int(fields["Size"])))
    return found


def is_newer(a, b):
    return subprocess.run(["dpkg", "--compare-versions", a, "gt", b], check=False).returncode == 0


def newest(rows):
    """[(x.y, package, version, bytes, suite)] -> {x.y: row}, the newest of each. An empty
    linux-image may stand next to linux-binary, which has the image: of one version the largest."""
    best = {}
    for row in rows:
        have = best.get(row[0])
        if have is None or is_newer(row[2], have[2]) or (row[2] == have[2] and row[3] > have[3]):
            best[row[0]] = row
    return best


class Catalogue:
    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "catalogue.json")
        try:
            with open(self.path, encoding="utf-8") as f:
                self.data = json.load(f)
        except FileNotFoundError:
            self.data = None

    def update(self, say):
        best, missing = {}, {}
        for suites in SUITES:
            rows = []
            for suite in suites:
                state = os.path.join(self.folder, "apt", suite.replace(":", "-"))
                lists = subprocess.run(
                    [APT, state, "lists", suite], check=False, stdout=subprocess.PIPE, text=True
                )
                if lists.returncode != 0:
                    missing[suite] = "its package lists are not available"
                    say("%s: %s (see %s/log)" % (suite, missing[suite], state))
                    continue
                rows += [row + (suite,) for row in packages(lists.stdout)]
            best = {**newest(rows), **best}
        if not best:
            raise NotAvailable("no package list of any suite is available (no network?)")
        self.data = {
            "date": datetime.date.today().isoformat(),
            "suites": missing,
            "kernels": {
                name: {"package": row[1], "version": row[2], "suite": row[4]}
                for name, row in best.items()
            },
        }
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            json.dump(self.data, f, indent=1)
        os.replace(self.path + ".new", self.path)

    def names(self):
        """All x.y that are wanted or available, the oldest first."""
        return sorted(set(WANTED) | set(self.data["kernels"]), key=number)

    def default(self):
        """The wanted ones, and the newest that is available."""
        newest_name = max(self.data["kernels"], key=number)
        return [name for name in self.names() if name in WANTED or name == newest_name]

    def about(self, name):
        """The row of its catalogue, or of the image that is there already; None: no suite has
        it."""
        return self.kept(name) or self.data["kernels"].get(name)

    def kept(self, name):
        try:
            with open(self._image(name, "about.json"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None

    def _image(self, name, file):
        return os.path.join(self.folder, "images", name, file)

    def image(self, name, say):
        """Path of its image, downloaded when it is not there."""
        if self.kept(name):
            return self._image(name, "vmlinuz")
        row = self.data["kernels"].get(name)
        if row is None:
            raise NotAvailable("no suite of the mirror has it (%s)" % self.data["date"])
        say("%s: taking %s %s of %s" % (name, row["package"], row["version"], row["suite"]))
        work = os.path.join(self.folder, "work-" + name)
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        try:
            download(
                os.path.join(self.folder, "apt", row["suite"].replace(":", "-")),
                "%s=%s" % (row["package"], row["version"]),
                work,
            )
            os.makedirs(os.path.dirname(self._image(name, "")), exist_ok=True)
            (package,) = [os.path.join(work, file) for file in os.listdir(work)]
            take_image(package, self._image(name, "vmlinuz"))
        finally:
            shutil.rmtree(work)
        with open(self._image(name, "about.json"), "w", encoding="utf-8") as f:
            json.dump(row, f)
        return self._image(name, "vmlinuz")


def download(state, package, folder):
    done = subprocess.run(
        [APT, state, "download", package],
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise NotAvailable(
            "%s could not be downloaded: %s (tools/kernels --update takes new package lists)"
            % (package, done.stdout.strip().splitlines()[-1:])
        )


def take_image(package, out):
    """The kernel out of a package of Debian's or of a relative's."""
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
    ) as packed, open(out + ".new", "wb") as f:
        subprocess.run(
            ["tar", "-x", "-O", "--wildcards", "./boot/vmlinuz-*", "./usr/lib/modules/*/vmlinuz"],
            stdin=packed.stdout,
            stdout=f,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    if not os.path.getsize(out + ".new"):
        raise NotAvailable("%s has no kernel image" % os.path.basename(package))
    os.replace(out + ".new", out)


@functools.lru_cache(maxsize=None)
def release_of_image(path):
    """The release that a bzImage names in its header: '6.1.0-50-cloud-amd64'."""
    with open(path, "rb") as f:
        head = f.read(0x10000)
    if head[0x202:0x206] != b"HdrS" and head[0x202:0x206] != b"SrdH":
        raise NotAvailable("%s is no kernel image for x86" % path)
    at = int.from_bytes(head[0x20E:0x210], "little") + 0x200
    return head[at : head.index(b"\0", at)].split()[0].decode("ascii", "replace")
