# SPDX-License-Identifier: BSD-2-Clause
"""The flame graph page in a real browser, opened as a file.

With #selfcheck appended to its address the page operates its own controls and leaves what it saw in
<pre id="selfcheck"> (page.js, selfCheck()). The browser logs every request, so "no network" is
visible from outside too.
"""
import html.parser
import json
import re
import shutil
import subprocess

import pytest

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
CASES = [
    "service",
    "hostile",
    "estimated",
    "empty",
    "freed",
    "by-module",
    "selected",
    "pids",
    "below",
]
TOTAL = 12582912 + 7340032 + 2097152 + 65536


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip("no chromium on this machine (tools/setup test)")
    return found


class SelfCheck(html.parser.HTMLParser):
    """The text of <pre id="selfcheck"> in a dumped page."""

    def __init__(self, text):
        super().__init__()
        self.inside = False
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag == "pre" and ("id", "selfcheck") in attrs

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.text += data


def run(browser, tmp_path, url):
    """Open the address; return the finished page and the addresses that pages (not the browser
    itself) requested."""
    log = tmp_path / "net.json"
    dump = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--log-net-log={log}",
            "--window-size=1400,1000",
            "--virtual-time-budget=20000",
            "--dump-dom",
            url,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=300,
    ).stdout.decode()
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return dump, {
        event["url"]
        for event in events
        if event.get("initiator", "not an origin") != "not an origin"
    }


@pytest.fixture(scope="session")
def results(browser, pages, tmp_path_factory):
    """Case name -> what its page found out about itself; "requests" -> everything that the browser
    requested meanwhile."""
    found = {"requests": set()}
    for name in CASES:
        dump, requests = run(
            browser, tmp_path_factory.mktemp(name), f"file://{pages}/{name}.html#selfcheck"
        )
        text = SelfCheck(dump).text
        assert text, f"{name}: the page did not come to its end:\n{dump[-3000:]}"
        found[name] = json.loads(text)
        found["requests"] |= requests
    return found


def test_requests_would_be_seen(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<img src="http://example.invalid/pixel">')
    assert run(browser, tmp_path, f"file://{page}")[1] == {"http://example.invalid/pixel"}


def test_nothing_is_asked_for(results):
    assert results["requests"] == set()


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_loaded(results, name):
    assert results[name]["resources"] == []
    assert results[name]["violations"] == []


@pytest.mark.parametrize("name", CASES)
def test_names_are_inert(results, name):
    assert results[name]["pwned"] is False
    assert results[name]["foreign"] == 0
    assert results[name]["scripts"] == 2  # the data and the page's own


def test_service_is_drawn(results):
    result = results["service"]
    assert result["title"] == "python3.11 (pid 4242): outstanding allocations"
    assert result["value"] == TOTAL
    assert result["frames"] == 12
    assert result["rows"] == 4


def test_controls_work(results):
    result = results["service"]
    assert "allocations" in result["tip"] and "%" in result["tip"]
    assert 1 < result["zoomed"] < result["frames"]
    assert result["canReset"] is True
    assert result["afterReset"] == result["restored"] == result["frames"]
    assert result["search"] == "1 frames match: 12.0 MiB (57 %)"
    assert result["pythonOnly"] == 12 - 4
    assert result["reversed"][0] == "remember (/srv/app/cache.py:41)"
    assert result["metrics"][:2] == [TOTAL, 121836]
    assert result["metrics"][2] == pytest.approx(118959.5 + 209000)
    assert result["domains"] == [
        ["all", TOTAL],
        ["malloc", 7340032],
        ["object", 12582912 + 65536],
        ["mmap", 2097152],
    ]
    assert result["opened"] == [4, 7, 2, 3]
    assert result["themes"] == ["dark", "light"]


def test_groups_are_roots(results):
    result = results["by-module"]
    assert result["value"] == 10000000 and result["groups"] == [
        "module numpy",
        "module /srv/app",
        "module json [stdlib]",
        "module libcrypto.so.3",
    ]
    assert result["groupLegend"] is True and result["rows"] == 7
    assert results["service"]["groupLegend"] is False and results["service"]["groups"] == []
    assert result["reversed"][0].startswith("malloc")
    result = results["pids"]
    assert result["title"] == "2 processes: outstanding allocations"
    assert len(result["groups"]) == 2 and result["groups"][0].startswith("pid 4242 (python3.11")
    assert any(
        note.startswith("pid 4243: The target exited with code 3") for note in result["notes"]
    )
    assert results["selected"]["notes"][0] == (
        "Left out: 1.2 MiB in 3 stacks without a frame of the modules asked for (--module)."
    )


@pytest.mark.parametrize(
    "name, rows, value",
    [("hostile", 3, 6000), ("estimated", 1, 1048576), ("empty", 0, 0), ("freed", 0, 0)],
)
def test_other_cases_are_whole(results, name, rows, value):
    assert results[name]["rows"] == rows
    assert results[name]["value"] == value
    assert (results[name]["frames"] > 0) == (rows > 0)


def said_by_text(report):
    """The cost line of a report: what was spent so far (below a ceiling), or of a core now; and its
    other parts."""
    line = re.search(r"^cost: (.*)$", report, re.M)
    if not line:
        return None
    hits = re.match(r"[^;(]+ hits/s x [^;(]+ = ([^;(]+? of a core)", line[1])
    so_far = re.search(r"; so far (.+? of its own work) \((.+?)\)", line[1])
    slower = re.search(r"; (system calls .*?); tool ", line[1])
    return so_far[1] if so_far else hits[1], {hits[0]} | ({so_far[2]} if so_far else set()) | (
        {slower[1]} if slower else set()
    )


@pytest.mark.parametrize("name", CASES)
def test_page_says_what_the_text_says(results, reports, name):
    facts = {fact: (value, more) for fact, value, more in results[name]["facts"]}
    report = (reports / f"{name}.txt").read_text()
    cost = said_by_text(report)
    assert (cost is None) == ("Cost to the target" not in facts)
    if cost:
        value, more = facts["Cost to the target"]
        assert value == cost[0]
        assert set(more.split("; ")) == cost[1]
    seen = re.search(r"^Seen: (\S+ \S+) in (\S+) allocations, (\S+) of them freed;", report, re.M)
    assert (seen is None) == ("Allocated during the trace" not in facts)
    if seen:
        assert facts["Allocated during the trace"] == (
            seen[1],
            f"in {seen[2]} allocations, {seen[3]} freed",
        )


def test_cost_below_a_ceiling_is_a_share_of_its_own_work(results):
    """Nothing is hit between two windows, but that is not a cost of 0 %."""
    facts = {fact: value for fact, value, _ in results["below"]["facts"]}
    assert facts["Cost to the target"] == "2.3 % to 3.4 % of its own work"
    assert "Allocated during the trace" not in facts
    facts = {fact: value for fact, value, _ in results["service"]["facts"]}
    assert facts["Cost to the target"] == "38 % of a core"


def test_page_names_no_foreign_address(pages):
    """Apart from licences and XML namespaces, the page has no address that could be requested."""
    text = (pages / "service.html").read_text()
    text = re.sub(r'<pre id="licences">.*?</pre>', "", text, flags=re.S)
    assert set(re.findall(r"https?://[\w./-]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xhtml",
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/XML/1998/namespace",
        "http://www.w3.org/2000/xmlns/",
    }
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy


@pytest.mark.parametrize(
    "package", ["d3-flame-graph", "d3-selection", "d3-hierarchy", "d3-transition"]
)
def test_licences_of_what_is_inside_are_inside(pages, package):
    text = (pages / "empty.html").read_text()
    assert re.search(rf"^{package} \d+\.\d+\.\d+ \(|>{package} \d+\.\d+\.\d+ \(", text, flags=re.M)


def test_picture_is_well_formed(pictures):
    from xml.etree import ElementTree

    for name in CASES:
        root = ElementTree.parse(pictures / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert {element.tag.split("}")[1] for element in root.iter()} <= {
            "svg",
            "title",
            "style",
            "rect",
            "text",
            "g",
        }
        assert not [
            key for element in root.iter() for key in element.attrib if key.startswith("on")
        ]


def test_picture_is_drawn(browser, pictures, tmp_path):
    dump, _ = run(browser, tmp_path, f"file://{pictures}/service.svg")
    assert dump.count("<title>") == 12  # the picture's own has an id
