"""Curves, and the same figure in the Lab: what is drawn, asked for and linked, against the store."""

import dataclasses
import json

import numpy as np
import pytest

from lthviz.figures.curves_words import accuracy_curves_table
from lthviz.figures.measured import study
from lthviz.presets import preset
from lthviz.speed import machine
from lthviz.store import queue
from tests.speeds import timings

CORES = machine.cores()
REGROUP = preset("digits").config.structures[1].label


@pytest.fixture
def woken(monkeypatch) -> list:
    calls: list = []
    monkeypatch.setattr("lthviz.launch.wake", lambda store: calls.append(store.root))
    return calls


@pytest.fixture
def measured(store, run_id):
    """The store with timings of all tickets but two of random and one of Regroup; some at batch 1 as well."""
    run = store.run(run_id)
    for t in timings(run):
        if t.structure != "random" and (t.round, t.structure) != (2, REGROUP):
            store.put_timing(run_id, t)
    for t in timings(run, rounds=[1], batch=1):
        store.put_timing(run_id, t)
    return store


def control(at, kind, label):
    return next(w for w in at.get(kind) if w.label.startswith(label))


def drawn(at, which=0):
    """The lines of a figure by name: (x, y, customdata)."""
    spec = json.loads(at.get("plotly_chart")[which].proto.spec)
    return {t["name"]: t for t in spec["data"] if t.get("mode") == "lines+markers+text"}, spec["layout"]


def values(x):
    """Numbers as plotly sends them: a list, or base64 of an array."""
    if isinstance(x, dict):
        import base64
        return np.frombuffer(base64.b64decode(x["bdata"]), x["dtype"]).tolist()
    return list(x)


def asked(store, run_id):
    return [(x.round, x.structure, x.batch, x.threads) for r in queue.requests(store.measure_folder(run_id)) for x in r.items]


def test_the_measured_tickets_are_drawn_at_their_speed(measured, run_id, page):
    lines, layout = drawn(page("curves", run=run_id))
    found = {(t.round, t.structure): t for t in measured.timings(run_id) if t.batch == 64}
    accs = {(r["round"], r["structure"]): r["test_acc"] for r in measured.run(run_id).rows}
    assert list(lines) == ["Unstructured", "Refill", "Regroup"]
    for label, name in zip(("unstructured", "refill", REGROUP), lines):
        rounds = [k for k in (1, 2) if (k, label) in found]
        assert values(lines[name]["x"]) == pytest.approx([found[k, label].dense_ms / found[k, label].ticket_ms for k in rounds])
        assert values(lines[name]["y"]) == pytest.approx([accs[k, label] for k in rounds])
    assert "measured speedup" in layout["xaxis"]["title"]["text"]


def test_what_is_missing_is_listed_and_asked_for_alone(measured, run_id, page, words, woken):
    at = page("curves", run=run_id)
    assert "Not measured with batch 64, 2 threads: Regroup, round 2; Random, rounds 1 to 2." in words(at)
    at.button(key="measure").click().run()
    assert not at.exception
    assert asked(measured, run_id) == [(1, "random", 64, 2), (2, REGROUP, 64, 2), (2, "random", 64, 2)] and woken
    assert at.get("progress")
    at.button(key=f"cancel-measuring-{run_id}").click().run()
    assert not asked(measured, run_id)


def shake(store, run_id, k, label):
    t = next(t for t in store.timings(run_id) if (t.round, t.structure, t.batch) == (k, label, 64))
    store.put_timing(run_id, dataclasses.replace(t, conditions={**t.conditions, "others_cores": 0.7}, time=t.time + 1))


def test_what_was_measured_on_a_busy_machine_is_listed_and_measured_again(measured, run_id, page, words, woken):
    assert "busy" not in words(page("curves", run=run_id))
    shake(measured, run_id, 2, "refill")
    at = page("curves", run=run_id)
    assert "Measured on a busy machine, so doubtful: Refill, round 2." in words(at) and "doubtful (n = 1)" in words(at)
    lines, _ = drawn(at)
    assert ["open" in s for s in lines["Refill"]["marker"]["symbol"]] == [False, True]
    shown = at.dataframe[1].value
    assert [isinstance(x, str) for x in shown["disturbed"]] == [(r.ticket, r["round"]) == ("Refill", 2) for _, r in shown.iterrows()]
    at.button(key="measure-disturbed").click().run()
    assert not at.exception and asked(measured, run_id) == [(2, "refill", 64, 2)]
    assert "busy" not in words(page("curves", run=run_id, x="kept"))


def test_the_lab_tells_of_a_disturbed_measurement(measured, run_id, page, words):
    shake(measured, run_id, 1, "refill")
    said = words(page("lab", run=run_id, round=1, stage="refill:refill"))
    assert "Refill of round 1 was measured on a busy machine, so doubtful: other processes kept 0.7 cores busy meanwhile; Speed measures it again." in said
    assert "doubtful (n = 1)" in said
    assert "Speed measures it again" not in words(page("lab", run=run_id, round=2, stage="refill:refill"))


def test_nothing_measured_has_one_action(store, run_id, page, words, woken):
    at = page("curves", run=run_id, x="speed")
    assert f"None of these 8 tickets has been timed with batch 64, {CORES} thread" in words(at) and not at.get("plotly_chart")
    assert [b.label for b in at.button if b.proto.type == "primary"] == ["Measure 8 tickets"]
    at.button(key="measure").click().run()
    assert sorted(asked(store, run_id)) == sorted((k, s, 64, CORES) for k in (1, 2) for s in store.run(run_id).config.tickets(1))


def test_the_axis_is_switched_and_written_to_the_address(measured, run_id, page, words):
    at = page("curves", run=run_id)
    for x, field in (("kept", "density"), ("effective", "effective_density"), ("flops", "flops_ratio")):
        control(at, "button_group", "Accuracy against").set_value(x).run()
        assert at.query_params["x"] == x
        lines, _ = drawn(at)
        rows = [r for r in measured.run(run_id).rows if r["structure"] == "random"]
        assert values(lines["Random"]["x"]) == pytest.approx([100 * r[field] for r in rows])
        assert not [w for w in at.selectbox if w.label == "Batch"]
    assert "Not measured" not in words(at)


def test_batch_and_a_close_look_are_in_the_address(measured, run_id, page, words):
    at = page("curves", run=run_id)
    control(at, "selectbox", "Batch").select("1").run()
    assert at.query_params["batch"] == "1"
    lines, _ = drawn(at)
    assert {c[1] for line in lines.values() for c in line["customdata"]} == {1} and len(lines) == 4
    wide = drawn(at)[1]["yaxis"]["range"]
    control(at, "toggle", "Near the dense accuracy").set_value(True).run()
    assert at.query_params["near"] == "1"
    dense = measured.run(run_id).rows[0]["test_acc"]
    low = drawn(at)[1]["yaxis"]["range"][0]
    assert low >= wide[0] and low > dense - 7


def test_runs_stand_side_by_side(measured, run_id, page, words):
    other = measured.begin(measured.run(run_id).config.replace(seed=3))
    measured.set_state(other, "failed", "no space left on the disk; free some")
    at = page("curves", run=run_id)
    at.multiselect[0].set_value([run_id, other]).run()
    assert at.query_params["run"] == run_id and at.query_params["with"] == other
    assert "2 runs, a thin line each" in words(at)
    at.multiselect[0].set_value([other]).run()
    assert at.query_params["run"] == other and "with" not in at.query_params
    assert not at.get("plotly_chart") and f"Run {other} is failed: no space left on the disk; free some." in words(at)


def test_the_table_holds_every_ticket(measured, run_id, page):
    shown = page("curves", run=run_id).dataframe[1].value
    table = accuracy_curves_table(study([measured.run(run_id)], {run_id: measured.timings(run_id)}))
    assert len(shown) == len(table) == 9
    for name in ("ticket", "test accuracy (%)", "measured speedup (×)", "FLOPs would allow (×)", "ticket (ms)"):
        for a, b in zip(shown[name], (r[name] for r in table), strict=True):
            assert a == b or b is None or a == pytest.approx(b, rel=1e-3)


@pytest.mark.parametrize(("address", "sentence"), [
    ({"x": "colour"}, "The link sets accuracy against 'colour'; it can be speed, kept, effective, flops. Showing measured speedup."),
    ({"batch": -3}, "The link names batch '-3'"), ({"with": "convnet-nowhere"}, "The link names a run beside it: there is no run 'convnet-nowhere'"),
])
def test_what_a_link_cannot_have_is_said_and_kept(measured, run_id, page, words, address, sentence):
    at = page("curves", run=run_id, **address)
    assert sentence in words(at) and at.get("plotly_chart")
    assert {k: at.query_params[k] for k in address} == {k: str(v) for k, v in address.items()}


def test_commands_are_shown_for_what_is_missing(measured, run_id, page, words):
    said = words(page("curves", run=run_id))
    for k, label in ((2, REGROUP), (1, "random"), (2, "random")):
        assert f"python -m lthviz bench --run {run_id} --round {k} --structure {label} --batch 64 --threads 2" in said


def test_an_empty_store_and_an_empty_run_say_so(nothing, page, words, unfinished):
    assert "There is no run yet, so there is no curve." in words(page("curves"))
    made = unfinished(nothing, "cancelled")
    at = page("curves", run=made)
    assert "No ticket is trained yet" in words(at) and f"Run {made} is cancelled." in words(at) and not at.get("plotly_chart")
    assert [link.proto.label for link in at.main.get("page_link")][-1] == "Open it in the Lab, where it can be resumed"


# The Lab ---------------------------------------------------------------------------------------------------------------


def test_the_lab_sets_accuracy_against_speed_where_it_is_measured(measured, run_id, page, words):
    at = page("lab", run=run_id, round=1, stage="refill:refill")
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    t = next(t for t in measured.timings(run_id) if (t.round, t.structure, t.batch) == (1, "refill", 64))
    ring = next(x for x in spec["data"] if x.get("name") == "current")
    assert values(ring["x"]) == pytest.approx([t.speedup])
    assert "n = 5 tickets; Intel Xeon Processor, 2 cores, batch 64, 2 threads" in words(at)
    control(at, "button_group", "Accuracy against").set_value("kept").run()
    assert at.query_params["x"] == "kept" and "Random" in drawn(at)[0]


def test_the_lab_says_which_ticket_is_not_measured(measured, run_id, page, words):
    assert "Random of round 1 is not measured with batch 64, 2 threads; Speed measures it." in words(
        page("lab", run=run_id, round=1, stage="random:random"))
    assert "is not measured" not in words(page("lab", run=run_id, round=1, stage="refill:refill"))


def test_the_lab_without_timings_says_how_to_measure(store, run_id, page, words):
    at = page("lab", run=run_id, round=1, stage="refill:refill")
    assert "No ticket&#x27;s speed is measured yet." in words(at) and "kept weights" in at.get("plotly_chart")[0].proto.spec
    assert any(link.proto.page.endswith("curves") for link in at.get("page_link") if link.proto.label == "Measure")


def test_the_time_of_an_epoch_is_told_for_channel_wise_tickets(store, run_id, page, words):
    mine, dense = (float(np.median(store.round(run_id, k).ticket(s).curve.seconds)) for k, s in ((2, "refill"), (0, "unstructured")))
    assert f"An epoch took {mine:.3g} s, {mine / dense:.2f} of the dense network&#x27;s {dense:.3g} s." in words(
        page("lab", run=run_id, round=2, stage="train:refill"))
    for round, stage in ((2, "train:random"), (0, "train:unstructured"), (2, "refill:refill")):
        assert "An epoch took" not in words(page("lab", run=run_id, round=round, stage=stage))




@pytest.mark.parametrize("wrong", [{"run": "nosuch"}, {"of": "nosuch"}])
def test_a_link_to_no_run_is_said(store, run_id, page, words, wrong):
    at = page("curves", **wrong)
    assert "Nothing is at this address" in words(at) and "nosuch" in words(at)


def test_a_link_that_names_runs_as_compare_does_shows_them(store, run_id, page, words):
    at = page("curves", of=run_id)
    assert run_id in words(at) and "Nothing is at this address" not in words(at) and at.query_params["run"] in (run_id, [run_id])
