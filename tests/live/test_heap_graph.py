# SPDX-License-Identifier: BSD-2-Clause
"""`pyleaktrace holders`, `chain`, `backrefs`: what holds what, compared with what the target itself
finds."""
import json
import os
import re
import shutil
import subprocess

import pytest

import harness
from harness import tool

# class of the object -> how it is held: what is shown, with {file} for the program
PATHS = {
    "Global": "app.cache.GLOBAL",
    "InDict": "app.cache.SESSIONS['wanted']",
    "ByNumber": "app.cache.BY_NUMBER[-17]",
    "Nested": "app.cache.NESTED['a'][1][1]['b'][0]",
    "InList": "app.cache.LIST[3000]",
    "InSet": "app.cache.SET member",
    "Deque": "app.cache.DEQUE[700]",
    "Ordered": "app.cache.ORDERED['x']",
    "Instance_": "app.cache.INSTANCE.held",
    "Dict_": "app.cache.LOOSE.held",
    "Slot": "app.cache.SLOTTED.held",
    "ClassAttribute": "app.cache.Class.held",
    "Bound": "app.cache.METHODS[0].__self__.held",
    "Closure": "app.cache.closure closure `captured`",
    "Default": "app.cache.defaults default argument `b`",
    "KeywordDefault": "app.cache.keywords default argument `c`",
    "Cached": "app.cache.cached cached result",
    "Partial": "app.cache.partial.args[0]",
    "Generator": "app.cache.generator local `inside`",
    "Coroutine": "app.cache.coroutine local `waited`",
    "Weak": "app.cache.ZZZ[0][0][0][0]",
}
# shapes of which objgraph knows the whole chain too: no frame is in it
OBJGRAPH = "/usr/lib/python3/dist-packages/objgraph.py"
COMPARED = [name for name in PATHS if name not in ("Generator", "Coroutine")]


def heap(target, verb, *options):
    result = tool(verb, "-p", str(target.pid), "-f", "json", *options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)["heap"]


def chains(target, name, *options):
    found = heap(target, "chain", name, *options)["chains"]
    assert all(not row["changed"] for row in found["rows"])
    return found


def ids(row, parts=True):
    """Those of the chain, without what objgraph does not see: sys.modules, the links of an
    lru_cache and their dict."""
    links = [link for link in row["links"][1:] if "lru_list_elem" not in link["type"]]
    cached = [i for i, link in enumerate(links) if "lru_cache" in link["type"]]
    if cached and links[cached[0] + 1]["hidden"]:
        del links[cached[0] + 1]
    if not parts:  # but the module's dict
        links[2:] = [link for link in links[2:] if not link["hidden"]]
    return [int(link["address"], 16) for link in links]


def test_chain_is_found_for_every_way_of_holding(python, start, validate):
    """For every way to hold an object: the path and each object on it, as objgraph finds them from
    inside."""
    if not os.path.exists(OBJGRAPH):
        pytest.fail("objgraph is not installed (tools/setup test)")
    target = start(python, "heap_graph.py")
    shutil.copy(OBJGRAPH, python.root + python.folder)
    target.do("shapes")
    where = target.do("addresses")
    result = tool("chain", "-p", str(target.pid), "-f", "json", "shapes.*", "-T", "0")
    assert result.returncode == 0, result.stderr
    validate(json.loads(result.stdout))
    found = json.loads(result.stdout)["heap"]["chains"]
    assert found["count"] == found["reached"] == len(where) == len(found["rows"])
    rows = {row["links"][-1]["type"].split(".")[1]: row for row in found["rows"]}
    assert {name: rows[name]["path"] for name in PATHS} == PATHS
    assert {name: row["links"][-1]["address"] for name, row in rows.items()} == {
        name: hex(address) for name, address in where.items()
    }
    assert not any(row["changed"] for row in rows.values())
    assert [link["items"] for link in rows["Cached"]["links"] if "lru_cache" in link["type"]] == [
        3000
    ]
    assert re.match(
        r"local `batch` of wait_in_frame \(.*heap_graph\.py:\d+\), thread worker-0$",
        rows["InFrame"]["root"],
    )
    # in an array of C code; from 3.14 on in a list of tuples
    inner = "[1][0]" if python.version >= (3, 14) else "[0]"
    assert re.match(r"atexit callbacks\[\d+\]%s$" % re.escape(inner), rows["AtExit"]["path"])
    assert rows["AtExit"]["root"] == "atexit callbacks"
    # last: looking from inside leaves references behind; in 3.13t gc.get_referrers() finds nothing
    # there
    compared = [] if python.free_threaded and python.version < (3, 14) else COMPARED
    for name, chain in target.do("chains", names=compared).items():
        theirs = [one for kind, one in chain if "lru_list_elem" not in kind]  # in 3.6
        # CPython 3.13.0 leaves the dict out that an instance was given later
        assert theirs == ids(rows[name], name != "Dict_" or python.version != (3, 13, 0)), name


def unreached(found):
    return {
        row["name"]: (row["held"], row["through"], row["garbage"]) for row in found["unreached"]
    }


def test_holders_and_what_no_root_reaches_are_counted(python, start, validate):
    target = start(python, "heap_graph.py")
    target.do("shapes")
    target.do("lost", n=30)
    target.do("cycles", n=40)
    target.do("closing", n=50)
    found = heap(target, "holders")
    holders = {row["path"]: (row["type"], row["items"]) for row in found["holders"]}
    assert holders["app.cache.SESSIONS"] == ("dict", 5001)
    assert holders["app.cache.LIST"] == ("list", 3001)
    assert holders["app.cache.DEQUE"] == ("collections.deque", 1000)
    assert holders["app.cache.ORDERED"] == ("collections.OrderedDict", 2001)
    assert holders["app.cache.cached"] == ("functools._lru_cache_wrapper", 3000)
    rest = unreached(found)
    assert rest["shapes.Lost"] == (30, 0, 0)
    assert rest["shapes.Cycle"] == (0, 0, 40)
    assert rest["__main__.Slotted"] == (0, 30, 40)
    assert rest["__main__.Closing"] == (0, 0, 50)
    with_del = {row["name"]: row["has_del"] for row in found["unreached"]}
    assert (with_del["__main__.Closing"], with_del["shapes.Cycle"], with_del["shapes.Lost"]) == (
        True,
        False,
        False,
    )
    assert set(rest) & {"shapes." + name for name in PATHS} == set()
    lost = chains(target, "Lost")
    assert (lost["count"], lost["held"]) == (30, 30)
    assert lost["rows"][0]["root"] == "held from C or by a lost reference"
    assert (chains(target, "Cycle")["garbage"], chains(target, "Cycle")["rows"]) == (40, [])


def test_backrefs_are_drawn_to_the_depth_asked_for(some_python, start, tmp_path, validate):
    target = start(some_python, "heap_graph.py")
    target.do("shapes")
    where = target.do("addresses")
    result = tool(
        "backrefs",
        "-p",
        str(target.pid),
        "Slot",
        "--depth",
        "4",
        "-o",
        str(tmp_path / "a.json"),
        "-o",
        str(tmp_path / "a.dot"),
        "-o",
        str(tmp_path / "a.svg"),
    )
    assert result.returncode == 0 and result.stderr == ""
    assert re.search(r"^ +<- __main__\.Slotted at 0x\w+  \.held$", result.stdout, re.M)
    report = json.loads((tmp_path / "a.json").read_text())
    validate(report)
    graph = report["heap"]["graph"]
    assert graph["nodes"][0] == {"type": "shapes.Slot", "address": hex(where["Slot"]), "depth": 0}
    assert [
        (graph["nodes"][edge["from"]]["type"], edge["via"])
        for edge in graph["edges"]
        if edge["to"] == 0
    ] == [("__main__.Slotted", ".held")]
    types = {node["depth"]: node["type"] for node in graph["nodes"]}
    assert (types[1], types[2], types[3]) == ("__main__.Slotted", "dict", "module")
    assert hex(where["Slot"]) in (tmp_path / "a.dot").read_text()
    assert (
        "shapes.Slot" in (tmp_path / "a.svg").read_text()
        and "<svg" in (tmp_path / "a.svg").read_text()
    )
    # without Graphviz the .dot is written, and that is said
    result = subprocess.run(
        [harness.TOOL, "chain", "-p", str(target.pid), "Slot", "-o", str(tmp_path / "b.svg")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env={"PATH": "/nowhere"},
        check=False,
    )
    assert result.returncode == 0 and "b.dot is written instead" in result.stderr
    assert (tmp_path / "b.dot").read_text().count(" -> ") == 2 and not (tmp_path / "b.svg").exists()
    one = chains(target, hex(where["Slot"]))
    assert one["type"] == "shapes.Slot"
    assert one["rows"][0]["path"] == PATHS["Slot"]
    for arguments in (
        ["chain", "NoSuchType"],
        ["chain", "0x10000"],
        ["backrefs", "8"],
        ["backrefs", "NoSuchType"],
    ):
        result = tool(*arguments, "-p", str(target.pid))
        assert result.returncode == 2 and "has no " in result.stderr and result.stdout == ""


def test_frozen_target_stands_still_and_goes_on(some_python, start):
    """It stands still for as long as the tool says, and then goes on."""
    target = start(some_python, "heap_graph.py")
    target.do("shapes")
    for options in (["heap"], ["chain", "Slot"], ["holders"]):
        result = tool(*options, "-p", str(target.pid), "--frozen", "-f", "json")
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["heap"]["scan"]["pause_s"] > 0
        assert len(target.do("addresses")) > 20
    assert "was stopped" in tool("heap", "-p", str(target.pid), "--frozen").stdout


def test_holders_that_grow_are_named(some_python, start, tmp_path, validate):
    target = start(some_python, "heap_graph.py")
    target.do("shapes")
    watch = subprocess.Popen(
        [
            harness.TOOL,
            "growth",
            "-p",
            str(target.pid),
            harness.NEVER_S,
            "-o",
            str(tmp_path / "a.json"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    out, err = harness.Reader(watch.stdout), harness.Reader(watch.stderr)
    try:
        assert err.wait(r"scan 1 of")
        for number in (2, 3):
            target.do("grow", n=700)
            watch.send_signal(10)
            assert err.wait(r"scan %d of" % number), err.text
        watch.send_signal(2)
        assert watch.wait(harness.DEADLINE_S) == 0, err.text
    finally:
        if watch.poll() is None:
            watch.kill()
            watch.wait()
    report = json.loads((tmp_path / "a.json").read_text())
    validate(report)
    (row,) = [row for row in report["heap"]["holders"] if row["path"] == "app.cache.SESSIONS"]
    assert (row["type"], row["items"], row["items_delta"]) == ("dict", 6401, 1400)
    assert row["items_per_s"] > 0
    assert out.wait(r"^ +app\.cache\.SESSIONS dict 6401 items \+\d+/min$"), out.text


def test_hostile_heap_is_read_soon_in_little_memory(some_python, start):
    """Forged lengths, pointers, types, pools and chunks, cyclic links, and maps that move: there is
    still a report, soon and in little memory."""
    target = start(some_python, "heap_hostile.py")
    target.do("forge", n=40)
    target.do("forge_types", n=30)
    target.do("forge_pools", n=20000)
    target.do("forge_chunks", n=40)
    target.do("move")
    limits = 'ulimit -v 400000; ulimit -t 20; exec "$@"'  # KiB; seconds of CPU time
    for options in (
        ["heap"],
        ["holders", "-T", "0"],
        ["chain", "Node", "-T", "3"],
        ["backrefs", "Node", "--depth", "2"],
        ["trend", "0.1", "2"],
    ):
        result = subprocess.run(
            ["/bin/sh", "-c", limits, "sh", harness.TOOL, *options, "-p", str(target.pid)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=harness.DEADLINE_S,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, b""), options
        assert result.stdout
    target.process.kill()


def aligned_starts(target, align=32 << 20):
    """Where writable memory has a region of this size that begins at a multiple of it."""
    with open("/proc/%d/maps" % target.pid, encoding="utf-8") as f:
        rows = [line.split() for line in f]
    ranges = [
        [int(word, 16) for word in row[0].split("-")]
        for row in rows
        if row[1] == "rw-p" and len(row) == 5
    ]
    return [
        -(-start // align) * align
        for start, end in ranges
        if -(-start // align) * align + align <= end
    ]


@pytest.mark.pythons(lambda python: python.version >= (3, 13))  # older versions have no mimalloc
def test_hostile_segments_add_hardly_anything(python, start):
    """Headers of mimalloc's segments that lie: what the target really has is still found, and
    hardly anything more."""
    target = start(python, "heap_hostile.py", env={"PYTHONMALLOC": "mimalloc"})
    before = heap(target, "heap")["types"]
    target.do("forge_segments", n=30, starts=aligned_starts(target))
    after = json.loads(tool("heap", "-p", str(target.pid), "-f", "json").stdout)["heap"]["types"]
    before, after = ({row["name"]: row["count"] for row in types} for types in (before, after))
    assert all(
        abs(after[name] - before[name]) < 100 for name in ("str", "function", "dict", "type")
    ), (before, after)
    target.process.kill()
