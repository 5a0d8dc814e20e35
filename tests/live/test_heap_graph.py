# SPDX-License-Identifier: BSD-2-Clause
"""`pyleaktrace heap --holders`, `--chain`, `--backrefs`: who holds what, against what the target itself finds."""
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
    "KeywordDefault": "app.cache.defaults default argument `c`",
    "Cached": "app.cache.cached cached result",
    "Partial": "app.cache.partial.args[0]",
    "Generator": "app.cache.generator local `inside`",
    "Coroutine": "app.cache.coroutine local `waited`",
    "Weak": "app.cache.ZZZ[0][0][0][0]",
}
# shapes of which objgraph knows the whole chain too: no frame is in it
OBJGRAPH = "/usr/lib/python3/dist-packages/objgraph.py"
COMPARED = [name for name in PATHS if name not in ("Generator", "Coroutine")]


def heap(target, *options):
    result = tool("heap", "-p", str(target.pid), "-f", "json", *options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)["heap"]


def chains(target, name, *options):
    found = heap(target, "--chain", name, *options)["chains"]
    assert all(not row["changed"] for row in found["rows"])
    return found


def test_shapes(python, start, validate):
    """In every way that there is: the path, and each object on it, as the target's own collector has them."""
    target = start(python, "heap_graph.py")
    target.do("shapes")
    where = target.do("addresses")
    wrong = {}
    for name, path in PATHS.items():
        found = chains(target, name)
        assert (found["count"], found["reached"], len(found["rows"])) == (1, 1, 1), name
        row = found["rows"][0]
        if row["path"] != path or row["links"][-1]["address"] != hex(where[name]):
            wrong[name] = row["path"]
    assert not wrong
    row = chains(target, "shapes.Cached")["rows"][0]
    assert [link["items"] for link in row["links"] if "lru_cache" in link["type"]] == [3000]
    local, = chains(target, "InFrame")["rows"]
    assert re.match(r"local `batch` of wait_in_frame \(.*heap_graph\.py:\d+\), thread worker-0$", local["root"])
    assert chains(target, "ThreadLocal")["reached"] == 1
    result = tool("heap", "-p", str(target.pid), "-f", "json", "--chain", "Nested")
    validate(json.loads(result.stdout))


def ids(row, parts=True):
    """Of the chain, without what objgraph does not see: sys.modules, the links of an lru_cache and their dict."""
    links = [link for link in row["links"][1:] if "lru_list_elem" not in link["type"]]
    cached = [i for i, link in enumerate(links) if "lru_cache" in link["type"]]
    if cached and links[cached[0] + 1]["hidden"]:
        del links[cached[0] + 1]
    if not parts:  # but the module's dict
        links[2:] = [link for link in links[2:] if not link["hidden"]]
    return [int(link["address"], 16) for link in links]


def test_chains_are_those_of_objgraph(python, start):
    if not os.path.exists(OBJGRAPH):
        pytest.fail("objgraph is not installed (tools/setup test)")
    target = start(python, "heap_graph.py")
    shutil.copy(OBJGRAPH, python.root + python.folder)
    target.do("shapes")
    for name in COMPARED:
        # CPython 3.13.0 leaves the dict out that an instance was given later
        parts = name != "Dict_" or python.version != (3, 13, 0)
        ours = ids(chains(target, name)["rows"][0], parts)  # first: looking from inside leaves references behind
        theirs = [one for kind, one in target.do("chain", name=name) if "lru_list_elem" not in kind]  # in 3.6
        assert theirs == ours, name


def unreached(found):
    return {row["name"]: (row["held"], row["through"], row["garbage"]) for row in found["unreached"]}


def test_holders_and_what_no_root_reaches(python, start, validate):
    target = start(python, "heap_graph.py")
    target.do("shapes")
    target.do("lost", n=30)
    target.do("cycles", n=40)
    found = heap(target, "--holders")
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
    assert set(rest) & {"shapes." + name for name in PATHS} == set()
    lost = chains(target, "Lost")
    assert (lost["count"], lost["held"]) == (30, 30)
    assert lost["rows"][0]["root"] == "held from C or by a lost reference"
    assert (chains(target, "Cycle")["garbage"], chains(target, "Cycle")["rows"]) == (40, [])
