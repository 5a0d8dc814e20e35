# SPDX-License-Identifier: BSD-2-Clause
"""The exports for other programs, read by those programs: pprof of Go and protoc, and speedscope's
file format as a schema."""
import gzip
import json
import pathlib
import re
import shutil
import subprocess

import jsonschema
import pytest

from conftest import write_made

HERE = pathlib.Path(__file__).resolve().parent
CASES = ["answered", "causes", "hostile", "empty", "below", "pids", "by-module", "untraced"]
EACH = pytest.mark.parametrize("name", CASES)


def reader(program, package):
    if not shutil.which(program):
        pytest.skip("no %s on this machine (%s; tools/setup test)" % (program, package))
    return program


@pytest.fixture(scope="session")
def go():
    return reader("go", "golang-go")


@pytest.fixture(scope="session")
def protoc():
    return reader("protoc", "protobuf-compiler")


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    for program in ("test_pprof", "test_otlp", "test_speedscope"):
        write_made(program, folder)
    return folder


def pprof(go, folder, name, *options):
    result = subprocess.run(
        [go, "tool", "pprof", *options, str(folder / (name + ".pb.gz"))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "PPROF_TMPDIR": str(folder)},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def decode(protoc, proto, message, data):
    """-> the message as text; a field that the .proto does not know would be there by its number"""
    result = subprocess.run(
        [protoc, "--decode=" + message, "-I", str(HERE), proto],
        input=data,
        capture_output=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode("ascii")
    assert not re.search(r"^\s*\d+(: | \{)", text, re.M)
    return text


@EACH
def test_pprof_reads_it(go, written, name):
    text = pprof(go, written, name, "-raw")
    assert "inuse_space/bytes[dflt] inuse_objects/count" in text
    assert ("alloc_space" in text) == (name not in ("below", "untraced"))
    # names of the target's are text
    assert all(c.isprintable() or c in "\n\t" for c in text)


def test_pprof_shows_findings(go, written):
    text = pprof(go, written, "causes", "-raw")
    assert "1. app.cache.SESSIONS (dict, 120,431 Session, +5,700/min) only grows" in text
    sample = re.search(r"^ +42000000 +300000 .*\n(.*)$", text, re.M)[1]
    assert "domain:[object]" in sample and "finding:[container app.cache.SESSIONS]" in sample
    # by label, as root frames
    top = pprof(go, written, "causes", "-top", "-cum", "-nodecount=99", "-tagroot=finding")
    assert re.search(r" 40\.05MB .* container app\.cache\.SESSIONS\b", top), top
    # and by growth a minute
    top = pprof(go, written, "causes", "-top", "-cum", "-sample_index=growth_per_minute")
    assert re.search(r" 40\.05MB .* container app\.cache\.SESSIONS\b", top), top


def test_pprof_takes_no_name_of_python_for_a_template(go, written):
    assert re.search(
        r"^ +\d+: 0x0 <module> /srv/app/web\.py:120 ", pprof(go, written, "answered", "-raw"), re.M
    )


def test_two_looks_can_be_compared(go, written):
    base = "-diff_base=" + str(written / "causes.pb.gz")
    text = pprof(go, written, "causes", "-top", base)
    assert "Showing nodes accounting for 0, 0% of 61.61MB total" in text


@EACH
def test_pprof_has_the_fields_of_its_description(protoc, written, name):
    data = gzip.decompress((written / (name + ".pb.gz")).read_bytes())
    text = decode(protoc, "pprof.proto", "Profile", data)
    assert 'string_table: "inuse_space"' in text


@EACH
def test_otlp_has_the_fields_of_its_description(protoc, written, name):
    data = (written / (name + ".otlp.pb")).read_bytes()
    text = decode(protoc, "otlp.proto", "ProfilesData", data)
    assert text.count("resource_profiles {") == (2 if name == "pids" else 1)
    assert 'string_table: "inuse_space"' in text
    if name == "answered":
        assert 'string_value: "container app.cache.SESSIONS"' in text
        assert 'key: "process.pid"' in text


@EACH
def test_speedscope_has_its_format(written, name):
    schema = json.loads((HERE / "speedscope.schema.json").read_text(encoding="utf-8"))
    data = json.loads((written / (name + ".speedscope.json")).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema).validate(data)
    for profile in data["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(i < len(data["shared"]["frames"]) for row in profile["samples"] for i in row)
