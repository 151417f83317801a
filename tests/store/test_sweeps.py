"""Sweeps that are remembered: what is kept, under which name, and who works on it."""

import json
import subprocess
import sys

import pytest

from lthviz.errors import AddressError
from lthviz.store import Store
from lthviz.store.sweeps import slug


def test_what_is_kept_is_read_back_by_any_process(store):
    made = store.keep_sweep("My sweep", "Three seeds", "seed = …\n", ("a", "b"), "serial")
    assert (made.name, made.shown) == ("My-sweep", "Three seeds")
    assert Store(store.root).sweep("My-sweep") == made and Store(store.root).sweeps() == [made]
    assert store.runs() == [] and store.broken() == {}, "it is no run"
    value = json.loads((store.root / ".sweeps" / "My-sweep.json").read_text())
    assert value["runs"] == ["a", "b"] and value["format"] == 1


def test_begun_again_it_is_the_same_and_another_grid_gets_a_number(store):
    first = store.keep_sweep("s", "", "one", ("a", "b"), "serial")
    again = store.keep_sweep("s", "", "two", ("b", "c"), "ray")
    assert again.name == "s" and again.times[:1] == first.times and len(again.times) == 2 and again.runs == ("b", "c")
    other = store.keep_sweep("s", "", "three", ("x",), "serial")
    assert other.name == "s-2" and len(other.times) == 1
    assert store.keep_sweep("s", "", "three", ("x", "y"), "serial").name == "s-2"
    assert [s.name for s in store.sweeps()] == ["s-2", "s"], "the one begun last first"
    assert store.sweep("s") == again


def test_a_sweep_that_is_not_there_or_not_whole(store):
    store.keep_sweep("seeds", "", "", ("a",), "serial")
    with pytest.raises(AddressError, match="there is no sweep 'seed'; did you mean seeds"):
        store.sweep("seed")
    with pytest.raises(AddressError):
        store.sweep("../seeds")
    spoilt = store.root / ".sweeps" / "spoilt.json"
    for text in ("{not", "[]", '{"format": 1}', '{"format": 1, "title": 1, "text": "", "runs": [], "times": [1], "backend": ""}',
                 '{"format": 1, "title": "", "text": "", "runs": [], "times": [], "backend": ""}', '{"format": 99}'):
        spoilt.write_text(text)
        assert [s.name for s in store.sweeps()] == ["seeds"]
        assert store.keep_sweep("spoilt", "", "", ("a",), "serial").name == "spoilt-2"
        assert spoilt.read_text() == text, "left as it is"
        store.forget_sweep("spoilt-2")


def test_its_lock_is_freed_by_any_death(store):
    store.keep_sweep("s", "", "", ("a",), "serial")
    assert not store.sweep_held("s")
    code = ("import sys; from lthviz.store import Store; lock = Store(sys.argv[1]).sweep_lock('s'); lock.acquire()\n"
            "print('held', flush=True); sys.stdin.read()")
    holder = subprocess.Popen([sys.executable, "-c", code, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n" and store.sweep_held("s")
    holder.kill()
    holder.communicate()
    assert not store.sweep_held("s")


def test_a_request_to_stop_is_taken_back_when_it_is_begun_again(store):
    store.keep_sweep("s", "", "", ("a",), "serial")
    store.stop_sweep("s")
    assert store.sweep_stopped("s")
    store.keep_sweep("s", "", "", ("a",), "serial")
    assert not store.sweep_stopped("s")


@pytest.mark.parametrize(("name", "file"), [("a b", "a-b"), ("../../etc", "etc"), ("", "sweep"), ("é", "sweep"), ("x" * 300, "x" * 80), (".h", "h")])
def test_names_become_names_of_files(name, file):
    assert slug(name) == file
