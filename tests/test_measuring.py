"""Measurements in the worker: asked for from elsewhere, seen under way, stopped, killed, cancelled, behind a training."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lthviz import launch, measuring
from lthviz.config import Refill
from lthviz.errors import AddressError, SpeedError
from lthviz.records import Address
from lthviz.store import Store, queue
from tests.small import SMALL

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "examples"
FEW = SMALL.replace(rounds=1, structures=(Refill(),))
FAST = {"batch": 2, "threads": 1, "baselines": "torch", "seconds": 0.01, "patience": 0.0}
HALF_MINUTE = {**FAST, "seconds": 30.0}


@pytest.fixture
def store(tmp_path):
    """A store that holds the example study."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    made = Store(tmp_path / "runs")
    yield made
    for run_id in made.runs():   # no worker outlives its test
        launch.cancel_measuring(made, run_id)
        if made.held(run_id):
            made.request(run_id, "cancel")
    wait(lambda: not launch._taken(launch._worker_lock(made)), "the worker to end")


@pytest.fixture
def example(store):
    return next(r for r in store.runs() if store.is_example(r))


def wait(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds} s for {what}")


def under_way(store, run_id):
    """The measurement that is being made, once its networks are there and timed."""
    def timing():
        m = store.measuring(run_id)
        return m if m and m.state == "measuring" and m.item and m.message.startswith(("comparing", "pair")) else None
    return wait(timing, "a measurement")


def process(store, run_id):
    """The process that measures a run at this moment, None when there is none."""
    folder = store.measure_folder(run_id)
    try:
        return json.loads((folder / "progress.json").read_bytes())["pid"] if queue.held(folder) else None
    except FileNotFoundError:   # nothing was said yet, or all of it was taken back
        return None


def parent(pid):
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout)


def test_an_example_is_measured_in_the_worker_once_nothing_is_trained(store, example):
    before = {p: p.read_bytes() for p in store.examples.rglob("*") if p.is_file()}
    run_id = store.begin(FEW)
    with store.lock(run_id):
        store.set_state(run_id, "running")   # as a training from a terminal leaves it
        assert launch.measure(store, example, rounds=[4], structures=["refill", "unstructured"], **FAST) == 2
        wait(lambda: launch._taken(launch._worker_lock(store)), "the worker")
        time.sleep(1)
        waits = store.measuring(example)
        assert (waits.state, waits.message) == ("waiting", f"waiting for {run_id} to finish or pause") and not process(store, example)
        store.set_state(run_id, "cancelled")
    seen = wait(lambda: (m := store.measuring(example)) and m.state == "measuring" and m.item and m, "the first")
    assert seen.total == 2 and seen.item.round == 4
    wait(lambda: store.measuring(example) is None, "the measurements")
    found = {t.structure: t for t in store.timings(example)}
    assert set(found) == {"refill", "unstructured"}
    for label, t in found.items():
        assert (t.round, t.batch, t.threads, t.device) == (4, 2, 1, "cpu")
        row = next(r for r in store.run(example).rows if (r["round"], r["structure"]) == (4, label))
        assert t.flops_ratio == pytest.approx(row["flops_ratio"]) and t.max_abs_err < 1e-4 and len(t.layers) == 3
    assert {p: p.read_bytes() for p in store.examples.rglob("*") if p.is_file()} == before


def test_killed_it_goes_on_and_what_was_finished_stays(store, example):
    """The measuring process is killed, then the whole worker; the requests stay until all is done, or taken back."""
    launch.measure(store, example, rounds=[3], structures=["refill"], **FAST)
    launch.measure(store, example, rounds=[4], structures=["refill"], **HALF_MINUTE)
    wait(lambda: under_way(store, example).item.round == 4, "the second")
    assert store.measuring(example).done == 1
    (first,) = store.timings(example)
    child = process(store, example)
    os.kill(child, signal.SIGKILL)
    wait(lambda: process(store, example) not in (None, child), "another process")
    assert under_way(store, example).done == 1

    os.kill(parent(process(store, example)), signal.SIGKILL)
    wait(lambda: not process(store, example), "the child to end with its worker")
    assert store.measuring(example).state == "waiting" and store.timings(example) == (first,)
    launch.wake(store)
    assert under_way(store, example).done == 1
    launch.cancel_measuring(store, example)
    wait(lambda: not queue.held(store.measure_folder(example)), "the end of it", seconds=10)
    assert store.timings(example) == (first,) and store.measuring(example) is None


def test_a_training_comes_first_and_a_paused_one_leaves_the_machine(store, example):
    launch.measure(store, example, rounds=[4], structures=["refill"], **HALF_MINUTE)
    under_way(store, example)
    run_id = launch.start(store, FEW.replace(epochs=200))
    wait(lambda: store.status(run_id).state == "running", "the training to begin")
    assert not process(store, example), "what was being measured has ended"
    assert (store.measuring(example).state, store.measuring(example).done) == ("waiting", 0)
    launch.request(store, run_id, "pause")
    under_way(store, example)
    assert store.status(run_id).state == "paused"
    launch.request(store, run_id, "play")
    wait(lambda: store.status(run_id).state == "running", "the training to go on")
    assert not process(store, example) and store.timings(example) == ()


def test_a_failure_is_one_line_and_not_tried_again(store, example):
    good, bad = ([x._replace(device=d) for x in measuring.items(store.run(example), [4], ["refill"], 2, 1, "cpu")] for d in ("cpu", "cuda:99"))
    store.ask_measuring(example, [*bad, *good], {"baselines": "quick", "seconds": 0.01})
    assert measuring.measure_queued(store, example) == 1
    failed = store.measuring(example)
    assert (failed.state, failed.done, failed.total) == ("failed", 2, 2) and list(failed.errors) == [bad[0].key]
    assert "cuda:99" in failed.error and "\n" not in failed.error
    assert measuring.measure_queued(store, example) == 0 and len(store.timings(example)) == 1
    store.cancel_measuring(example)
    assert store.measuring(example) is None, "seen and put away"


def test_a_fault_of_ours_is_a_failure_too(store, example, caplog):
    store.ask_measuring(example, measuring.items(store.run(example), [4], ["refill"], 2, 1, "cpu"), {"no such setting": 1})
    assert measuring.measure_queued(store, example) == 0
    assert "TypeError" in store.measuring(example).error and "Traceback" in caplog.text


def test_a_measurement_that_ends_its_process_is_given_up(store, example):
    doomed, other = measuring.items(store.run(example), [4], ["refill", "unstructured"], 2, 1, "cpu")
    store.ask_measuring(example, [doomed, other], {"baselines": "quick", "seconds": 0.01})
    queue.say(store.measure_folder(example), queue.Progress(attempts={doomed.key: measuring.ATTEMPTS}))   # as so many deaths leave it
    assert measuring.measure_queued(store, example) == 1
    failed = store.measuring(example)
    assert f"ended {measuring.ATTEMPTS} times" in failed.error and list(failed.errors) == [doomed.key]
    assert [t.structure for t in store.timings(example)] == [other.structure]


def test_a_process_that_cannot_even_start_is_given_up(store, example, monkeypatch, tmp_path):
    """An installation in which torch cannot be imported, say."""
    (tmp_path / "torch.py").write_text("raise ImportError('broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    launch.measure(store, example, rounds=[4], structures=["refill"], **FAST)
    failed = wait(lambda: (m := store.measuring(example)) and m.state == "failed" and m, "it to be given up")
    assert "worker.log" in failed.error and "broken" in (store.root / "worker.log").read_text()
    wait(lambda: not launch._taken(launch._worker_lock(store)), "the worker to end: nothing is left to do")


@pytest.mark.parametrize(("changes", "error", "said"), [
    ({"rounds": [40]}, AddressError, "round 40"), ({"structures": ["refil"]}, AddressError, "refill"),
    ({"batch": 0}, SpeedError, "batch = 0"), ({"threads": 10**6}, SpeedError, "cores"), ({"device": "tpu"}, SpeedError, "tpu"),
    ({"rounds": [0], "structures": ["refill"]}, AddressError, "no trained ticket"),
])
def test_what_cannot_be_measured_is_said_at_once(store, example, changes, error, said):
    with pytest.raises(error, match=said):
        launch.measure(store, example, **changes)
    assert store.measuring(example) is None and not store.root.exists()


def test_a_run_without_results_has_nothing_to_measure(store):
    run_id = store.begin(FEW)
    with pytest.raises(AddressError, match="no trained ticket"):
        launch.measure(store, run_id)


def test_which_tickets_are_meant(store, example):
    run = store.run(example)
    tickets = [(r["round"], r["structure"]) for r in run.rows]

    def chosen(*words):
        return [(x.round, x.structure) for x in measuring.items(run, *words, 64, 0, "cpu")]

    assert chosen(None, None) == [t for t in tickets if t[0]], "all but the dense network"
    assert chosen([0], None) == [(0, "unstructured")]
    assert chosen([2, 3], ["refill"]) == [(2, "refill"), (3, "refill")]
    assert chosen([0, 2], ["unstructured", "refill"]) == [(0, "unstructured"), (2, "unstructured"), (2, "refill")]


@pytest.mark.parametrize(("structure", "kept"), [("refill", False), ("unstructured", True)])
def test_whose_weights_are_measured(store, example, structure, kept):
    """The example keeps its trunk's weights only; a structure's ticket takes those, under its own masks."""
    run, ticket = store.run(example), store.ticket(Address(example, 3, structure))
    assert (ticket.weights is not None) == kept
    found = measuring._weights(store, run, ticket)
    trunk = store.ticket(Address(example, 3, "unstructured")).weights
    assert set(found) == set(trunk) and all((found[k] == trunk[k]).all() for k in found)
