"""Sweeps that are remembered: what is kept, under which name, and who works on it."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lthviz.errors import AddressError
from lthviz.store import Store, files
from lthviz.store.sweeps import slug


def test_what_is_kept_is_read_back_by_any_process(store):
    made = store.keep_sweep("My sweep", "Three seeds", "seed = …\n", ("a", "b"), "serial")
    assert (made.name, made.shown) == ("My-sweep", "Three seeds")
    assert Store(store.root).sweep("My-sweep") == made and Store(store.root).sweeps() == [made]
    assert store.runs() == [] and store.broken() == {}, "it is no run"
    value = json.loads((store.root / ".sweeps" / "My-sweep.json").read_text())
    assert value["runs"] == ["a", "b"] and value["format"] == 2


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


def at_once(monkeypatch, calls):
    """What each call returns, all begun at one moment, writes taking their time."""
    write, together = files.write, threading.Barrier(len(calls))

    def slow(*args, **more):
        time.sleep(0.05)
        write(*args, **more)

    def begun(call):
        together.wait()
        return call()

    monkeypatch.setattr(files, "write", slow)
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(begun, calls))


def test_first_starts_at_one_moment_lose_nothing(store, monkeypatch):
    others = at_once(monkeypatch, [lambda x=x: Store(store.root).keep_sweep("s", x, "", (x,), "serial") for x in "abcd"])
    assert sorted(s.name for s in others) == ["s", "s-2", "s-3", "s-4"], "four grids of one name are four sweeps"
    assert sorted(store.sweeps(), key=lambda s: s.name) == sorted(others, key=lambda s: s.name)
    same = at_once(monkeypatch, [lambda: Store(store.root).keep_sweep("t", "", "", ("x", "y"), "serial") for _ in range(4)])
    assert {s.name for s in same} == {"t"} and len({s.token for s in same}) == 1, "one grid is one sweep"
    assert sorted(len(s.times) for s in same) == [1, 2, 3, 4] and store.sweep("t").times == tuple(sorted({s.times[-1] for s in same}))


def test_a_sweeps_token_is_its_own_and_stays(store, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1.8e9)   # begun at the same moment as another of its name
    made, other = store.keep_sweep("s", "", "", ("a",), "serial"), Store(store.root.parent / "other").keep_sweep("s", "", "", ("a",), "serial")
    assert made.times == other.times and made.token != other.token and len(made.token) == 16
    assert store.keep_sweep("s", "", "", ("a", "b"), "ray").token == made.token == store.sweep("s").token
    file = store.root / ".sweeps" / "s.json"
    files.write_json(file, {k: v for k, v in json.loads(file.read_text()).items() if k != "token"})   # from before there were tokens
    assert store.sweep("s").token == "" and store.keep_sweep("s", "", "", ("a",), "ray").token not in ("", made.token)


def test_a_request_to_stop_is_for_those_who_work_on_it_then(store):
    first = store.keep_sweep("s", "", "", ("a",), "serial")
    assert not store.sweep_stopped(first)
    store.stop_sweep("s")
    assert store.sweep_stopped(first)
    second = store.keep_sweep("s", "", "", ("a",), "serial")
    assert store.sweep_stopped(first), "it has not looked yet when the second begins"
    assert not store.sweep_stopped(second) and not store.sweep_stopped(store.sweep("s"))
    store.stop_sweep("s")
    assert store.sweep_stopped(first) and store.sweep_stopped(second)


def test_starts_and_stops_keep_their_order_whatever_the_clocks_say(store, monkeypatch):
    for ahead, clock in ((True, 2e9), (False, 1.9e9)):      # a machine whose clock is ahead, then this one
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        made = store.keep_sweep("s", "", "", ("a",), "serial")
        assert not store.sweep_stopped(made), ahead
        store.stop_sweep("s")
        assert store.sweep_stopped(made), ahead


def test_a_request_to_stop_without_a_time_counts_from_when_it_was_written(store):
    made = store.keep_sweep("s", "", "", ("a",), "serial")
    file = store.root / ".sweeps" / "s.stop"
    file.write_bytes(b"stop")
    os.utime(file, (made.times[-1] + 5,) * 2)
    assert store.sweep_stopped(made)
    os.utime(file, (made.times[-1] - 5,) * 2)
    assert not store.sweep_stopped(made)


@pytest.mark.parametrize(("name", "file"), [("a b", "a-b"), ("../../etc", "etc"), ("", "sweep"), ("é", "sweep"), ("x" * 300, "x" * 80), (".h", "h")])
def test_names_become_names_of_files(name, file):
    assert slug(name) == file
