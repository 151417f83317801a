"""The short form of `python -m benchmarks.fuzz`: every reader, a few changed files each, the same ones every time. And that the harness sees what it is there to see."""

import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.fuzz import formats, targets, watching

INPUTS = 40
"""Of each reader; the long form reads millions."""


def test_no_reader_does_anything_but_read_or_say_why_not(tmp_path):
    assert not watching.together(list(targets.TARGETS), inputs=INPUTS, seed=1, keep_in=tmp_path), "each is kept as a file there"
    assert watching.outside_is_empty()


@pytest.mark.parametrize(("act", "said"), [
    ("raises", "KeyError"), ("says a cursor's move", "moves the cursor"), ("begins a program", "subprocess.Popen"), ("writes elsewhere", "may not: opens"), ("unpickles", "pickle.find_class"), ("takes memory", "memory"),
    ("looks outside", "opens what a file points to"), ("dies", "signal 11"), ("hangs", "more than its time"), ("reads", "")])
def test_the_harness_sees_it(tmp_path, monkeypatch, act, said):
    real = subprocess.Popen
    monkeypatch.setenv("BAD_ACT", act)
    if act == "hangs":
        monkeypatch.setattr(watching, "CPU_S", 0.5)
    monkeypatch.setattr(watching.subprocess, "Popen", lambda words, **more: real([sys.executable, str(Path(__file__).with_name("misbehaving.py")), *words[3:]], **more))
    found = watching.together(["bad"], inputs=3, seed=0, keep_in=tmp_path)
    assert len(found) == bool(said) and all(said in x.splitlines()[0] for x in found)
    if said in ("signal 11", "more than its time"):
        assert next(tmp_path.glob("*.input")).read_bytes() == b"bad"


def test_the_checksums_that_changes_repair_are_hdf5s_own(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="v110") as f:
        f.create_dataset("w", data=np.arange(400).reshape(20, 20), compression="gzip")
        f.attrs["x"] = 3
    data = (tmp_path / "a.h5").read_bytes()
    broken = bytearray(data)
    broken[44] ^= 0xFF
    assert bytes(formats.repaired(bytearray(data))) == bytes(formats.repaired(broken)) == data
    assert sum(formats.hdf5(random.Random(k), data) != data for k in range(20)) > 15
