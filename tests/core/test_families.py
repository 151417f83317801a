"""A trunk and its branches as one study, against the rows that were put in."""

import pytest

from lthviz.config import Earlier, Random, Refill, Regroup, RunConfig
from lthviz.core.families import families, family_id
from lthviz.records import Run

TRUNK = RunConfig(structures=(), rounds=3)


def row(k, label, density, acc):
    return {"round": k, "structure": label, "density": density, "effective_density": density, "coverage": 0.0, "coverage_layers": 0.0,
            "flops_ratio": density, "test_acc": acc, "val_acc": acc, "dense_acc": 90.0, "seconds": 1.0}


def run(config, seed, labels=(), rounds=3, shift=0.0):
    config = config.replace(seed=seed)
    rows = [row(0, "unstructured", 1.0, 90.0 + seed)]
    for k in range(1, rounds + 1):
        rows += [row(k, x, 0.8**k, 90.0 + seed - k - i + shift) for i, x in enumerate(("unstructured", *labels))]
    return Run(config.run_id, config, (), {}, tuple(rows), tuple(range(rounds + 1)), 0.0)


def branch(structure, seed, parent, **more):
    config = TRUNK.replace(structures=(structure,), parent=parent.id, from_round=1)
    return run(config, seed, (structure.label,), **more)


def test_a_trunk_and_its_branches_are_one_study_with_every_ticket_once():
    trunks = [run(TRUNK, seed) for seed in (0, 1)]
    parts = [branch(s, t.config.seed, t) for t in trunks for s in (Refill(), Regroup())]
    (of,) = families([*parts, *trunks])
    assert of.seeds == (0, 1) and of.labels == ("unstructured", "refill", "regroup")
    assert [r.id for r in of.runs] == [t.id for t in trunks] and not any(r.config.parent for r in of.runs)
    assert len(of.tickets) == 1 + 3 * 3 and all(t.accuracy.n == 2 for t in of.tickets)
    assert of.ticket(2, "refill").accuracy.mean == pytest.approx(90.5 - 2 - 1)


def test_a_study_half_there_says_how_many_seeds_have_a_ticket():
    trunks = [run(TRUNK, seed) for seed in (0, 1, 2)]
    (of,) = families([*trunks, branch(Refill(), 1, trunks[1], rounds=2)])
    assert of.seeds == (0, 1, 2) and of.ticket(1, "refill").seeds == (1,) and of.ticket(3, "refill") is None
    assert of.ticket(3, "unstructured").accuracy.n == 3
    (alone,) = families([branch(Refill(), 0, trunks[0])])      # the trunk's own run is not there
    assert alone.labels == ("unstructured", "refill") and alone.dense.accuracy.mean == 90.0
    assert families([]) == []


def test_another_training_or_trunk_is_another_family():
    configs = [TRUNK, TRUNK.replace(lr=0.05), TRUNK.replace(rate=0.36), TRUNK.replace(structures=(Refill(),), in_loop="refill"),
               TRUNK.replace(structures=(Regroup(),), in_loop="regroup")]
    assert len({family_id(c) for c in configs}) == len(configs)
    same = [TRUNK, TRUNK.replace(seed=7), TRUNK.replace(structures=(Random(),), rounds=5, keep_weights="all"), TRUNK.replace(device="cpu"),
            TRUNK.replace(parent="x", from_round=2, earlier=(Earlier(2, (Refill(),), "", 0.2, 256),))]
    assert len({family_id(c) for c in same}) == 1
    fed = TRUNK.replace(structures=(Refill(), Random()), in_loop="refill")
    assert family_id(fed) == family_id(configs[3])
    (of,) = families([run(fed.replace(structures=(Refill(),)), 0, ("refill",)), run(fed, 1, ("refill", "random"))])
    assert of.config.in_loop == "refill" and of.labels == ("refill", "random", "unstructured")


def test_times_are_of_the_run_that_holds_the_ticket_or_of_its_equal():
    trunk = run(TRUNK, 0)
    part, other = branch(Refill(), 0, trunk), run(TRUNK.replace(keep_weights="all", structures=(Refill(),)), 0, ("refill",), shift=-5.0)
    times = {(trunk.id, 1, "unstructured"): 1.1, (part.id, 1, "unstructured"): 9.0, (part.id, 2, "unstructured"): 1.2, (part.id, 1, "refill"): 0.5,
             (other.id, 3, "unstructured"): 7.0, (other.id, 2, "refill"): 7.0}
    (of,) = families([part, trunk], times)
    got = {(k, x): of.ticket(k, x).time_ratio.mean for k in (1, 2, 3) for x in ("unstructured", "refill")}
    assert got == {(1, "unstructured"): 1.1, (2, "unstructured"): 1.2, (3, "unstructured"): None, (1, "refill"): 0.5, (2, "refill"): None, (3, "refill"): None}
    (of,) = families([part, trunk, other], times)   # the same settings, but other masks: its times are of none of these tickets
    holder = max((trunk, other), key=lambda r: len(r.rows))      # of those that branched from none, the one with most tickets
    for k in (1, 2, 3):
        mine = times.get((holder.id, k, "unstructured"))
        assert mine is None or of.ticket(k, "unstructured").time_ratio.mean == mine
