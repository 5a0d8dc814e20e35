# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of README.md: the drawn report is the current one, and both files are small."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import xml.etree.ElementTree as tree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = 200 * 1024


@pytest.fixture
def picture(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader(
        "gen_picture", str(ROOT / "tools" / "gen-picture")
    )
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gen_picture", loader))
    loader.exec_module(module)
    return module


def test_terminal_is_up_to_date(picture):
    drawn = picture.terminal_svg(picture.REPORT.read_text(encoding="utf-8"))
    assert drawn == picture.TERMINAL.read_text(encoding="utf-8"), "run tools/gen-picture terminal"


def test_every_word_of_the_report_is_drawn(picture):
    report = picture.REPORT.read_text(encoding="utf-8")
    words = " ".join(
        "".join(cell[0] for cell in picture.cells(line)) for line in report.splitlines()
    ).split()
    drawn = tree.fromstring(picture.TERMINAL.read_text(encoding="utf-8"))
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    # one word may be of two colors
    assert "".join(words) in "".join("".join(texts).split())


def test_hostile_text_is_escaped(picture):
    drawn = picture.terminal_svg('<script>&\x1b[31m"</script>\x1b[0m\n')
    texts = [text.text for text in tree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1:] == ["<script>&", '"</script>']


@pytest.mark.parametrize("name", ["terminal.svg", "page.png"])
def test_pictures_are_small(name):
    assert 0 < (ROOT / "docs" / name).stat().st_size < SMALL
