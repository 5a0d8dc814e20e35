# SPDX-License-Identifier: BSD-2-Clause
"""tools/kill9 does not take what it could not look at for unchanged."""
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

PATH = pathlib.Path(__file__).resolve().parents[2] / "tools" / "kill9"


@pytest.fixture
def kill9(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("kill9", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kill9", loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "ENDED_S", 0)
    return module


def test_unchanged_text_has_no_differences(kill9):
    assert kill9.differences(os.getpid()) == 0


def test_changed_text_is_seen(kill9, monkeypatch):
    real = kill9.text_of_file
    monkeypatch.setattr(kill9, "text_of_file", lambda *a: bytes([real(*a)[0] ^ 1]) + real(*a)[1:])
    assert kill9.differences(os.getpid()) > 0


def test_unreadable_file_is_a_failure(kill9, monkeypatch):
    monkeypatch.setattr(kill9, "text_of_file", lambda *_: None)
    with pytest.raises(kill9.Failure, match="cannot be looked at"):
        kill9.differences(os.getpid())


def test_unreadable_memory_is_a_failure(kill9, monkeypatch):
    def refuse(*_):
        raise PermissionError("no")

    monkeypatch.setattr(kill9.os, "pread", refuse)
    with pytest.raises(kill9.Failure, match="cannot be looked at"):
        kill9.differences(os.getpid())


def test_ended_process_has_no_differences(kill9):
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert kill9.differences(child.pid) == 0
    child.wait()
    assert kill9.differences(child.pid) == 0
