"""Branches against the run that has their settings from the beginning, and against their own uninterrupted selves."""

import json
import os
import shutil

import numpy as np
import pytest

from lthviz import branching, launch
from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, RunConfig
from lthviz.core import magnitude
from lthviz.engine import events
from lthviz.errors import AddressError, ConfigError, DataError, UsageError
from lthviz.methods import Omp, Reinit
from lthviz.records import Stage
from lthviz.store import Store, files
from lthviz.store.brief import Briefs
from tests.small import SMALL
from tests.test_launch import wait_for

pytestmark = pytest.mark.usefixtures("partitions_once")
MORE = (*SMALL.structures, Refill(rho=0.2), Random(of="refill"))


def trained(folder, config):
    store = Store(folder)
    run_id = store.begin(config)
    launch.drive(store, run_id)
    return store, run_id


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("parent"), SMALL)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """The bigger settings from the beginning."""
    return trained(tmp_path_factory.mktemp("scratch"), SMALL.replace(structures=MORE))


@pytest.fixture
def store(parent, tmp_path):
    """A copy of the parent's store that a test may change."""
    shutil.copytree(parent[0].root, tmp_path / "runs")
    return Store(tmp_path / "runs")


def branch(store, run_id, k, config):
    made = branching.begin(store, run_id, k, config)
    launch.drive(store, made)
    return made


def same_tickets(a, b, labels=None):
    """Equal masks, accuracies, curves and stored weights, bit for bit, of two rounds."""
    assert labels or list(a.tickets) == list(b.tickets)
    for label in labels or a.tickets:
        x, y = a.ticket(label), b.ticket(label)
        assert x.masks == y.masks and x.test_acc == y.test_acc and x.val_acc == y.val_acc, label
        np.testing.assert_array_equal(x.curve.train_loss, y.curve.train_loss)
        if x.weights is not None and y.weights is not None:
            assert list(x.weights) == list(y.weights)
            for name in x.weights:
                np.testing.assert_array_equal(x.weights[name], y.weights[name], err_msg=f"{label} {name}")


def trainings(store, run_id):
    """(round, structure) of the tickets that were trained in the run itself, by its log: those that had an epoch."""
    made = store.head(store.path(run_id)).config.from_round
    return list(dict.fromkeys((e["round"], e["structure"]) for e in store.events(run_id)[0] if e["event"] == "epoch" and e["round"] >= made))


@pytest.mark.parametrize("stored", [True, False], ids=["theta-k-stored", "theta-k-again"])
@pytest.mark.parametrize("k", [1, 2])
def test_a_branch_with_one_more_structure_is_the_bigger_run_from_the_beginning(store, parent, scratch, k, stored):
    if not stored:
        (store.path(parent[1]) / "checkpoint.h5").unlink()
    made = branch(store, parent[1], k, SMALL.replace(structures=MORE))
    run, whole = store.run(made), scratch[0]
    assert run.rounds == (0, 1, 2) and run.finished == run.rounds and store.status(made).state == "finished"
    assert (run.config.parent, run.config.from_round) == (parent[1], k)
    for i in range(k):
        same_tickets(store.round(made, i), parent[0].round(parent[1], i))
    for i in range(k, 3):
        same_tickets(store.round(made, i), whole.round(scratch[1], i))
    old, new = [UNSTRUCTURED, *(s.label for s in SMALL.structures)], {s.label for s in MORE[len(SMALL.structures):]}
    for i in range(k, 3):
        assert {x for j, x in trainings(store, made) if j == i} == new, "what the parent has of the rounds is not trained again"
    assert run.info["branch"] == {"inherited": old, "ahead": {str(i): old for i in range(k + 1, 3)}, "theta_k": "the parent's" if stored else "trained again"}
    assert [(r["round"], r["structure"]) for r in run.rows if not run.taken_over(r["round"], r["structure"])] == [(i, x.label) for i in range(k, 3) for x in MORE[len(SMALL.structures):]]
    assert not list((store.path(made) / "ahead").glob("*")), "what was taken over is in its rounds now"
    beat = json.loads((store.path(made) / "heartbeat.json").read_text()) if (store.path(made) / "heartbeat.json").exists() else None
    assert beat is None or beat["total"] in (0, run.info["total_batches"])    # 0: of the moment before the first batch


def test_the_steps_of_a_branch_add_up(store, parent):
    (store.path(parent[1]) / "checkpoint.h5").unlink()
    made = branching.begin(store, parent[1], 2, SMALL.replace(structures=(Refill(rho=0.3),)))
    seen = list(events(store.run(made).config, store.checkpoint(made)))
    steps = [(e.done, e.total) for e in seen if hasattr(e, "done")]
    again = store.run(parent[1]).info["rewind_step"]
    assert steps[-1][0] == steps[-1][1] == len(steps) == again + (seen[0].info["steps"] - again), "θk and one ticket"


def test_train_this_ticket_costs_one_training_and_leaves_the_parent_alone(store, parent):
    files = {p: p.read_bytes() for p in store.path(parent[1]).rglob("*") if p.is_file() and p.suffix != ".lock"}
    config = SMALL.replace(structures=(Regroup(groups=2, min_rows=8),), rounds=1)
    plan = branching.plan(store, parent[1], 1, config)
    assert (plan.trainings, plan.inherited, plan.theta_k) == (1, (UNSTRUCTURED,), True)
    made = branch(store, parent[1], 1, config)
    assert trainings(store, made) == [(1, config.structures[0].label)]
    assert files == {p: p.read_bytes() for p in files}
    assert made == plan.config.run_id != config.run_id
    assert store.children(parent[1]) == [made] and store.children(made) == []
    store.delete(parent[1])
    assert store.run(made).finished == (0, 1) and store.round(made, 0).ticket(UNSTRUCTURED).weights["features.0.weight"].size


def test_other_rates_feeding_back_and_more_rounds(store, parent):
    """Each against the engine with those settings, given by hand what the parent had after round 1."""
    checkpoint = next(e.snapshot() for e in events(SMALL) if isinstance(e, Stage) and e.round.index == 1 and e.round.complete)
    for changes in ({"rate": 0.4}, {"rounds": 3}):
        config = SMALL.replace(**changes)
        made = branch(store, parent[1], 2, config)
        by_hand = {e.round.index: e.round for e in events(config, checkpoint) if isinstance(e, Stage) and e.round.complete}
        for i in range(2, config.rounds + 1):
            same_tickets(store.round(made, i), by_hand[i])
        assert store.run(made).finished == tuple(range(config.rounds + 1))
        assert [s.key for s in store.run(made).config.stages(1)] == [s.key for s in SMALL.stages(1)]


def test_feeding_back_from_a_round_on(store, parent):
    made = branch(store, parent[1], 2, SMALL.replace(in_loop="refill", rounds=3, structures=(Refill(),)))
    assert trainings(store, made) == [(3, "refill")], "round 2 is the parent's, though its trunk is another"
    assert [store.run(made).config.trunk_of(i) for i in range(4)] == [UNSTRUCTURED, UNSTRUCTURED, "refill", "refill"]
    refill = store.round(parent[1], 2).ticket("refill")
    pruned = magnitude.prune({n: refill.weights[n] for n in refill.masks}, refill.masks, SMALL.rate)
    assert store.round(made, 3).ticket(UNSTRUCTURED).masks == pruned


@pytest.fixture(scope="module")
def looped(tmp_path_factory):
    config = SMALL.replace(in_loop="refill")
    return trained(tmp_path_factory.mktemp("looped"), config)


@pytest.fixture(scope="module")
def looped_scratch():
    config = SMALL.replace(in_loop="refill", structures=MORE)
    return {e.round.index: e.round for e in events(config) if isinstance(e, Stage) and e.round.complete}


@pytest.mark.parametrize("stored", [True, False])
def test_a_parent_that_feeds_back(looped, looped_scratch, tmp_path, stored):
    shutil.copytree(looped[0].root, tmp_path / "runs")
    store, config = Store(tmp_path / "runs"), SMALL.replace(in_loop="refill")
    if not stored:
        (store.path(looped[1]) / "checkpoint.h5").unlink()
    bigger = config.replace(structures=MORE)
    made = branch(store, looped[1], 1, bigger)
    for i in (1, 2):
        assert [label for label, t in store.round(made, i).tickets.items() if t.test_acc is None] == [UNSTRUCTURED]
        same_tickets(store.round(made, i), looped_scratch[i], labels=bigger.tickets(i))
    assert "refill" not in {x for i, x in trainings(store, made) if i == 1}
    beside = branch(store, looped[1], 2, config.replace(in_loop=""))
    assert trainings(store, beside) == [(2, UNSTRUCTURED)] and store.run(beside).config.trunk_of(1) == "refill"
    assert store.round(beside, 2).ticket(UNSTRUCTURED).masks == store.round(looped[1], 2).ticket(UNSTRUCTURED).masks


def test_a_branch_of_a_branch_knows_how_every_round_was_made(store, parent):
    first = branch(store, parent[1], 2, SMALL.replace(structures=(Refill(rho=0.2),), rounds=3, rate=0.3))
    second = branch(store, first, 3, SMALL.replace(structures=(Random(),), rounds=3, rate=0.3))
    run = store.run(second)
    assert [run.config.tickets(i) for i in range(4)] == [SMALL.tickets(0), SMALL.tickets(1), (UNSTRUCTURED, "refill-rho=0.2"), (UNSTRUCTURED, "random")]
    assert run.finished == (0, 1, 2, 3)
    assert RunConfig.from_dict(json.loads(json.dumps(run.config.to_dict()))) == run.config
    assert trainings(store, second) == [(3, "random")]
    back = branching.plan(store, second, 1, SMALL.replace(structures=(Refill(),), rounds=1))
    assert back.config.earlier == () and back.inherited == (UNSTRUCTURED, "refill"), "round 1 is still the first run's"


@pytest.mark.parametrize("stored", [True, False], ids=["theta-k-stored", "theta-k-again"])
def test_stopped_anywhere_and_resumed_is_the_uninterrupted_branch(store, parent, tmp_path, stored):
    if not stored:
        (store.path(parent[1]) / "checkpoint.h5").unlink()
    config = SMALL.replace(structures=(Refill(), Refill(rho=0.2)), rounds=3)
    made = branching.begin(store, parent[1], 2, config)
    whole = Store(shutil.copytree(store.root, tmp_path / "whole"))
    launch.drive(whole, made)
    rng, stops = np.random.default_rng(int.from_bytes(os.urandom(4), "little")), 0
    while store.status(made).state != "finished":
        left = int(rng.integers(1, 12))

        def stop(event):
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt

        try:
            launch.drive(store, made, stop)
        except KeyboardInterrupt:
            stops += 1
            assert store.status(made).state == "interrupted"
    assert stops >= 2
    for i in (0, 1, 2, 3):
        same_tickets(store.round(made, i), whole.round(made, i))
    assert store.run(made).rows and [dict(r, seconds=0, epoch_seconds=0) for r in store.run(made).rows] == [
        dict(r, seconds=0, epoch_seconds=0) for r in whole.run(made).rows]


def test_from_an_example_a_running_and_an_interrupted_parent(parent, store, tmp_path):
    own = Store(tmp_path / "own", examples=parent[0].root)
    made = branch(own, parent[1], 2, SMALL.replace(structures=(Regroup(groups=2, min_rows=8),)))
    assert own.run(made).finished == (0, 1, 2) and own.children(parent[1]) == [made]

    run_id = store.begin(SMALL.replace(seed=3))
    branches = []

    def at_work(event):
        if isinstance(event, Stage) and event.round.index == 1 and event.kind == "train" and event.structure == "refill":
            branches.append(branching.begin(store, run_id, 1, SMALL.replace(seed=3, rounds=1, structures=(Refill(), Random()))))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.drive(store, run_id, at_work)
    assert store.run(run_id).finished == (0,)
    branches.append(branching.begin(store, run_id, 1, SMALL.replace(seed=3, rounds=1, structures=(Refill(), Random(), Reinit()))))
    launch.drive(store, run_id)
    for made in branches:
        launch.drive(store, made)
        assert (1, "refill") not in trainings(store, made), "what it had of its unfinished round"
        same_tickets(store.round(made, 1), store.round(run_id, 1), labels=[UNSTRUCTURED, "refill", "random"])


def test_masks_are_enough_for_some_structures(tmp_path):
    config = SMALL.replace(keep_weights="none", rounds=1, structures=(Refill(),))
    store, run_id = trained(tmp_path / "runs", config)
    wanted = (Regroup(groups=2, min_rows=8), Refill(score="remain"), Random())
    made = branch(store, run_id, 1, config.replace(structures=wanted, rounds=2))
    whole = {e.round.index: e.round for e in events(config.replace(structures=wanted, rounds=2)) if isinstance(e, Stage) and e.round.complete}
    for i in (1, 2):
        same_tickets(store.round(made, i), whole[i])
    for changes in ({"structures": (Refill(rho=0.2),)}, {"rate": 0.3}, {"structures": (Random(of="refill-rho=0.2"),)}):
        with pytest.raises(UsageError, match=r"needs the trunk's weights after round 0, which run .* did not keep; use .*regroup.*keep_weights = trunk"):
            branching.begin(store, run_id, 1, config.replace(**changes))
    with pytest.raises(UsageError, match="OMP needs the dense network's weights"):
        branching.plan(store, run_id, 1, config.replace(structures=(Omp(),)))


def test_a_parent_without_dense_weights_in_its_checkpoint_has_them_in_its_round(store, parent):
    made = branch(store, parent[1], 2, SMALL.replace(structures=(Omp(),)))
    whole = {e.round.index: e.round for e in events(SMALL.replace(structures=(Omp(),))) if isinstance(e, Stage) and e.round.complete}
    same_tickets(store.round(made, 2), whole[2])


@pytest.mark.parametrize(("changes", "k", "error", "says"), [
    ({"model": "resnet20"}, 1, UsageError, "model = 'resnet20' differs from the parent's 'convnet'"),
    ({"seed": 5}, 1, UsageError, "seed = 5 differs from the parent's 0, on which its rounds rest"),
    ({"milestones": (1,)}, 2, UsageError, "milestones = [1] differs from the parent's [80, 120]"),
    ({"rounds": 1}, 2, UsageError, "rounds = 1 ends before round 2"),
    ({}, 0, AddressError, "round 0 is the dense network: start a new run"),
    ({"rounds": 9}, 4, AddressError, "it has finished rounds 0 to 2; round 1 to 3 will do"),
])
def test_what_cannot_be_is_refused_in_a_line_and_makes_nothing(store, parent, changes, k, error, says):
    with pytest.raises(error) as e:
        launch.branch(store, parent[1], k, SMALL.replace(**changes))
    assert says in str(e.value) and "\n" not in str(e.value) and store.runs() == [parent[1]]


def test_where_it_runs_and_what_it_keeps_may_differ(store, parent):
    plan = branching.plan(store, parent[1], 1, SMALL.replace(threads=2, device="auto", keep_weights="none", calibration_images=9, rounds=3))
    assert plan.inherited == (UNSTRUCTURED, *(s.label for s in SMALL.structures))
    assert set(plan.ahead) == {2} and plan.trainings == 4, "all of round 3"


def test_calibration_images_count_where_they_are_looked_at(store, parent):
    scored = branch(store, parent[1], 1, SMALL.replace(rounds=1, structures=(Refill(score="l1"), Refill())))
    again = branching.plan(store, scored, 1, SMALL.replace(rounds=1, calibration_images=7, structures=(Refill(score="l1"), Refill())))
    assert again.inherited == (UNSTRUCTURED, "refill")


def test_weights_that_the_branch_keeps_and_its_parent_did_not_are_trained(tmp_path):
    config = SMALL.replace(keep_weights="trunk", rounds=1, structures=(Refill(),))
    store, run_id = trained(tmp_path / "runs", config)
    assert branching.plan(store, run_id, 1, config.replace(keep_weights="all")).inherited == (UNSTRUCTURED,)
    made = branch(store, run_id, 1, config.replace(keep_weights="all"))
    assert store.round(made, 1).ticket("refill").weights is not None and store.round(made, 1).ticket(UNSTRUCTURED).weights is not None


def test_settings_of_a_branch_alone_begin_nothing(store, parent):
    config = branching.plan(store, parent[1], 1, SMALL).config
    with pytest.raises(UsageError, match="make it with `lthviz branch`"):
        launch.start(store, config)
    with pytest.raises(ConfigError, match="set by branching a run"):
        SMALL.replace(from_round=2)
    with pytest.raises(ConfigError, match="no stretch of rounds"):
        SMALL.replace(parent="x", from_round=1, earlier=[3])


def test_other_images_than_the_parents_are_noticed(store, parent):
    made = branching.begin(store, parent[1], 2, SMALL.replace(structures=(Random(),)))
    checkpoint = store.checkpoint(made)
    checkpoint.meta["branch"]["images"]["train_images"] = 61
    with pytest.raises(DataError, match="train_images was 61 and is 60; put its images back"):
        next(events(store.run(made).config, checkpoint))


def test_a_worker_takes_a_branch_like_any_run_and_a_second_one_attaches(store, parent):
    config = SMALL.replace(structures=(Regroup(groups=2, min_rows=8),), rounds=1)
    made = launch.branch(store, parent[1], 1, config, title="two groups")
    assert launch.branch(store, parent[1], 1, config) == made and store.run(made).title == "two groups"
    wait_for(store, made, "finished")
    assert trainings(store, made) == [(1, config.structures[0].label)]
    packed = store.pack(made, store.root.parent / "branch.h5")
    store.delete(made)
    assert store.unpack(packed) == made and store.run(made).config.parent == parent[1]


@pytest.mark.parametrize(("structures", "says"), [
    ((Refill(layers="features.99@rho=0.2"),), "'features.99', which is no layer of this network"),
    ((Random(of="refill-layers=features.99@rho=0.2"),), "'features.99', which is no layer of this network"),
    ((Regroup(groups=900),), "groups = 900 is more than"),
])
def test_a_structure_that_the_network_cannot_have_is_refused_before_anything_is_made(store, parent, structures, says):
    before = sorted(store.root.iterdir())
    for act in (branching.plan, branching.begin):
        with pytest.raises(ConfigError, match=says):
            act(store, parent[1], 1, SMALL.replace(structures=structures))
    assert sorted(store.root.iterdir()) == before


def test_the_hours_of_a_branch_are_its_own(store, parent):
    made = branching.begin(store, parent[1], 2, SMALL.replace(structures=(Refill(rho=0.3),)))
    assert store.run(parent[1]).seconds > 0
    assert store.run(made).seconds == 0 == Briefs(store).of([made])[made].seconds
    launch.drive(store, made)
    own = sum(e["seconds"] for e in store.events(made)[0] if e["event"] == "stage" and e["round"] == 2)
    assert store.run(made).seconds == pytest.approx(own, rel=0.01) and Briefs(store).of([made])[made].seconds == pytest.approx(own)
    assert own > 0


def test_a_branch_begins_with_its_parents_log_of_the_rounds_before(store, parent, monkeypatch):
    appended = []
    monkeypatch.setattr(files, "append_line", lambda *a: appended.append(a))
    made = branching.begin(store, parent[1], 2, SMALL.replace(structures=(Refill(rho=0.3),)))
    monkeypatch.undo()
    theirs = [e for e in store.events(parent[1])[0] if e["event"] in ("stage", "epoch") and e["round"] < 2]
    mine = store.events(made)[0]
    assert mine[:-1] == theirs and len(theirs) > 4 and mine[-1]["state"] == "queued" and not appended, "in one write, however long the log"


def test_the_title_of_a_branch_follows_the_rules_of_titles(store, parent):
    config = SMALL.replace(structures=(Refill(rho=0.3),))
    with pytest.raises(UsageError, match="too long"):
        branching.begin(store, parent[1], 1, config, title="x" * 200)
    assert store.children(parent[1]) == []
    made = branching.begin(store, parent[1], 1, config, title="a\nb\x1b[31m")
    assert store.run(made).title == "a b [31m" == json.loads((store.path(made) / "config.json").read_text())["title"]
    assert branching.begin(store, parent[1], 1, config) == made and store.run(made).title == "a b [31m"
    assert branching.begin(store, parent[1], 1, config, title="another") == made and store.run(made).title == "another"
