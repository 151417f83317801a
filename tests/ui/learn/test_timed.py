"""Timing in a process of its own: asked for, answered, there when it is asked again, and honest where it failed."""

import time
from pathlib import Path

import numpy as np
import pytest

from lthviz.errors import StoreError
from lthviz.ui.learn import timed

ASKED = timed.Asked({"a": np.tile([True, False], (24, 72)), "b": np.ones((24, 144), bool)}, (24, 16, 3, 3), 5)


def wait(root: Path, asked: timed.Asked) -> timed.Timed:
    end = time.monotonic() + 240
    while (now := timed.progress(root, asked)).running and time.monotonic() < end:
        time.sleep(0.1)
    return now


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(timed, "SECONDS", 0.05)


def test_asked_once_it_is_there_for_good(tmp_path):
    assert timed.progress(tmp_path, ASKED) == timed.Timed({}, False)
    timed.start(tmp_path, ASKED)
    assert timed.progress(tmp_path, ASKED).running
    timed.start(tmp_path, ASKED)      # while it is at work nothing begins anew
    now = wait(tmp_path, ASKED)
    assert not now.error and set(now.found) == {"a", "b"} and now.found["a"]["kept"] == 0.5
    timed._children.clear()           # another server on the same runs
    assert timed.progress(tmp_path, ASKED) == now


def test_other_masks_are_another_question(tmp_path):
    other = ASKED._replace(masks={**ASKED.masks, "a": ~ASKED.masks["a"]})
    assert other.key != ASKED.key != ASKED._replace(side=6).key


def test_what_cannot_be_timed_says_why_and_keeps_what_was_found(tmp_path):
    empty = ASKED._replace(masks={"a": np.zeros((24, 144), bool)})
    timed.start(tmp_path, empty)
    now = wait(tmp_path, empty)
    assert "the mask 'a' has 3,456 weights, 0 of them kept" in now.error and not now.found


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / timed.FOLDER).write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=timed.FOLDER):
        timed.start(tmp_path, ASKED)


def test_a_damaged_line_hides_no_other(tmp_path):
    timed.start(tmp_path, ASKED)
    whole = wait(tmp_path, ASKED)
    file = tmp_path / timed.FOLDER / f"{ASKED.key}.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0][: len(lines[0]) // 2], "[]", lines[1]]) + "\n")
    now = timed.progress(tmp_path, ASKED)
    assert dict(now.found) == {"b": whole.found["b"]} and "ended early" in now.error
