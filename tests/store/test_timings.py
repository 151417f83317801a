"""Measurements kept with a run, replaced by newer ones, packed and shared; and the requests for more."""

import dataclasses
import json
import re
import shutil

import pytest
import store_writer as writer
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.config import RunConfig
from lthviz.errors import AddressError, DamagedError
from lthviz.records import LayerTiming, Timing
from lthviz.store import Store, files, queue, timings
from lthviz.store.queue import Item

RUN = writer.CONFIG.run_id


def timing(**changes) -> Timing:
    layers = (LayerTiming("a.weight", 30, 0.14, 1.5, 0.25, "blocks"), LayerTiming("b.weight", 0, 0.0, 2.5, 0.0, "removed"))
    made = Timing(3, "refill", "cpu", 2, 64, 20.0, 5.0, 0.251, (0.249, 0.26), 0.2, 3e-6, "onnxruntime", "blocks", 11, layers,
                  {"onnxruntime": 20.0, "torch": 31.5}, 4.5, {"machine": "0a1b2c3d", "warnings": [], "load": 0.1}, time=1000.0)
    return dataclasses.replace(made, **changes)


@pytest.fixture
def run(store):
    writer.write(store, stop_after=8)
    return store


@pytest.fixture
def example(tmp_path):
    """A store whose only run is an example that came with one timing."""
    there = Store(tmp_path / "examples")
    writer.write(there)
    there.put_timing(RUN, timing())
    return Store(tmp_path / "runs")


def test_what_is_put_is_read(run):
    assert run.timings(RUN) == ()
    run.put_timing(RUN, timing())
    assert run.timings(RUN) == (timing(),)
    assert Store(run.root).timings(RUN)[0].layers[0] == timing().layers[0]


def test_they_come_by_round_structure_and_batch(run):
    keys = [(2, "unstructured", 1), (2, "refill", 64), (10, "refill", 1), (2, "refill", 8), (2, "regroup", 64)]
    for k, s, b in keys:
        run.put_timing(RUN, timing(round=k, structure=s, batch=b))
    assert [(t.round, t.structure, t.batch) for t in run.timings(RUN)] == sorted(keys)


def test_a_newer_one_replaces_and_an_older_one_does_not(run):
    for at in (1000.0, 2000.0, 1500.0):
        run.put_timing(RUN, timing(time=at, ticket_ms=at))
    (found,) = run.timings(RUN)
    assert found.time == 2000.0 and found.ticket_ms == 2000.0
    for other in ({"threads": 1}, {"device": "cuda:1"}, {"precision": "tf32"}, {"batch": 1}, {"round": 4}, {"structure": "regroup"}):
        run.put_timing(RUN, timing(**other))
    assert len(run.timings(RUN)) == 7, "all of these are other measurements"


@settings(deadline=None)
@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_any_key_is_a_file_name_everywhere_and_its_own(a, b):
    names = {key: timings.file_name(f"001-{key}") for key in (a, b)}
    for name in names.values():
        assert re.fullmatch(r"001-[A-Za-z0-9._=%-]*\.json", name) and len(name) <= 180
    assert (names[a] == names[b]) == (a == b)


def test_no_run_no_timing(store):
    for act in (lambda: store.timings("nothing"), lambda: store.put_timing("nothing", timing()), lambda: store.measuring("../x")):
        with pytest.raises(AddressError):
            act()
    assert not store.root.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format":1}', b'{"format":1,"timing":{"round":1}}', b'{"format":2,"lthviz":"9","timing":{}}'])
def test_a_damaged_one_is_named_and_the_rest_stay(run, content):
    run.put_timing(RUN, timing())
    run.put_timing(RUN, timing(batch=1))
    file = run.path(RUN) / "timings" / f"{timing(batch=1).key}.json"
    file.write_bytes(content)
    assert run.timings(RUN) == (timing(),)
    (name, why), = run.run(RUN).info["damaged"].items()
    assert name == f"timing {timing(batch=1).key}" and str(file) in why and "\n" not in why
    run.put_timing(RUN, timing(batch=1, time=1.0))
    assert len(run.timings(RUN)) == 2 and "damaged" not in run.run(RUN).info, "measuring again mends it"


@pytest.mark.parametrize("change", [{"ticket_ms": None}, {"time_ratio": -1.0}, {"spread": [1]}, {"batch": 0}, {"round": "x"}, {"layers": [3]}])
def test_numbers_that_are_no_measurement_are_damage(run, change):
    run.put_timing(RUN, timing())
    file = run.path(RUN) / "timings" / f"{timing().key}.json"
    value = json.loads(file.read_bytes())
    value["timing"].update(change)
    files.write_json(file, value)
    assert run.timings(RUN) == () and len(run.run(RUN).info["damaged"]) == 1


def test_fields_of_a_later_lthviz_are_left_out(run):
    run.put_timing(RUN, timing())
    file = run.path(RUN) / "timings" / f"{timing().key}.json"
    value = json.loads(file.read_bytes())
    value["timing"]["watts"] = 12
    value["timing"]["layers"][0]["cache_misses"] = 5
    files.write_json(file, value)
    assert run.timings(RUN) == (timing(),)


def test_a_run_is_deleted_with_its_timings_and_requests(run):
    run.put_timing(RUN, timing())
    run.ask_measuring(RUN, [Item(1, "refill", 64, 2)], {})
    run.delete(RUN)
    assert [p for p in run.root.rglob("*") if p.is_file()] == []


# Examples --------------------------------------------------------------------------------------------------------------


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_example_is_measured_beside_it(example):
    before = contents(example.examples)
    assert example.is_example(RUN) and example.timings(RUN) == (timing(),), "the one it came with"
    newer, other = timing(time=2000.0, ticket_ms=9.0), timing(batch=1)
    example.put_timing(RUN, newer)
    example.put_timing(RUN, other)
    assert example.timings(RUN) == (other, newer)
    assert contents(example.examples) == before
    assert example.runs() == [RUN] and example.broken() == {}, "what lies beside is no run"
    assert Store(example.root.parent / "elsewhere", examples=example.examples).timings(RUN) == (timing(),)


def test_the_newer_of_both_counts(example):
    example.put_timing(RUN, timing(time=10.0, ticket_ms=9.0))
    assert example.timings(RUN) == (timing(),)


def test_a_run_of_ones_own_has_its_own(example):
    example.put_timing(RUN, timing(batch=1))
    writer.write(example)
    assert not example.is_example(RUN) and example.timings(RUN) == ()
    example.put_timing(RUN, timing(batch=2))
    example.delete(RUN)
    assert [t.batch for t in example.timings(RUN)] == [1, 64], "those of the example are as they were"


# To share --------------------------------------------------------------------------------------------------------------


def test_they_travel_with_the_run_and_say_where_they_come_from(run, tmp_path):
    odd = timing(device="cuda:1", structure="regroup-groups=4-t1=2.0", precision="tf32")
    for t in (timing(), odd):
        run.put_timing(RUN, t)
    file, other = run.pack(RUN, tmp_path / "run.h5"), Store(tmp_path / "other")
    other.unpack(file)
    assert other.timings(RUN) == run.timings(RUN) == (timing(), odd)
    assert other.timings(RUN)[0].conditions["machine"] == "0a1b2c3d"
    assert other.pack(RUN, tmp_path / "again.h5").read_bytes() == file.read_bytes()


def test_without_timings_a_packed_run_is_as_it_always_was(run, tmp_path):
    plain = run.pack(RUN, tmp_path / "plain.h5").read_bytes()
    run.put_timing(RUN, timing())
    shutil.rmtree(run.path(RUN) / "timings")
    assert run.pack(RUN, tmp_path / "again.h5").read_bytes() == plain


def test_unpacking_the_same_run_adds_what_is_newer(run, tmp_path):
    mine = (timing(), timing(batch=1, time=3000.0), timing(batch=2, time=3000.0))
    theirs = (timing(time=2000.0), timing(batch=1, time=2000.0), timing(batch=4))
    other = Store(tmp_path / "other")
    other.unpack(run.pack(RUN, tmp_path / "bare.h5"))
    for t in theirs:
        other.put_timing(RUN, t)
    for t in mine:
        run.put_timing(RUN, t)
    assert run.unpack(other.pack(RUN, tmp_path / "theirs.h5")) == RUN
    assert run.timings(RUN) == (mine[1], mine[2], theirs[2], theirs[0])


def test_unpacking_an_example_adds_them_beside_it(example, tmp_path):
    before = contents(example.examples)
    other = Store(tmp_path / "other" / "runs", examples=example.examples)
    other.put_timing(RUN, timing(batch=2))
    assert example.unpack(other.pack(RUN, tmp_path / "x.h5")) == RUN
    assert example.is_example(RUN) and [t.batch for t in example.timings(RUN)] == [2, 64] and contents(example.examples) == before


def test_a_damaged_one_is_not_packed(run, tmp_path):
    run.put_timing(RUN, timing())
    (run.path(RUN) / "timings" / f"{timing().key}.json").write_text("{")
    with pytest.raises(DamagedError, match=r"t2-b64\.json is damaged: .*; delete that file to pack the rest"):
        run.pack(RUN, tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


def test_a_pack_with_a_damaged_timing_leaves_nothing(run, tmp_path):
    import h5py
    import numpy as np

    run.put_timing(RUN, timing())
    file, other = run.pack(RUN, tmp_path / "x.h5"), Store(tmp_path / "other")
    with h5py.File(file, "r+") as f:
        (name,) = f["timings"]
        del f["timings"][name]
        f["timings"][name] = np.frombuffer(b'{"format":1,"timing":{}}', np.uint8)
    with pytest.raises(DamagedError, match=r"x\.h5, its timing .* is damaged"):
        other.unpack(file)
    assert not other.root.exists()


# What is asked ---------------------------------------------------------------------------------------------------------

A, B, C = Item(1, "refill", 64, 2), Item(1, "refill", 1, 2), Item(2, "unstructured", 64, 2)


def made(item: Item, **more) -> Timing:
    return timing(**item._asdict(), **more)


def test_requests_wait_and_are_told_of(run):
    assert run.measuring(RUN) is None and run.to_measure() == []
    assert run.ask_measuring(RUN, [A, B, A], {"seconds": 1}) == 2
    assert run.ask_measuring(RUN, [B, C], {"seconds": 1}) == 1, "one of them waits already"
    found = Store(run.root).measuring(RUN)
    assert (found.state, found.done, found.total, found.item, found.error) == ("waiting", 0, 3, None, "")
    first, second = queue.requests(run.measure_folder(RUN))
    assert first.items == (A, B) and second.items == (C,) and first.how == {"seconds": 1} and not first.again
    assert run.to_measure() == [RUN]
    run.put_timing(RUN, made(A, time=first.time - 1))
    assert run.measuring(RUN).done == 0, "taken before it was asked for"
    run.put_timing(RUN, made(A, time=first.time + 1))
    assert run.measuring(RUN).done == 1


def test_what_is_done_meanwhile_is_told(run):
    folder = run.measure_folder(RUN)
    run.ask_measuring(RUN, [A, B], {})
    queue.say(folder, queue.Progress(item=A, doing="pair 3 of 9"))
    assert run.measuring(RUN).state == "waiting", "nobody is at it: who said so is gone"
    with queue.lock(folder):
        found = run.measuring(RUN)
        assert (found.state, found.message, found.item) == ("measuring", "pair 3 of 9", A)
        queue.say(folder, queue.progress(folder).ended(A, queue.requests(folder)[0].time, "too large"))
        found = run.measuring(RUN)
        assert (found.done, found.total, found.error, found.errors) == (1, 2, "too large", {A.key: "too large"})


def test_a_failure_stays_visible_until_something_else_is_asked(run):
    folder = run.measure_folder(RUN)
    run.ask_measuring(RUN, [A], {})
    (request,) = queue.requests(folder)
    queue.say(folder, dataclasses.replace(queue.progress(folder).ended(A, request.time, "too large"), finished=1))
    queue.drop(request)
    found = run.measuring(RUN)
    assert (found.state, found.message, found.done, found.total) == ("failed", "too large", 1, 1)
    assert run.to_measure() == []
    assert run.ask_measuring(RUN, [A], {}) == 1
    found = run.measuring(RUN)
    assert (found.state, found.done, found.error) == ("waiting", 0, "")


def test_taking_it_back(run):
    run.ask_measuring(RUN, [A], {})
    run.ask_measuring(RUN, [B], {})
    assert run.cancel_measuring(RUN) == 2
    assert run.measuring(RUN) is None and run.cancel_measuring(RUN) == 0


def test_a_failure_of_before_does_not_count_for_a_new_request(run):
    folder = run.measure_folder(RUN)
    first = queue.ask(folder, [A], {})
    queue.say(folder, queue.Progress().ended(A, first.time, "no"))
    second = queue.ask(folder, [A], {})
    said = queue.progress(folder)
    assert said.failed(A, first.time) and not said.failed(A, second.time)


def test_it_says_what_it_waits_for(run):
    other = run.begin(RunConfig(model="convnet", data="digits", seed=1))
    run.ask_measuring(RUN, [A], {})
    with run.lock(other):
        run.set_state(other, "running")
        assert run.training() == other and run.measuring(RUN).message == f"waiting for {other} to finish or pause"
        run.set_state(other, "paused")
        assert run.training() == "" and run.measuring(RUN).message == "waiting for its turn"
    run.set_state(other, "running")
    assert run.training() == "", "its worker is gone"
    run.ask_measuring(other, [A], {})
    with queue.lock(run.measure_folder(other)):
        assert run.measuring(RUN).message == f"waiting for the measurements of {other}"
    assert run.to_measure() == [RUN, other]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"time":1,"items":[[1]],"how":{}}', b"[3]"])
def test_a_damaged_request_or_progress_stops_nothing_and_is_told(run, content, caplog):
    folder = run.measure_folder(RUN)
    run.ask_measuring(RUN, [A], {})
    (folder / "0-x.request").write_bytes(content)
    (folder / "progress.json").write_bytes(content)
    for _ in range(3):
        found = run.measuring(RUN)
    assert (found.state, found.total) == ("waiting", 1)
    ((name, why),) = found.damaged.items()
    assert name == "0-x.request" and "is damaged" in why and str(folder / name) in why and "\n" not in why
    assert [r.levelname for r in caplog.records] == ["WARNING"] and str(folder / name) in caplog.text, "once, not at every look"
    run.cancel_measuring(RUN)
    assert not list(folder.glob("*.request")) and run.measuring(RUN) is None


def test_a_damaged_request_alone_is_a_failure_until_it_is_put_away(run):
    folder = run.measure_folder(RUN)
    run.ask_measuring(RUN, [A], {})
    next(folder.glob("*.request")).write_bytes(b"{")
    found = run.measuring(RUN)
    assert found.state == "failed" and list(found.damaged.values()) == [found.error] == [found.message]
    assert run.to_measure() == [], "no worker is started for it"
    run.cancel_measuring(RUN)
    assert run.measuring(RUN) is None


def test_what_is_asked_in_another_way_is_another_request(run):
    assert run.ask_measuring(RUN, [A], {"baselines": "all", "seconds": 8.0}) == 1
    assert run.ask_measuring(RUN, [A], {"baselines": "all", "seconds": 8.0}) == 0
    assert run.ask_measuring(RUN, [A], {"baselines": ("torch",), "seconds": 8.0}) == 1
    assert run.ask_measuring(RUN, [A], {"baselines": ["torch"], "seconds": 8.0}) == 0, "as it comes back from the file"
    assert run.ask_measuring(RUN, [A], {"baselines": "all", "seconds": 30.0}) == 1
    tf32 = A._replace(device="cuda", precision="tf32")
    assert run.ask_measuring(RUN, [tf32, tf32._replace(precision="bfloat16")], {"baselines": "all", "seconds": 8.0}) == 2
    assert run.measuring(RUN).total == 5
    first, second, third, fourth = queue.requests(run.measure_folder(RUN))
    assert fourth.items[0] == tf32 and tf32.key == made(tf32).key != fourth.items[1].key

    def taken(baselines, seconds):
        return [made(A, time=third.time + 1, conditions={"asked": {"baselines": baselines, "seconds": seconds}})]

    none = queue.Progress()
    assert [r.done(A, taken("all", 8.0), none) for r in (first, second, third)] == [True, False, False]
    assert [r.done(A, taken(["torch"], 8.0), none) for r in (first, second, third)] == [False, True, False]
    assert not fourth.done(tf32, [made(A, time=fourth.time + 1)], none) and fourth.done(tf32, [made(tf32, time=fourth.time + 1)], none)
    failed = none.ended(A, second.time, "no compiler")
    assert [r.done(A, [], failed) for r in (first, second, third)] == [False, True, False]


def test_a_request_of_before_precisions_is_read(run):
    folder = run.measure_folder(RUN)
    run.ask_measuring(RUN, [A], {})
    file = next(folder.glob("*.request"))
    file.write_text(json.dumps({"time": 1.0, "items": [list(A[:5])], "how": {}}))
    (found,) = queue.requests(folder)
    assert found.items == (A,) and (found.patience, found.again) == (0.0, False)


def test_repetitions_come_last(run):
    other = run.begin(RunConfig(model="convnet", data="digits", seed=1))
    folder = run.measure_folder(RUN)
    again = queue.ask(folder, [A], {}, patience=5.0, again=True)
    run.ask_measuring(other, [A], {})
    assert run.to_measure() == [other, RUN] and run.to_measure(again=False) == [other]
    assert run.ask_measuring(RUN, [A], {}) == 1, "asked for anew it does not wait for the machine to come to rest"
    assert [r.again for r in queue.requests(folder)] == [False, True] and queue.requests(folder)[1] == again
    assert run.to_measure() == [other, RUN] and run.to_measure(again=False) == [other, RUN]
