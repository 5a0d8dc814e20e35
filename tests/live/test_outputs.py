# SPDX-License-Identifier: BSD-2-Clause
"""Every output of one watch: present, well formed, and in agreement."""
import gzip
import html.parser
import json
import os
import re
import stat
import xml.etree.ElementTree

import pytest

from harness import Report, Target, Tool

BLOCK, N, KEPT = 6543, 2000, 400


@pytest.fixture(scope="module")
def written(one_python, tmp_path_factory):
    """-> folder with the outputs, JSON report, target's program"""
    folder = tmp_path_factory.mktemp("outputs")
    target = Target(one_python, "accounts.py")
    try:
        tool = Tool(
            target.pid,
            folder,
            "-v",
            "--source",
            "-o",
            "out.txt",
            "-o",
            "out.folded",
            "-o",
            "out.svg",
            "-o",
            "out.html",
            "-o",
            "out.%p.json",
            "-o",
            "out.speedscope.json",
            "-o",
            "out.pb.gz",
            "-o",
            "out.otlp.pb",
            "-z",
            str(BLOCK),
            "-Z",
            str(BLOCK),
        )
        try:
            target.do("of_size", n=N, n_keep=KEPT, size=BLOCK)
            target.do("from_many_lines", n_lines=20, size=BLOCK)
            report = tool.finish()
        finally:
            tool.close()
        yield folder, report, target
    finally:
        target.close()


def test_source_has_the_line_that_kept_with_its_figures(written):
    folder, report, target = written
    text = (folder / "out.txt").read_text()
    listing = re.split(r"\n\S*/%s:\n" % os.path.basename(target.source), text)[1]
    with open(target.source, encoding="utf-8") as file:
        lines = file.read().split("\n")
    (stack,) = [s for s in report.stacks() if s["outstanding_count"] == KEPT]
    number = [f["line"] for f in stack["frames"] if f["kind"] == "python"][-1]
    row = r"^ +[\d.]+ MiB +%d +(\S+ \S+ +)?%d  %s$"
    assert re.search(row % (KEPT, number, re.escape(lines[number - 1])), listing, re.M), listing


def test_nothing_else_is_left(written):
    folder, report, target = written
    names = {name for name in os.listdir(str(folder)) if not name.startswith("report-")}
    assert names == {
        "out.txt",
        "out.folded",
        "out.svg",
        "out.html",
        "out.%d.json" % target.pid,
        "out.speedscope.json",
        "out.pb.gz",
        "out.otlp.pb",
    }
    for name in names:
        mode = os.lstat(str(folder / name)).st_mode
        assert stat.S_ISREG(mode) and not mode & 0o022


def test_json_agrees_with_the_report(written, validate):
    folder, report, target = written
    data = json.loads((folder / ("out.%d.json" % target.pid)).read_text())
    validate(data)
    assert data["totals"] == report.totals
    assert Report(data).at(function="fill")["outstanding_count"] == KEPT
    assert report.totals["outstanding_count"] == KEPT + 20


def test_folded_stacks_add_up(written):
    folder, report, target = written
    total = 0
    lines = (folder / "out.folded").read_text().splitlines()
    for line in lines:
        match = re.fullmatch(r"(\S.*) (\d+)", line)
        assert match, line
        frames, count = match[1].split(";"), int(match[2])
        assert any(frame.startswith("<module> (" + target.program) for frame in frames)
        total += count
    assert total == report.totals["outstanding_bytes"]
    leaf = "fill (%s:%d)" % (target.program, target.line("of_size"))
    # the C frames that the line called lie above it, by several ways
    assert (
        sum(int(line.rsplit(" ", 1)[1]) for line in lines if ";%s" % leaf in line) == BLOCK * KEPT
    )


def test_speedscope_adds_up(written):
    folder, report, _ = written
    data = json.loads((folder / "out.speedscope.json").read_text())
    assert data["profiles"][0]["endValue"] == report.totals["outstanding_bytes"]
    assert data["profiles"][1]["endValue"] == report.totals["outstanding_count"]
    assert sum(data["profiles"][0]["weights"]) == report.totals["outstanding_bytes"]


def test_profiles_name_the_line(written):
    """Whether they are well formed is for tests/page/test_readers.py to say."""
    folder, _, target = written
    for data in (
        gzip.decompress((folder / "out.pb.gz").read_bytes()),
        (folder / "out.otlp.pb").read_bytes(),
    ):
        assert b"fill" in data and target.program.encode() in data and b"inuse_space" in data


def test_text_names_the_line_and_has_no_escapes(written):
    folder, report, target = written
    text = (folder / "out.txt").read_text()
    assert "%d bytes in %d allocations from stack" % (BLOCK * KEPT, KEPT) in text
    assert re.search(
        r"^\[\d\d:\d\d:\d\d\] Top \d+ stacks with outstanding allocations:$", text, re.M
    )
    assert "\t\tfill (%s:%d)\n" % (target.program, target.line("of_size")) in text
    assert "\033" not in text
    assert report.text.startswith("Attaching to pid %d (CPython " % target.pid)


def test_losses_and_cost_end_every_report(written):
    _, report, _ = written
    last = report.text[report.text.rindex("] Top ") :]
    assert "Nothing was lost." in last
    assert re.search(r"^cost: .* hits/s x .* = .* of a core", last, re.M)
    cost = report.data["cost"]
    assert cost["ns_per_hit"] > 0 and cost["hits_per_s"] > 0 and cost["tool_rss_bytes"] > 0


def test_svg_is_well_formed(written):
    folder, _, _ = written
    root = xml.etree.ElementTree.parse(str(folder / "out.svg")).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = (folder / "out.svg").read_text()
    assert "fill (" in text and "<image" not in text


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.fetched = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "br", "hr", "input", "img", "path"):
            self.open.append(tag)
        self.fetched += [
            v for k, v in attrs if k in ("src", "href") and v and not v.startswith(("#", "data:"))
        ]

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def test_html_is_one_offline_file(written):
    folder, _, _ = written
    text = (folder / "out.html").read_text()
    page = Page()
    page.feed(text)
    assert text.lstrip().lower().startswith("<!doctype html>")
    assert page.open == [] and page.fetched == []
    assert "fill (" in text or '"fill"' in text
