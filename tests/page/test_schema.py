# SPDX-License-Identifier: BSD-2-Clause
"""The JSON output against its schema: what is written fits, and what does not fit is rejected."""
import copy
import json
import pathlib

import jsonschema
import pytest

SCHEMA = json.loads(
    (
        pathlib.Path(__file__).resolve().parents[2] / "user/export/pyleaktrace-2.schema.json"
    ).read_text()
)
CASES = [
    "service",
    "hostile",
    "estimated",
    "empty",
    "freed",
    "wheels",
    "by-line",
    "by-function",
    "by-module",
    "by-thread",
    "by-pid",
    "pids",
    "selected",
    "below",
    "untraced",
    "answered",
    "whole",
]


def load(documents, name):
    """Strictly: UTF-8, no NaN or Infinity, no name twice in one object."""

    def refuse(word):
        raise ValueError(word + " is not JSON")

    def once(pairs):
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    text = (documents / f"{name}.json").read_bytes().decode("utf-8", "strict")
    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def validate(document):
    jsonschema.Draft7Validator(SCHEMA).validate(document)


def test_schema_is_a_schema():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", CASES)
def test_output_fits(documents, name):
    validate(load(documents, name))


def test_each_stack_is_one_line(documents):
    lines = (documents / "service.json").read_text().splitlines()
    assert sum('"outstanding_bytes"' in line and '"frames"' in line for line in lines) == 5


def test_values_are_those_of_the_profile(documents):
    got = load(documents, "service")
    assert got["schema"] == "pyleaktrace/2"
    assert got["time"] == "2026-02-03T14:03:07.123Z"
    assert got["target"]["cmdline"] == ["python3.11", "-m", "app.web", "--port=8080"]
    assert got["mode"]["domains"] == ["malloc", "object", "mmap"]
    first = got["stacks"][0]
    assert [frame["function"] for frame in first["frames"]] == [
        "<module>",
        "Server.serve",
        "Server.handle",
        "remember",
    ]
    assert first["types"][0] == {"name": "dict", "count": 81, "bytes": 8100}
    assert got["stacks"][1]["frames"][-1] == {
        "kind": "native",
        "module": "libbody.so.2",
        "offset": 0x8F20,
    }
    assert got["losses"] == [
        {"name": "stacks_cut", "count": 12, "sentence": got["losses"][0]["sentence"]}
    ]
    assert "end" not in got["target"] and "heap" not in got and "verdict" not in got


def test_what_was_not_collected_is_absent(documents):
    got = load(documents, "empty")
    assert set(got) == {
        "schema",
        "version",
        "time",
        "duration_s",
        "target",
        "mode",
        "totals",
        "stacks",
        "losses",
    }
    assert set(got["target"]) == {"pid", "cmdline", "threads", "rss_bytes", "stopped"}
    got = load(documents, "estimated")
    assert got["target"]["end"] == {"how": "killed", "signal": 9}
    assert got["mode"]["min_size_bytes"] == 64
    assert "cost" not in got


def test_what_is_not_known_is_no_zero(documents):
    """Windows do not see every call, so how much was allocated and freed in all is unknown."""
    counted = {"allocated_bytes", "allocated_count", "freed_count"}
    below, exact = load(documents, "below"), load(documents, "service")
    assert not (counted | {"unknown_frees"}) & below["totals"].keys()
    assert not counted & below["stacks"][0].keys()
    assert counted | {"unknown_frees"} <= exact["totals"].keys()
    assert all(counted <= stack.keys() for stack in exact["stacks"])
    assert below["cost"]["own_share"] == 0.0231 and below["cost"]["own_share_most"] == 0.0342
    assert "own_share" not in exact["cost"] and "ceiling" not in exact["cost"]


def test_nothing_is_invented_where_nothing_was_traced(documents):
    got = load(documents, "untraced")
    assert not {"mode", "totals", "stacks", "cost"} & set(got)
    assert [note["name"] for note in got["notes"]] == ["children_work", "not_traced"]
    assert got["notes"][1]["sentence"].endswith("bpf() is \x1b[2Jdenied.")
    assert (
        got["growing"][0]["container"]["path"] == "app.cache.SESSIONS"
        and got["growing"][0]["watched_s"] == 0
    )


def test_the_answer_is_in_it(documents):
    got = load(documents, "answered")["verdict"]
    assert (got["state"], len(got["findings"])) == ("LEAK", 3)
    first, second, third = got["findings"]
    assert first["next"] == ["pyleaktrace", "chain", "-p", "4242", "app.\x1b[2JIt's"]
    assert first["where"]["kind"] == "python" and first["frames"][-1]
    assert load(documents, "answered")["stacks"][first["stack"]]["frames"] == first["frames"]
    assert "stack" not in second and "frames" not in second
    assert "evidence" not in third
    total = sum(finding["bytes_per_s"] for finding in got["findings"])
    assert abs(total + got["unexplained_bytes_per_s"] - got["growth_bytes_per_s"]) <= 1


def test_hostile_names_stay_text(documents):
    functions = [
        frame.get("function") for frame in load(documents, "hostile")["stacks"][0]["frames"]
    ]
    assert functions[0] == "\x1b[2J\x1b[31mred\x07"
    assert functions[6].startswith("\ufffd\ufffd broken \ufffd(")
    assert functions[9] == "</script><img src=x onerror=window.pwned=1>"
    assert len(functions[-1]) == 4095
    assert load(documents, "hostile")["stacks"][0]["growth_bytes_per_s"] == 0  # it was not a number


def groups(documents, name):
    """Groups as they are distinguished -> (outstanding bytes, allocations, stacks); the contents of
    each are checked on the way."""
    got = load(documents, name)
    key = {
        "line": "place",
        "function": "place",
        "module": "module",
        "thread": "thread_id",
        "pid": "pid",
    }[got["group_by"]]
    found = {}
    for i, group in enumerate(got["groups"]):
        mine = [stack for stack in got["stacks"] if stack["group"] == i]
        assert got["stacks"][group["largest_stack"]] in mine
        assert len(mine) == group["stacks"]
        for figure in (
            "outstanding_bytes",
            "outstanding_count",
            "allocated_bytes",
            "freed_count",
            "types_sampled",
        ):
            assert sum(stack[figure] for stack in mine) == group[figure]
        assert {stack["domain"] for stack in mine} == set(group["domains"])
        assert group["share"] == pytest.approx(
            group["outstanding_bytes"] / got["totals"]["outstanding_bytes"]
        )
        found[json.dumps(group[key])] = (
            group["outstanding_bytes"],
            group["outstanding_count"],
            group["stacks"],
        )
    return found


def test_groups_add_up_and_are_distinguished(documents):
    assert groups(documents, "by-module") == {
        '{"kind": "package", "name": "numpy"}': (8000000, 95, 3),
        '{"kind": "application", "name": "/srv/app"}': (800000, 12, 2),
        '{"kind": "stdlib", "name": "json"}': (700000, 7000, 1),
        '{"kind": "library", "name": "libcrypto.so.3", "elf": "libcrypto.so.3"}': (500000, 500, 1),
    }
    assert list(groups(documents, "by-line").values()) == [
        (7500000, 90, 2),
        (700000, 7000, 1),
        (640000, 10, 1),
        (500000, 500, 1),
        (500000, 5, 1),
        (160000, 2, 1),
    ]
    assert (
        '{"kind": "python", "function": "load", "file": "/srv/app/data.py", "line": 31}'
        in groups(documents, "by-line")
    )
    assert '{"kind": "python", "function": "load", "file": "/srv/app/data.py"}' in groups(
        documents, "by-function"
    )
    assert groups(documents, "by-thread") == {"4242": (7500000, 7072, 4), "4711": (2500000, 535, 3)}
    assert groups(documents, "by-pid") == {"4242": (10000000, 7607, 7)}
    assert (
        "groups" not in load(documents, "wheels")
        and "group" not in load(documents, "wheels")["stacks"][0]
    )


def test_several_targets_are_told_apart(documents):
    got = load(documents, "pids")
    assert "target" not in got and [target["pid"] for target in got["targets"]] == [4242, 4243]
    assert got["targets"][1]["end"] == {"how": "exited", "code": 3}
    assert groups(documents, "pids") == {"4242": (7500000, 7072, 4), "4243": (2500000, 535, 3)}
    assert {stack["pid"] for stack in got["stacks"]} == {4242, 4243}


def test_selection_says_what_it_leaves_out(documents):
    got = load(documents, "selected")
    assert got["selection"] == {
        "modules": ["numpy", "json"],
        "left_out_bytes": 1300000,
        "left_out_count": 512,
        "left_out_stacks": 3,
    }
    assert got["totals"]["outstanding_bytes"] == 10000000
    assert sum(stack["outstanding_bytes"] for stack in got["stacks"]) == 10000000 - 1300000
    assert "selection" not in load(documents, "by-module")


BREAKERS = {
    "unknown part": lambda d: d.update(extra=1),
    "other version": lambda d: d.update(schema="pyleaktrace/3"),
    "no losses": lambda d: d.pop("losses"),
    "negative bytes": lambda d: d["stacks"][0].update(outstanding_bytes=-1),
    "fraction of a block": lambda d: d["stacks"][0].update(outstanding_count=1.5),
    "unknown domain": lambda d: d["stacks"][0].update(domain="arena"),
    "types without a sample": lambda d: d["stacks"][0].pop("types_sampled"),
    "unknown kind of frame": lambda d: d["stacks"][0]["frames"][0].update(kind="kernel"),
    "line 0": lambda d: d["stacks"][0]["frames"][0].update(line=0),
    "python frame with a module": lambda d: d["stacks"][0]["frames"][0].update(module="x.so"),
    "native frame without an offset": lambda d: d["stacks"][1]["frames"][-1].pop("offset"),
    "local time": lambda d: d.update(time="2026-02-03T14:03:07"),
    "two kinds of targets": lambda d: d.update(targets=[d["target"]]),
    "neither": lambda d: d.pop("target"),
    "groups of nothing": lambda d: d.update(groups=[]),
    "grouped by stack": lambda d: d.update(groups=[], group_by="stack"),
    "selection of nothing": lambda d: d.update(
        selection={"modules": [], "left_out_bytes": 0, "left_out_count": 0, "left_out_stacks": 0}
    ),
    "thread 0": lambda d: d["stacks"][0].update(thread_id=0),
    "loss of nothing": lambda d: d["losses"][0].update(count=0),
}


@pytest.mark.parametrize("how", BREAKERS)
def test_schema_is_strict(documents, how):
    document = copy.deepcopy(load(documents, "service"))
    BREAKERS[how](document)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)
