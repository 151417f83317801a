"""Speed: what it says of a ticket is checked against the store's timing, what it asks for against the queue."""

import dataclasses
import json
import shlex
import statistics
import time

import pytest

from lthviz import launch
from lthviz.figures import wording
from lthviz.speed import estimate, machine
from lthviz.store import queue
from lthviz.store.queue import Item, Progress
from tests.speeds import ELSEWHERE, timings

CORES = machine.cores()


@pytest.fixture
def woken(monkeypatch) -> list:
    """How often a worker was woken; none is."""
    calls: list = []
    monkeypatch.setattr("lthviz.launch.wake", lambda store: calls.append(store.root))
    return calls


@pytest.fixture
def measured(store, run_id):
    """The store with timings of rounds 1 and 2 of every ticket but random, at batch 64 and 2 threads, and of one at batch 1."""
    run, here = store.run(run_id), machine.describe(("torch", "numba"))
    for t in timings(run, structures=[s for s in run.config.tickets(1) if s != "random"], conditions=here):
        store.put_timing(run_id, t)
    store.put_timing(run_id, next(timings(run, rounds=[2], structures=["refill"], batch=1, conditions=here)))
    return store


def control(at, kind, label):
    return next(w for w in at.get(kind) if w.label.startswith(label))


def bar(at):
    """The progress shown: its words, and percent."""
    found = at.get("progress")[0].proto
    return found.text.replace("\\", ""), found.value


def of(store, run_id, k, label, batch=64):
    return next(t for t in store.timings(run_id) if (t.round, t.structure, t.batch) == (k, label, batch))


def asked(store, run_id):
    return [x for r in queue.requests(store.measure_folder(run_id)) for x in r.items]


def test_a_measured_ticket_is_told_with_its_numbers(measured, run_id, page, words):
    said = words(page("speed", run=run_id, round=2, ticket="refill"))
    t, ticket = of(measured, run_id, 2, "refill"), measured.round(run_id, 2).ticket("refill")
    assert (f"Refill at {100 * ticket.masks.density():.0f} % of the weights runs in {t.time_ratio:.2f} of the dense network&#x27;s time, "
            f"{1 / t.time_ratio:.2f}× as fast; its multiply-adds would allow {t.flops_ratio:.2f}.") in said
    for part in (wording.ms(t.ticket_ms), wording.ms(t.dense_ms), f"quartiles {t.spread[0]:.3f} to {t.spread[1]:.3f}, n = {t.n}",
                 f"test accuracy {ticket.test_acc:.1f} %", f"{machine.cpu()}, {CORES} cores", "batch 64, 2 threads", f"{len(t.layers)} layers",
                 f"python -m lthviz bench --run {run_id} --round 2 --structure refill --batch 64 --threads 2"):
        assert part in said, part
    assert "another machine" not in said


def test_estimates_stand_beside_what_was_measured(measured, run_id, page, words):
    t = of(measured, run_id, 2, "refill")
    errors = [abs(x.time_ratio / (x.estimated_ms / x.dense_ms) - 1) for x in measured.timings(run_id) if x.batch == 64]
    said = words(page("speed", run=run_id, round=2, ticket="refill"))
    guess = t.estimated_ms / t.dense_ms
    assert f"Estimated {guess:.2f} of the dense time, measured {t.time_ratio:.2f}: {wording.signed(t.time_ratio / guess - 1)}" in said
    assert f"over {len(errors)} tickets the estimates are {100 * statistics.median(errors):.0f} % off in the median, {100 * max(errors):.0f} % at most" in said


def test_a_calibrated_machine_estimates_what_is_not_measured(store, run_id, page, words):
    assert "calibration estimates" not in words(page("speed", run=run_id, round=1, ticket="refill"))
    made = estimate.Calibration(machine.identity(), 64, CORES, (1, 64), (1, 128), ((0.3, 0.1),) * 2, ((0.004, 0.001),) * 2, 1.0)
    estimate.remember(made)
    ticket, layers = store.round(run_id, 1).ticket("refill"), store.run(run_id).layers
    ratio = estimate.estimate(made, layers, ticket.masks, structural=True).time_ratio
    assert f"this machine&#x27;s calibration estimates {ratio:.2f}" in words(page("speed", run=run_id, round=1, ticket="refill")).replace("'", "&#x27;")
    spec = json.loads(page("curves", run=run_id, x="speed").get("plotly_chart")[0].proto.spec)
    names = [t["name"] for t in spec["data"] if t.get("name")]
    assert {"Refill, estimated", "Regroup, estimated"} <= set(names) and "Refill" not in names
    guessed = next(t for t in spec["data"] if t.get("name") == "Refill, estimated")
    assert guessed["x"][0] == pytest.approx(1 / ratio) and "estimated" in guessed["hovertext"][0]


def test_a_ticket_that_gains_nothing_is_not_praised(measured, run_id, page, words):
    assert of(measured, run_id, 1, "unstructured").time_ratio == 1
    assert "runs in 1.00 of the dense network&#x27;s time: nothing is gained; its multiply-adds" in words(
        page("speed", run=run_id, round=1, ticket="unstructured"))


def test_without_an_address_the_newest_measurement_is_shown(measured, run_id, page, words):
    measured.put_timing(run_id, dataclasses.replace(of(measured, run_id, 1, "refill"), time=2e9))
    at = page("speed")
    assert control(at, "button_group", "Round").value == 1 and control(at, "button_group", "Ticket").value == "refill"
    assert "Refill at" in words(at) and "round" not in at.query_params


def test_measurements_of_another_machine_say_so(store, run_id, page, words):
    for t in timings(store.run(run_id), structures=["refill"], conditions=ELSEWHERE):
        store.put_timing(run_id, t)
    assert "This was measured on another machine (AMD EPYC 9B14, 4 cores), not on this one." in words(page("speed", run=run_id))


def test_a_disturbed_measurement_says_so_and_can_be_made_again(measured, run_id, page, words, woken):
    t = of(measured, run_id, 2, "refill")
    for drift, busy in ((1.6, 0.1), (1.0, 1.3)):
        measured.put_timing(run_id, dataclasses.replace(t, conditions={**t.conditions, "drift": drift, "others_cores": busy}, time=t.time + busy))
        at = page("speed", run=run_id, round=2, ticket="refill")
        said = words(at)
        assert "It was measured on a busy machine, so this is doubtful." in said and "Disturbed: " in said
        assert ("other processes kept 1.3 cores busy meanwhile" in said) == (busy == 1.3)
        assert "busy" not in words(page("speed", run=run_id, round=1, ticket="refill"))
    at.button(key="measure-again").click().run()
    assert asked(measured, run_id) == [Item(2, "refill", 64, 2)]


def test_what_waits_to_be_measured_again_is_shown_meanwhile(measured, run_id, page, words, woken):
    """The worker has stored a disturbed measurement and waits for the machine to come to rest: the page is drawn anew with it."""
    from lthviz.ui import measure
    launch.measure(measured, run_id, rounds=[1], structures=["random"])
    folder, item = measured.measure_folder(run_id), Item(1, "random", 64, CORES)
    with queue.lock(folder):
        before = measure._seen((run_id,))
        t = next(timings(measured.run(run_id), rounds=[1], structures=["random"], threads=CORES))
        measured.put_timing(run_id, dataclasses.replace(t, time=time.time(), conditions={**t.conditions, "others_cores": 1.1}))
        (first,) = queue.requests(folder)
        queue.ask(folder, [item], first.how, patience=60.0, again=True)
        queue.drop(first)
        queue.say(folder, Progress(doing="waiting for the machine to come to rest"))
        assert measure._seen((run_id,)) != before
        at = page("speed", run=run_id, round=1, ticket="random", batch=64, threads=CORES)
        assert "other processes kept 1.1 cores busy" in words(at) and at.button(key="measure-again").label == "Asked for"
        assert bar(at) == ("Measuring: waiting for the machine to come to rest. 0 of 1 done.", 0)


def test_a_request_that_cannot_be_read_is_told_until_it_is_dismissed(measured, run_id, page, words, woken):
    folder = measured.measure_folder(run_id)
    folder.mkdir(parents=True)
    (folder / "1-x.request").write_text("{")
    at = page("speed", run=run_id)
    assert "What was asked to be measured cannot be read, and is not measured: " in words(at) and "1-x.request is damaged" in words(at)
    at.button(key=f"forget-measuring-{run_id}").click().run()
    assert "cannot be read" not in words(at) and not list(folder.glob("*.request"))


def test_what_is_not_measured_has_one_action_which_asks_the_worker(store, run_id, page, words, woken):
    at = page("speed", run=run_id, round=1, ticket="refill")
    said = words(at)
    row = next(r for r in store.run(run_id).rows if (r["round"], r["structure"]) == (1, "refill"))
    assert f"Refill of round 1 has not been timed with batch 64, {CORES} thread" in said
    assert f"would allow {row['flops_ratio']:.2f} of the dense time" in said
    assert [b.label for b in at.button if b.proto.type == "primary"] == ["Measure"] and not asked(store, run_id)
    at.button(key="measure").click().run()
    assert not at.exception
    assert asked(store, run_id) == [Item(1, "refill", 64, CORES)] and set(woken) == {store.root}
    assert bar(at) == ("Measuring 1 ticket: waiting for its turn.", 0)
    assert at.button(key="measure").disabled and at.button(key="measure").label == "Asked for"
    at.button(key=f"cancel-measuring-{run_id}").click().run()
    assert not asked(store, run_id) and store.measuring(run_id) is None


def test_batch_and_threads_are_chosen_and_written_to_the_address(measured, run_id, page, words, woken):
    at = page("speed", run=run_id, round=2, ticket="refill")
    control(at, "selectbox", "Batch").select("1").run()
    assert at.query_params["batch"] == "1"
    assert wording.ms(of(measured, run_id, 2, "refill", 1).ticket_ms) in words(at)
    at.query_params["batch"] = "48"
    at.run()
    assert "has not been timed with batch 48, 2 threads" in words(at)
    control(at, "selectbox", "Threads").select(1).run()
    at.button(key="measure").click().run()
    assert asked(measured, run_id) == [Item(2, "refill", 48, 1)]
    assert "--batch 48 --threads 1" in words(at)


def test_progress_and_failures_are_told(measured, run_id, page, words, woken):
    launch.measure(measured, run_id, rounds=[1, 2], structures=["random"])
    folder = measured.measure_folder(run_id)
    failed = Progress().ended(Item(1, "random", 64, CORES), queue.requests(folder)[0].time, "batch = 64 needs about 9 GiB of memory")
    queue.say(folder, dataclasses.replace(failed, item=Item(2, "random", 64, CORES), doing="pair 3 of 30"))
    with queue.lock(folder):
        at = page("speed", run=run_id)
        assert bar(at) == (f"Measuring Random of round 2, batch 64, {CORES} threads: pair 3 of 30. 1 of 2 done.", 50)
    launch.cancel_measuring(measured, run_id)
    queue.say(folder, failed)
    at = page("speed", run=run_id)
    assert f"Random of round 1 at batch 64, {CORES} threads could not be measured: batch = 64 needs about 9 GiB of memory" in words(at)
    at.button(key=f"forget-measuring-{run_id}").click().run()
    assert "could not be measured" not in words(at) and measured.measuring(run_id) is None


def test_what_launch_refuses_is_one_line(store, run_id, page, words, woken):
    at = page("speed", run=run_id, round=1, ticket="refill", threads=999)
    at.button(key="measure").click().run()
    assert not at.exception and f"threads = 999 should be between 1 and the {CORES} cores" in words(at) and not asked(store, run_id)


@pytest.mark.parametrize(("address", "sentence"), [
    ({"batch": "many"}, "The link names batch 'many'; it is a whole number from 1 to 65,536. Showing 64."),
    ({"threads": 0}, "The link names threads '0'; it is a whole number from 1 to 65,536. Showing 2."),
    ({"device": "tpu"}, "The link names device 'tpu'; measured is cpu. Showing cpu."),
    ({"round": 9}, "The link names round 9; this run has rounds 0 to 2; showing the last."),
    ({"ticket": "refil"}, "The link names ticket 'refil'; did you mean refill"),
])
def test_what_a_link_cannot_have_is_said_and_kept(measured, run_id, page, words, address, sentence):
    at = page("speed", run=run_id, **address)
    assert sentence in words(at)
    assert {k: at.query_params[k] for k in address} == {k: str(v) for k, v in address.items()}


def test_the_dense_round_is_told_apart(measured, run_id, page, words):
    at = page("speed", run=run_id, round=0)
    assert "Round 0 is the dense network itself" in words(at)
    assert not [b for b in at.button if b.label.startswith("Measure")]


def test_a_damaged_timing_is_named_and_the_others_are_shown(measured, run_id, page, words):
    files = sorted((measured.path(run_id) / "timings").glob("001-refill*.json"))
    files[0].write_text("{")
    said = words(page("speed", run=run_id, round=2, ticket="refill"))
    assert "A measurement cannot be read: " in said and files[0].name in said and "Refill at" in said


def test_nothing_to_measure_yet_says_so(store, page, words, unfinished):
    made = unfinished(store, "failed", "no space left on the disk")
    said = words(page("speed", run=made))
    assert "No ticket to measure yet" in said and f"Run {made} is failed: no space left on the disk." in said


def test_an_empty_store_says_so(nothing, page, words):
    assert "there is no ticket whose speed could be measured" in words(page("speed"))


def test_an_example_is_measured_beside_it(example, run_id, page, woken):
    before = {p for p in example.path(run_id).rglob("*")}
    at = page("speed", run=run_id, round=1, ticket="refill")
    at.button(key="measure").click().run()
    assert asked(example, run_id) == [Item(1, "refill", 64, CORES)] and before == {p for p in example.path(run_id).rglob("*")}


def test_the_command_asks_for_the_same(measured, run_id, page, words):
    from lthviz import cli
    from lthviz.commands import bench_command
    from lthviz.figures.measured import Setting
    line = bench_command(run_id, 2, "refill", Setting(16, 1))
    args = cli._parser().parse_args(shlex.split(line)[3:])
    assert (args.run, args.round, args.structure, args.batch, args.threads) == (run_id, 2, "refill", 16, 1)


def test_the_pages_go_on_where_the_other_was_left(measured, run_id, page):
    def switch(at, name):
        at.query_params.clear()
        at.switch_page(f"pages/{name}.py").run()
        assert not at.exception
        return {k: at.query_params[k] for k in at.query_params}

    at = page("speed", run=run_id, round=1, ticket="refill", batch=64)
    assert switch(at, "lab") == {"run": run_id, "round": "1", "stage": "train:refill"}
    assert switch(at, "curves") == {"run": run_id, "batch": "64"}
    assert switch(at, "masks") == {"run": run_id, "round": "1", "ticket": "refill"}
    assert switch(at, "speed") == {"run": run_id, "round": "1", "ticket": "refill", "batch": "64"}
