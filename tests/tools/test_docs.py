# SPDX-License-Identifier: BSD-2-Clause
"""What the documentation cites exists: verbs, options, knobs, tools, make targets, files, headings.
What it shows is marked with what made it. (tests/live/test_examples.py runs the examples.)"""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import documents  # noqa: E402
from documents import ROOT  # noqa: E402

PAGES = documents.GUIDES + documents.OTHERS
MARKDOWN = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
ALL = pytest.mark.parametrize(
    "path", PAGES + documents.MANUALS, ids=lambda path: str(path.relative_to(ROOT))
)
# options of other programs, in pages on what users do
FOREIGN = {"--dist"}
FOREIGN_PROGRAM = re.compile(
    r"(sudo )?([A-Z_]+=\S* )*"
    r"(tools/|make\b|git\b|kill\b|/usr/bin/python3\b|pytest\b|(py|mem)leak\b)"
)
ADDRESS = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def every_option():
    return frozenset().union(*map(documents.options, ("", *documents.verbs())))


def options_in(text):
    return re.findall(r"(?<![\w-])(--[a-z][\w-]*)", text)


def test_the_program_says_what_it_has():
    assert (
        len(documents.verbs()) >= 9
        and "--pid" in documents.options()
        and "steer" in documents.knobs()
    )
    assert "--restore" in documents.options("doctor") and "--restore" not in documents.options()


@ALL
def test_cited_options_exist(path):
    """Options of our own tools count too, in pages on development and where a tool is called."""
    known = every_option() | FOREIGN
    of_tools = known | set(options_in(documents.tools_text()))
    wrong = [
        (n, option)
        for n, text in documents.code_spans(path)
        for option in options_in(text)
        if option
        not in (of_tools if path in documents.OTHERS or FOREIGN_PROGRAM.match(text) else known)
    ]
    assert not wrong


@ALL
def test_cited_knobs_exist(path):
    wrong = [
        (n, knob)
        for n, text in documents.code_spans(path)
        for knob in re.findall(r"(?:^| )-X ([\w-]+)", text)
        if knob not in documents.knobs() | {"help", "name", "NAME"}
    ]
    assert not wrong


@ALL
def test_cited_verbs_exist(path):
    """The word after the program's name is a command."""
    wrong = [
        (n, word)
        for n, text in documents.code_spans(path)
        for word in re.findall(r"(?:^|sudo |build/)pyleaktrace ([a-z]+)\b", text)
        if word not in documents.verbs()
    ]
    assert not wrong


@pytest.mark.parametrize("verb", documents.verbs())
def test_every_verb_is_in_the_manual_and_in_the_guides(verb):
    manual = "\n".join(path.read_text(encoding="utf-8") for path in documents.MANUALS)
    assert re.search(r"^@OPTIONS %s$" % verb, manual, re.M) and re.search(
        r"^@SYNOPSIS %s$" % verb, manual, re.M
    )
    names = re.findall(r"^\.SH NAME\n(.*?)^\.SH", manual, re.M | re.S)
    assert any(r"pyleaktrace\-" + verb in name for name in names)
    spans = [text for path in documents.GUIDES for _, text in documents.code_spans(path)]
    assert any(re.match(r"(sudo pyleaktrace )?%s\b" % verb, text) for text in spans)


def test_every_knob_is_in_the_guides():
    spans = " ".join(text for path in documents.GUIDES for _, text in documents.code_spans(path))
    assert not [knob for knob in documents.knobs() if "-X %s=" % knob not in spans]


def made_examples():
    """{name: arguments} of tools/doc-examples"""
    text = (ROOT / "tools/doc-examples").read_text(encoding="utf-8")
    return dict(re.findall(r'^    "(\w+)": "(.*)",$', text, re.M))


def test_made_outputs_are_of_examples():
    """The command that makes an output is in the pages as it is called, so
    tests/live/test_examples.py runs it."""
    lines = {example.line for example in documents.examples()}
    assert made_examples()
    assert not {
        name for name, words in made_examples().items() if "sudo pyleaktrace " + words not in lines
    }


@pytest.mark.parametrize("path", documents.GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_outputs_name_what_made_them(path):
    """A block of output has a comment above it: the script that makes it, or the test that checks
    such output."""
    made = made_examples()
    for number, language, lines, above in documents.blocks(path):
        assert language in ("sh", "text"), (number, language)
        if language == "sh":
            continue
        mark = re.fullmatch(
            r"<!-- (made by: tools/doc-examples (\w+)|as checked by: (.+?))(; .*)? -->", above
        )
        assert mark, (number, above)
        assert not mark[2] or mark[2] in made, (number, mark[2])
        for name in re.findall(r"tests/[\w/.]+", mark[3] or ""):
            assert (ROOT / name).is_file(), (number, name)
        assert lines, number


@pytest.mark.parametrize("path", documents.GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_are_in_shell_blocks(path):
    """Where tests/live/test_examples.py finds them."""
    wrong = [
        n
        for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if re.match(r"\s+\$?\s*(sudo )?pyleaktrace -", line)
    ]
    assert not wrong


@MARKDOWN
def test_cited_tools_and_make_targets_exist(path):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for n, text in documents.code_spans(path):
        for name in re.findall(r"(?:^|sudo | )(tools/[\w.-]+\b)", text):
            assert (ROOT / name).exists(), (n, name)
        match = re.match(r"(?:sudo )?make((?: [\w=,./-]+)*)(?:  |$)", text)
        for target in match[1].split() if match else []:
            assert "=" in target or re.search(
                r"^[\w -]*\b%s\b[\w -]*:" % re.escape(target), makefile, re.M
            ), (n, target)


def source_file(word, page):
    """Does a file that a page names exist, in any place where it could be?"""
    return any(
        (folder / word).exists()
        for folder in (
            ROOT,
            page.parent,
            ROOT / "user",
            ROOT / "bpf",
            ROOT / "tests",
            ROOT / "tests/live",
            ROOT / "tests/unit",
        )
    )


@MARKDOWN
def test_cited_source_files_exist(path):
    """`room/file.c` is a file; a bare name is a file somewhere."""
    names = {
        file.name
        for folder in ("user", "bpf", "tests", "tools", "man", "vmlinux")
        for file in (ROOT / folder).rglob("*")
        if "__pycache__" not in file.parts
    }
    wrong = [
        (n, word)
        for n, text in documents.code_spans(path)
        for word in re.findall(
            r"(?<![\w/.*~-])((?:[\w.-]+/)*[\w.-]+\.(?:c|h|inc|in|py|sh))(?![\w/*])", text
        )
        if not (source_file(word, path) if "/" in word else word in names)
    ]
    wrong = [
        (n, word)
        for n, word in wrong
        if not re.search(r"NAME|room/|srv/|\bfields\.c|shop\.py|vmlinux\.h|\.so|~", word)
    ]
    assert not wrong


def headings(path):
    """The anchors of a page, as GitHub makes them."""
    fenced = {
        number + n
        for number, _language, lines, _above in documents.blocks(path)
        for n in range(len(lines))
    }
    lines = enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
    titles = [
        line.lstrip("#").strip() for n, line in lines if re.match(r"#+ ", line) and n not in fenced
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@MARKDOWN
def test_links_lead_to_files_and_headings(path):
    for address in ADDRESS.findall(path.read_text(encoding="utf-8")):
        if re.match(r"https?:", address):
            continue
        name, _, anchor = address.partition("#")
        file = path.parent / name if name else path
        assert file.exists(), address
        assert not anchor or anchor in headings(file), address


@ALL
def test_no_line_is_too_wide(path):
    """100 columns, except for tables and verbatim text."""
    wrong = [
        n
        for n, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
        if len(line) > 100 and not line.startswith(("|", "    "))
    ]
    assert not wrong


def test_recipes_name_few_files():
    """Where to change what: one file, and at most three more."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text.split("## Where to change what")[1], re.M
    )[2:]
    assert len(rows) >= 10
    for change, first, then in rows:
        files = [re.findall(r"`((?:user|bpf|tests)/[^`]+)`", cell) for cell in (first, then)]
        assert len(files[0]) == 1 and len(files[1]) <= 3, (change, files)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


HEADERS = sorted([*ROOT.glob("user/*/*.h"), *ROOT.glob("bpf/**/*.h")])


def test_headers_cite_options_that_exist():
    """In comments, whatever looks like an option is one."""
    known = every_option()
    wrong = [
        (str(path.relative_to(ROOT)), option)
        for path in HEADERS
        for comment in re.findall(r"/\*.*?\*/", path.read_text(encoding="utf-8"), re.S)
        for option in options_in(comment)
        if option not in known
    ]
    assert not wrong
