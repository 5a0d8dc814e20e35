# SPDX-License-Identifier: BSD-2-Clause
"""The JSON output against its schema: what is written fits, and what does not fit is refused."""
import copy
import json
import pathlib

import jsonschema
import pytest

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "user/export/pyleaktrace-1.schema.json").read_text())
CASES = ["service", "hostile", "estimated", "empty", "freed"]


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


def test_one_line_a_stack(documents):
    lines = (documents / "service.json").read_text().splitlines()
    assert sum('"outstanding_bytes"' in line and '"frames"' in line for line in lines) == 5


def test_values(documents):
    got = load(documents, "service")
    assert got["schema"] == "pyleaktrace/1"
    assert got["time"] == "2026-02-03T14:03:07.123Z"
    assert got["target"]["cmdline"] == ["python3.11", "-m", "app.web", "--port=8080"]
    assert got["mode"]["domains"] == ["malloc", "object", "mmap"]
    first = got["stacks"][0]
    assert [frame["function"] for frame in first["frames"]] == ["<module>", "Server.serve", "Server.handle", "remember"]
    assert first["types"][0] == {"name": "dict", "count": 81, "bytes": 8100}
    assert got["stacks"][1]["frames"][-1] == {"kind": "native", "module": "libbody.so.2", "offset": 0x8f20}
    assert got["losses"] == [{"name": "stacks_cut", "count": 12, "sentence": got["losses"][0]["sentence"]}]
    assert "end" not in got["target"] and "heap" not in got and "verdict" not in got


def test_what_was_not_collected_is_absent(documents):
    got = load(documents, "empty")
    assert set(got) == {"schema", "version", "time", "duration_s", "target", "mode", "totals", "stacks", "losses"}
    assert set(got["target"]) == {"pid", "cmdline", "threads", "rss_bytes", "stopped"}
    got = load(documents, "estimated")
    assert got["target"]["end"] == {"how": "killed", "signal": 9}
    assert got["mode"]["min_size_bytes"] == 64
    assert "cost" not in got


def test_hostile_names_stay_text(documents):
    functions = [frame.get("function") for frame in load(documents, "hostile")["stacks"][0]["frames"]]
    assert functions[0] == "\x1b[2J\x1b[31mred\x07"
    assert functions[6].startswith("\ufffd\ufffd broken \ufffd(")
    assert functions[9] == "</script><img src=x onerror=window.pwned=1>"
    assert len(functions[-1]) == 4095
    assert load(documents, "hostile")["stacks"][0]["growth_bytes_per_s"] == 0  # it was not a number


BREAKERS = {
    "unknown part": lambda d: d.update(extra=1),
    "other version": lambda d: d.update(schema="pyleaktrace/2"),
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
    "loss of nothing": lambda d: d["losses"][0].update(count=0),
}


@pytest.mark.parametrize("how", BREAKERS)
def test_schema_is_strict(documents, how):
    document = copy.deepcopy(load(documents, "service"))
    BREAKERS[how](document)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)
