# SPDX-License-Identifier: BSD-2-Clause
"""The answer at the head of a report: what leaks, and of which kind; and nothing where nothing
leaks."""
import re

import harness

FINDINGS = {
    "visit": r"^  \d\. +\+\S+ \S+  container   app\.USERS\[\*\]\.history "
    r"\(list, 100 of them, \+[\d,.]+/min in all\) only grow$",
    "remember": r"^  \d\. +\+\S+ \S+  container   app\.CACHE "
    r"\(dict, [\d,]+ bytearray, \+[\d,.]+/min\) only grows$",
    "lose": r"^  \d\. +\+\S+ \S+  reference   C code, or a reference that was lost, "
    r"keeps __main__\.Lost \([\d,]+ objects, \+[\d,.]+/min\)$",
    "push": r"^  \d\. +\+\S+ \S+  container   app\.HEAD(\.before)+ "
    r"\(__main__\.Link, [\d,]+ __main__\.Link, \+[\d,.]+/min\) only grows$",
}


def unwrapped(report):
    """Sentences that take two lines, in one."""
    return re.sub(r"\n {25,}", " ", report)


def test_every_leak_is_named_with_its_kind(some_python, start, attach, validate):
    target = start(some_python, "verdict.py")
    for what in (*FINDINGS, "come_and_go"):
        target.do("leak", what=what)
    tool = attach(target, exact=False)
    texts = []

    def all_found():
        texts.append(unwrapped(tool.report_now()))
        return all(re.search(pattern, texts[-1], re.M) for pattern in FINDINGS.values())

    harness.until(all_found, "all findings")
    first = texts[-1].splitlines()[0]
    assert re.match(r"(LEAK|GROWING)  \+\S+ \S+; \d+ % of it explained", first), texts[-1]
    answer = texts[-1].split("\n\n")[0]
    assert "RECENT" not in answer and "User " not in answer, answer
    assert re.search(r"^Next: pyleaktrace (watch|chain) -p %d " % target.pid, answer, re.M), answer
    report = tool.finish()
    validate(report.data)
    verdict = report.data["verdict"]
    assert verdict["state"] in ("LEAK", "GROWING")
    by_path = {finding.get("path"): finding for finding in verdict["findings"]}
    assert by_path["app.CACHE"]["type"] == "bytearray"
    assert by_path["app.USERS[*].history"]["evidence"][2]["value"] == 100
    explained = sum(finding["bytes_per_s"] for finding in verdict["findings"])
    left = verdict.get("unexplained_bytes_per_s", 0.05 * verdict["growth_bytes_per_s"])
    assert explained <= verdict["growth_bytes_per_s"] * 1.05
    assert explained + left >= verdict["growth_bytes_per_s"] * 0.99


def test_nothing_that_comes_and_goes_is_a_leak(one_python, start, attach):
    target = start(one_python, "verdict.py")
    target.do("leak", what="come_and_go")
    tool = attach(target, exact=False)
    texts = []

    def is_judged():
        texts.append(tool.report_now())
        return not texts[-1].startswith("TOO EARLY") and re.match(r"[A-Z ]+  ", texts[-1])

    harness.until(is_judged, "a verdict")
    assert re.match(r"(NO LEAK|GROWING)  ", texts[-1]), texts[-1]
    assert not re.search(r"^  \d\. .* container ", texts[-1], re.M), texts[-1]
    tool.finish()
