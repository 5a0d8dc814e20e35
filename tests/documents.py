# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the documentation read: the examples in it, and the program's own tables, from
its --help."""
import collections
import functools
import glob
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOL = os.environ.get("PYLEAKTRACE", str(ROOT / "build" / "pyleaktrace"))
MANUALS = sorted(ROOT.glob("man/*.8.in"))
GUIDES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
OTHERS = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *(ROOT / room / "README.md" for room in ("tests", "tools", "bpf")),
]

Example = collections.namedtuple("Example", "place number line")
Example.name = property(lambda self: "%s:%d" % (os.path.basename(self.place), self.number))


def said(*arguments):
    result = subprocess.run(
        [TOOL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return result.stdout


@functools.lru_cache(maxsize=None)
def verbs():
    """All but the main command, which has no word of its own."""
    return tuple(re.findall(r"^  (\w+)  ", said(), re.M))


@functools.lru_cache(maxsize=None)
def options(verb=""):
    """{"--pid", "-p", ...} of a verb ("" is the main command)"""
    rows = re.findall(
        r"^  (?:(-\w)|  )(?:, |  )?(--[\w-]+)?", said(*([verb] if verb else []), "--help"), re.M
    )
    return frozenset(word for row in rows for word in row if word)


@functools.lru_cache(maxsize=None)
def knobs():
    return frozenset(re.findall(r"^  ([\w-]+)=", said("-X", "help"), re.M))


def plain(roff):
    """A line of a man page as it is displayed."""
    text = re.sub(r"^\.[A-Z]+ ", "", roff)
    return re.sub(r"\\f[BIR]", "", text).replace("\\-", "-").replace("\\&", "")


def blocks(path):
    """(number of the first line, language, lines, the line above it) of each fenced block"""
    above, inside, language, number, lines = "", False, "", 0, []
    for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip().startswith("```"):
            if inside:
                yield number, language, lines, above
            else:
                language, number, lines = line.strip()[3:], n + 1, []
            inside = not inside
        elif inside:
            lines.append(line)
        if not inside and line.strip() and not line.strip().startswith("```"):
            above = line.strip()


def examples():
    """The lines of shell blocks, and of EXAMPLES in man pages, that call pyleaktrace."""
    found = []
    for path in GUIDES:
        for number, language, lines, _above in blocks(path):
            for n, line in enumerate(lines):
                if language == "sh" and re.match(r"(sudo )?pyleaktrace\b", line.strip()):
                    found.append(Example(str(path.relative_to(ROOT)), number + n, line.strip()))
    for path in MANUALS:
        section = ""
        for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            section = line[4:] if line.startswith(".SH ") else section
            if section == "EXAMPLES" and line.startswith(".B "):
                found.append(Example(str(path.relative_to(ROOT)), n, plain(line)))
    return found


def code_spans(path):
    """(number, text) of everything in backquotes, in shell blocks, and in bold in man pages"""
    text = path.read_text(encoding="utf-8")
    if path in MANUALS:
        for n, line in enumerate(text.split("\n"), 1):
            if re.match(r"\.[BI]+R? ", line):
                yield n, plain(line)
        return
    shell = {
        number + n: line
        for number, language, lines, _above in blocks(path)
        if language == "sh"
        for n, line in enumerate(lines)
        if not line.strip().startswith("#")
    }
    yield from sorted(shell.items())
    fenced = {
        number + n for number, _language, lines, _above in blocks(path) for n in range(len(lines))
    }
    prose = "\n".join(
        "" if n in fenced or line.strip().startswith("```") else line
        for n, line in enumerate(text.split("\n"), 1)
    )
    for match in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose):
        yield prose.count("\n", 0, match.start()) + 1, " ".join(match[1].split())
    for n, line in enumerate(prose.split("\n"), 1):
        if line.startswith("    ") and not line.lstrip().startswith(("*", "|")):
            yield n, line.strip()


def tools_text():
    return "\n".join(
        pathlib.Path(name).read_text(encoding="utf-8", errors="replace")
        for name in glob.glob(str(ROOT / "tools" / "**"), recursive=True)
        if os.path.isfile(name)
    )
