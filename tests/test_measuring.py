"""Measurements in the worker: asked for from elsewhere, seen under way, stopped, killed, cancelled, behind a training."""

import json
import os
import signal
import subprocess
import time

import pytest

from lthviz import launch, measuring
from lthviz.config import Refill
from lthviz.errors import AddressError, SpeedError
from lthviz.records import Address
from lthviz.speed import machine, timing
from lthviz.store import Store, queue
from tests import shipped
from tests.small import SMALL

FEW = SMALL.replace(rounds=1, structures=(Refill(),))
FAST = {"baselines": "torch", "seconds": 0.01, "pairs": 1, "estimated": False}
HALF_MINUTE = {"baselines": "torch", "seconds": 30.0, "estimated": False}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """What is measured of this machine for a test does not stay; the processes that measure share it."""
    with pytest.MonkeyPatch.context() as m:
        m.setenv("LTHVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def store(tmp_path):
    """A store that holds the example study."""
    shipped.copy(tmp_path / "examples")
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


def ask(store, run_id, k, how, structures=("refill",), patience=0.0):
    """As `launch.measure` does, with settings that take less time."""
    asked = store.ask_measuring(run_id, measuring.items(store.run(run_id), [k], structures, 2, 1, "cpu"), how, patience=patience)
    launch.wake(store)
    return asked


def under_way(store, run_id):
    """The measurement that is being made, once its networks are there and timed."""
    def timing():
        m = store.measuring(run_id)
        assert m is None or m.state != "failed", m.error
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
        assert ask(store, example, 4, FAST, ["refill", "unstructured"]) == 2
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
    ask(store, example, 3, FAST)
    ask(store, example, 4, HALF_MINUTE)
    wait(lambda: under_way(store, example).item.round == 4, "the second")
    assert store.measuring(example).done == 1
    (first,) = store.timings(example)
    child = process(store, example)
    os.kill(child, signal.SIGKILL)
    wait(lambda: store.measuring(example).state != "failed" and process(store, example) not in (None, child), "another process")
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
    assert launch.measure(store, example, rounds=[4], structures=["refill"], batch=2, threads=1, baselines="quick", seconds=30.0) == 1
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
    store.ask_measuring(example, [*bad, *good], FAST)
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
    store.ask_measuring(example, [doomed, other], FAST)
    queue.say(store.measure_folder(example), queue.Progress(attempts={doomed.key: measuring.ATTEMPTS}))   # as so many deaths leave it
    assert measuring.measure_queued(store, example) == 1
    failed = store.measuring(example)
    assert f"ended {measuring.ATTEMPTS} times" in failed.error and list(failed.errors) == [doomed.key]
    assert [t.structure for t in store.timings(example)] == [other.structure]


def test_a_process_that_cannot_even_start_is_given_up(store, example, monkeypatch, tmp_path):
    """An installation in which torch cannot be imported, say."""
    (tmp_path / "torch.py").write_text("raise ImportError('broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ask(store, example, 4, FAST)
    failed = wait(lambda: (m := store.measuring(example)) and m.state == "failed" and m, "it to be given up")
    assert "worker.log" in failed.error and "broken" in (store.root / "worker.log").read_text()
    wait(lambda: not launch._taken(launch._worker_lock(store)), "the worker to end: nothing is left to do")


@pytest.mark.parametrize(("changes", "error", "said"), [
    ({"rounds": [40]}, AddressError, "round 40"), ({"structures": ["refil"]}, AddressError, "refill"),
    ({"batch": 0}, SpeedError, "batch = 0"), ({"threads": 10**6}, SpeedError, "cores"), ({"device": "tpu"}, SpeedError, "tpu"),
    ({"precision": "int8"}, SpeedError, "float32, tf32, bfloat16"), ({"precision": "tf32"}, SpeedError, "on a GPU only"),
    ({"rounds": [0], "structures": ["refill"]}, AddressError, "no trained ticket"),
])
def test_what_cannot_be_measured_is_said_at_once(store, example, changes, error, said):
    with pytest.raises(error, match=said):
        launch.measure(store, example, **changes)
    assert store.measuring(example) is None and not store.root.exists()


def test_all_that_is_asked_is_in_the_request(store, example, monkeypatch):
    monkeypatch.setattr(launch, "wake", lambda store: None)
    words = {"rounds": [4], "structures": ["refill"], "batch": 8, "threads": 1}
    assert launch.measure(store, example, **words) == 1 == launch.measure(store, example, **words, seconds=20.0)
    assert launch.measure(store, example, **words, device="cuda", precision="tf32", baselines=("torch",), patience=5.0) == 1
    assert launch.measure(store, example, **words) == 0
    first, second, third = queue.requests(store.measure_folder(example))
    assert first.items == second.items == (queue.Item(4, "refill", 8, 1),) and third.items == (queue.Item(4, "refill", 8, 1, "cuda", "tf32"),)
    assert (first.how, second.how["seconds"], first.patience) == ({"baselines": "all", "seconds": 8.0}, 20.0, queue.PATIENCE_S)
    assert (third.how["baselines"], third.patience) == (["torch"], 5.0)


# Busy machines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def load(monkeypatch):
    """What other processes seem to use, call after call; the last for ever. Nothing waits."""
    busy = [0.0]
    monkeypatch.setattr(machine.Others, "cores", lambda self: busy.pop(0) if len(busy) > 1 else busy[0])
    monkeypatch.setattr(measuring, "REST_S", 0.0)
    monkeypatch.setattr(timing, "medians", lambda works, **more: dict.fromkeys(works, 1.0))   # no drift, no spread
    monkeypatch.setattr(timing, "pairs", lambda *a, **k: timing.Pairs(1.0, 0.5, 0.5, (0.5, 0.5), 1))
    return busy


def queued(store, example, structures=("refill", "unstructured"), patience=60.0):
    store.ask_measuring(example, measuring.items(store.run(example), [4], structures, 2, 1, "cpu"), FAST, patience=patience)


def made(monkeypatch):
    """The tickets that are measured from now on, with whether the measurement is disturbed."""
    seen, real = [], measuring.measure_ticket

    def measure(store, address, **settings):
        t = real(store, address, **settings)
        seen.append((t.structure, bool(t.disturbed)))
        return t

    monkeypatch.setattr(measuring, "measure_ticket", measure)
    return seen


def test_what_was_disturbed_is_measured_once_more_when_the_load_has_fallen(store, example, load, monkeypatch):
    """Each measurement looks at the load twice. First both are disturbed, but for a look the load stays, then it falls; the second ticket is
    disturbed once more, and settles so."""
    load[:] = [1.5, 0.0, 0.0, 1.5, 1.5, 0.9, 0.1, 0.0, 0.0, 1.2, 1.2, 0.0]
    seen = made(monkeypatch)
    queued(store, example)
    assert measuring.measure_queued(store, example) == 4
    labels = [x for x, _ in seen[:2]]
    assert seen == [(labels[0], True), (labels[1], True), (labels[0], False), (labels[1], True)]
    assert {t.structure: bool(t.disturbed) for t in store.timings(example)} == dict(seen[2:])
    assert store.measuring(example) is None and store.to_measure() == [] and load == [0.0]


def test_what_was_not_disturbed_is_not_measured_again(store, example, load, monkeypatch):
    load[:] = [0.0, 0.0, 2.0, 2.0, 0.0]
    seen = made(monkeypatch)
    queued(store, example)
    assert measuring.measure_queued(store, example) == 3
    assert seen == [(seen[0][0], False), (seen[1][0], True), (seen[1][0], False)]


def test_a_load_that_does_not_fall_leaves_it_as_it_is(store, example, load, monkeypatch):
    load[:] = [1.5]
    seen, told = made(monkeypatch), []
    real = queue.say
    monkeypatch.setattr(queue, "say", lambda folder, said: told.append(said.doing) or real(folder, said))
    queued(store, example, ["refill"], patience=0.3)
    assert measuring.measure_queued(store, example) == 1 == len(seen)
    assert any("waiting for the machine to come to rest" in x and "1.5 cores" in x for x in told)
    assert store.timings(example)[0].disturbed and store.measuring(example) is None
    queued(store, example, ["refill"], patience=0.0)
    assert measuring.measure_queued(store, example) == 1 and store.measuring(example) is None, "not even looked for"


def test_what_waits_for_rest_lets_everything_else_go_first(store, example, load, monkeypatch):
    """Another run's request ends the waiting, and the worker takes that run first; the repetition stays asked for."""
    load[:] = [1.5]
    other = store.begin(FEW)
    seen, real = made(monkeypatch), queue.say

    def say(folder, said):
        if "come to rest" in said.doing and other not in store.to_measure():
            queue.ask(store.measure_folder(other), [queue.Item(1, "refill", 2, 1)], {})
        real(folder, said)

    monkeypatch.setattr(queue, "say", say)
    queued(store, example, ["refill"])
    assert measuring.measure_queued(store, example) == 1 == len(seen)
    assert store.to_measure() == [other, example] and store.to_measure(again=False) == [other]
    (left,) = queue.requests(store.measure_folder(example))
    assert left.again and [x.structure for x in left.items] == ["refill"]
    m = store.measuring(example)
    assert (m.state, m.done, m.total) == ("waiting", 0, 1), "one ticket, not done with yet"
    store.cancel_measuring(other)


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
