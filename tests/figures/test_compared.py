"""Runs and studies side by side against numbers worked out here from their rows."""

import math

import pytest

from lthviz.config import Refill, Regroup, RunConfig
from lthviz.core.settings import side_by_side
from lthviz.figures import compared
from tests.figures.test_replicate_curves import CONFIG, SEEDS, make, timings

OTHER = make(0, CONFIG.replace(lr=0.05, structures=(Refill(), Regroup(groups=16, t1=2.0))), shift=-0.6)


def of(**more):
    return compared.compared({"study": SEEDS, "single": [OTHER]}, **more)


def mean(label, k, what="test_acc"):
    return sum(next(r[what] for r in run.rows if (r["round"], r["structure"]) == (k, label)) for run in SEEDS) / 3


def row(table, name, method):
    return next(r for r in table if (r["name"], r["method"]) == (name, method))


def test_settings_that_differ_are_named_with_the_structures_unfolded():
    table = {r["setting"]: (r["A"], r["B"]) for r in compared.settings_table(of())}
    assert table == {"seed": ("0, 1, 2", "0"), "lr": ("0.1", "0.05"), "structures": ("refill, regroup-groups=4", "refill, regroup-groups=16-t1=2.0"),
                     "Regroup: groups": ("4", "16"), "Regroup: t1": ("1.5", "2")}
    every = compared.settings_table(of(), every=True)
    assert {r["setting"] for r in every if r["differs"] == "≠"} == set(table) and "Refill: rho" in {r["setting"] for r in every}


def test_structures_that_only_one_has_and_two_of_a_kind():
    a, b = RunConfig(structures=(Refill(),)), RunConfig(structures=(Refill(), Refill(rho=0.2), Regroup()))
    found = {s.name: s.values for s in side_by_side([a, b])}
    assert found["Refill 1: rho"] == (0.0, 0.0) and found["Refill 2: rho"] == (None, 0.2) and found["Regroup: groups"] == (None, 8)
    assert {s.name for s in side_by_side([a, a]) if s.differs} == set()


def test_outcomes_by_hand():
    table = compared.outcomes_table(of(), 0.3, "study")
    a, b = row(table, "A", "Refill"), row(table, "B", "Refill")
    dense = [90.0, 90.9, 89.5]
    sd = math.sqrt(sum((d - sum(dense) / 3) ** 2 for d in dense) / 2)
    assert a["dense accuracy (%)"] == pytest.approx(sum(dense) / 3) and a["dense sd (points)"] == pytest.approx(sd) and a["dense n"] == 3
    assert a["has to reach (%)"] == pytest.approx(sum(dense) / 3 - sd)
    near = min((1, 2, 3), key=lambda k: abs(math.log(mean("refill", k, "density") / 0.3)))
    assert a["nearest: round"] == near and a["nearest (% of weights)"] == pytest.approx(100 * mean("refill", near, "density"))
    assert a["nearest: accuracy (%)"] == pytest.approx(mean("refill", near)) and a["nearest: n"] == 3
    wins = [k for k in (1, 2, 3) if mean("refill", k) >= sum(dense) / 3 - sd]
    assert a["extreme: round"] == (max(wins) if wins else None)
    assert b["dense, less baseline (points)"] == pytest.approx(89.4 - sum(dense) / 3) and a["dense, less baseline (points)"] is None
    theirs = next(r["test_acc"] for r in OTHER.rows if (r["round"], r["structure"]) == (b["nearest: round"], "refill"))
    assert b["nearest, less baseline (points)"] == pytest.approx(theirs - mean("refill", near)) and b["nearest: n"] == 1


def test_methods_of_one_kind_share_a_row_whatever_their_settings():
    assert [(name, len(labels)) for name, labels in compared.methods(of())] == [("Unstructured", 2), ("Refill", 2), ("Regroup", 2)]
    two = make(0, CONFIG.replace(structures=(Regroup(groups=4), Regroup(groups=8))))
    names = [name for name, _ in compared.methods(compared.compared({"study": SEEDS, "two": [two]}))]
    assert names == ["Unstructured", "Refill", "Regroup (groups 4)", "Regroup"], "named in full where one has two of them"


def test_the_fastest_ticket_is_one_that_wins():
    found = {r.id: list(timings(r)) for r in (*SEEDS, OTHER)}
    together = of(timings=found)
    for name in ("A", "B"):
        for method, labels in compared.methods(together):
            study = next(s for s in together.of if together.names[s.id] == name)
            speeds = [t.speedup for t in study.of(labels[study.id]) if together.wins(study, t)]
            assert row(compared.outcomes_table(together, 0.2), name, method)["fastest that wins (×)"] == (pytest.approx(max(speeds)) if speeds else None)


def test_a_run_may_stand_beside_its_own_study_and_n_is_said():
    together = compared.compared({"study": SEEDS, SEEDS[0].id: [SEEDS[0]]})
    assert [s.id for s in together.of] == ["study", SEEDS[0].id] and list(together.names.values()) == ["A", "B"]
    extremes = compared.extremes_table(together)
    assert {(r["study"], r["n"]) for r in extremes} == {("A", 3), ("B", 1)}
    words = compared.outcomes_words(together, 0.3)
    assert words[0]["A"].endswith("n = 3") and words[0]["B"] == "90.00 % · n = 1"


def test_layers_of_different_networks_are_said_to_differ():
    from dataclasses import replace

    from lthviz.records import Layer
    a = SEEDS[0]
    assert compared.shared_layers(a, OTHER).startswith("Both have the same 1 layers")
    assert "No layer of one network is a layer of the other" in compared.shared_layers(a, replace(OTHER, layers=(Layer("b.weight", (3, 3), (1, 1)),)))
    assert "1 layers have the same name and shape in both, of 1 and 2" in compared.shared_layers(a, replace(OTHER, layers=(*a.layers, Layer("b.weight", (3, 3), (1, 1)))))


def test_a_ticket_far_from_the_density_asked_for_says_so_and_is_not_subtracted():
    short = make(0, CONFIG.replace(lr=0.05), rounds=1)
    together = compared.compared({"study": SEEDS, "short": [short]})
    table = compared.outcomes_table(together, 0.2, "study")
    b = row(table, "B", "Refill")
    assert b["nearest: round"] == 1 and b["nearest, less baseline (points)"] is None
    words = {r["outcome"]: r["B"] for r in compared.outcomes_words(together, 0.2, "study")}
    assert f"at {100 * 0.6 * 1.1:.1f} % (not near), round 1" in words["Refill near 20 %"]
