# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of written files share: the files of all made-up profiles
(tests/golden/made_profile.h)."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def write_made(program, folder):
    """Have build/unit/PROGRAM write CASE.SUFFIX for every made-up profile into folder."""
    unit = pathlib.Path(os.environ.get("PYLEAKTRACE_UNIT", ROOT / "build" / "unit"))
    if "PYLEAKTRACE_UNIT" not in os.environ:
        subprocess.run(["make", "-s", f"build/unit/{program}"], cwd=ROOT, check=True)
    subprocess.run([unit / program, "--write", folder], cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    return write_made("test_html", tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    return write_made("test_svg", tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    return write_made("test_json", tmp_path_factory.mktemp("documents"))


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    return write_made("test_report", tmp_path_factory.mktemp("reports"))
