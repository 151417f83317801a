import math
import re

import pytest

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.figures.accuracy import (
    accuracy_vs_density,
    accuracy_vs_density_alt,
    accuracy_vs_density_caption,
    accuracy_vs_density_table,
)
from lthviz.records import Address, Run

CONFIG = RunConfig(structures=(Refill(), Refill(rho=0.2), Regroup(groups=4), Random()), rounds=3)


def make(id="r1", rounds=3, shift=0.0, **changes):
    """A run whose numbers are simple functions of round and structure."""
    rows = [row(0, "unstructured", 1.0, 90.0 + shift)]
    for k in range(1, rounds + 1):
        for i, label in enumerate(CONFIG.tickets(k)):
            rows.append(row(k, label, min(1.0, 0.8**k * (1 + 0.1 * i)), 90.0 - k - 2 * i + shift))
    return Run(id=id, config=CONFIG, layers=(), info={}, rows=tuple({**r, **changes} for r in rows), rounds=tuple(range(rounds + 1)), created=0.0)


def row(k, label, density, acc):
    return dict(round=k, structure=label, density=density, effective_density=density * 0.9, coverage=0.5, coverage_layers=0.5, test_acc=acc,
                val_acc=acc - 1, dense_acc=90.0, seconds=2.0, flops_ratio=density)


def curves(fig):
    return {t.name: t for t in fig.data if t.mode == "lines+markers"}


def test_a_line_for_each_structure_with_the_values_of_the_rows():
    run = make()
    lines = curves(accuracy_vs_density([run]))
    assert list(lines) == ["Unstructured", "Refill", "Refill+", "Regroup", "Random"]
    for label, name in zip(CONFIG.tickets(1), lines):
        rows = [r for r in run.rows if r["structure"] == label]
        assert list(lines[name].x) == pytest.approx([100 * r["density"] for r in rows])
        assert list(lines[name].y) == pytest.approx([r["test_acc"] for r in rows])
        assert [tuple(c[:3]) for c in lines[name].customdata] == [(run.id, r["round"], label) for r in rows]


def test_structures_differ_in_colour_marker_and_dash_in_both_themes():
    for dark in (False, True):
        lines = curves(accuracy_vs_density([make()], dark=dark)).values()
        for look in (lambda t: t.line.color, lambda t: t.marker.symbol, lambda t: t.line.dash):
            assert len({look(t) for t in lines}) == len(lines)
    light, dark = (accuracy_vs_density([make()], dark=d) for d in (False, True))
    assert light.layout.font.color != dark.layout.font.color
    assert light.layout.paper_bgcolor == dark.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_two_structures_of_one_kind_are_told_apart_by_name_and_marker():
    config = RunConfig(structures=(Refill(), Refill(score="remain")))
    run = Run("x", config, (), {}, (row(1, "refill", 0.8, 89.0), row(1, "refill-score=remain", 0.8, 88.0)), (0, 1), 0.0)
    lines = curves(accuracy_vs_density([run]))
    assert list(lines) == ["Refill", "Refill (score remain)"]
    assert len({t.marker.symbol for t in lines.values()}) == 2


def test_the_axis_runs_from_dense_to_sparse_and_holds_every_point():
    fig = accuracy_vs_density([make()])
    left, right = fig.layout.xaxis.range
    assert left > right and fig.layout.xaxis.type == "log"
    xs = [x for t in fig.data for x in t.x]
    ys = [y for t in fig.data for y in t.y]
    assert 10**right <= min(xs) and max(xs) <= 10**left
    assert fig.layout.yaxis.range[0] < min(ys) and max(ys) < fig.layout.yaxis.range[1]
    assert "100" in fig.layout.xaxis.ticktext


def test_the_dense_accuracy_is_a_labelled_line():
    fig = accuracy_vs_density([make()])
    assert [s.y0 for s in fig.layout.shapes] == [90.0]
    assert [a.text for a in fig.layout.annotations] == ["dense<br>90.0 %"]


@pytest.mark.parametrize("round, structure", [(0, "unstructured"), (2, "refill-rho=0.2")])
def test_a_ring_is_around_the_current_ticket_alone(round, structure):
    run = make()
    fig = accuracy_vs_density([make("other", shift=3), run], current=Address(run.id, round, structure))
    rings = [t for t in fig.data if t.name == "current"]
    at = next(r for r in run.rows if (r["round"], r["structure"]) == (round, structure))
    assert [(list(t.x), list(t.y)) for t in rings] == [([100 * at["density"]], [at["test_acc"]])]
    assert not [t for t in accuracy_vs_density([run], current=Address("gone", 1, "refill")).data if t.name == "current"]


def test_nothing_yet_says_so():
    for runs in ([], [make(rounds=0, test_acc=None, dense_acc=None)]):
        fig = accuracy_vs_density(runs)
        if not runs:
            assert fig.layout.annotations[0].text == "No ticket has been trained yet" and not fig.data
        assert "no ticket has been trained yet" in accuracy_vs_density_alt(runs)
    assert accuracy_vs_density_table([]) == []


def test_only_the_dense_network_is_one_point():
    fig = accuracy_vs_density([make(rounds=0)])
    assert [(list(t.x), list(t.y)) for t in fig.data] == [([100.0], [90.0])]


def test_a_ticket_without_accuracy_leaves_a_gap():
    run = make()
    rows = tuple({**r, "test_acc": None if r["round"] == 2 else r["test_acc"]} for r in run.rows)
    holed = Run("h", CONFIG, (), {}, rows, run.rounds, 0.0)
    line = curves(accuracy_vs_density([holed]))["Refill"]
    assert line.y[1] is None and not line.connectgaps
    fig, points = accuracy_vs_density([holed]), sum(r["test_acc"] is not None for r in rows)
    assert points < len(rows) and fig.layout.meta["n"] == points and f"(n = {points}; " in fig.layout.meta["caption"]
    nan = tuple({**r, "test_acc": math.nan if r["round"] == 2 else r["test_acc"]} for r in run.rows)
    assert curves(accuracy_vs_density([Run("h", CONFIG, (), {}, nan, run.rounds, 0.0)]))["Refill"].y[1] is None


def test_several_runs_are_a_line_each_with_one_legend_entry_a_structure():
    fig = accuracy_vs_density([make("a"), make("b", shift=1), make("c", shift=2)])
    lines = [t for t in fig.data if t.mode == "lines+markers"]
    assert len(lines) == 15 and sum(t.showlegend for t in lines) == 5
    assert {c[0] for t in lines for c in t.customdata} == {"a", "b", "c"}
    assert [s.y0 for s in fig.layout.shapes] == [90.0, 91.0, 92.0]


def test_words_hold_the_numbers_of_the_data():
    run = make()
    alt, table = accuracy_vs_density_alt([run]), accuracy_vs_density_table([run])
    assert len(table) == len(run.rows) == accuracy_vs_density([run]).layout.meta["n"]
    last = {r["ticket"]: r for r in table if r["round"] == 3}
    for name, r in last.items():
        assert f"{name} has {r['test accuracy (%)']:.1f} percent with {r['kept weights (%)']:.1f} percent of the weights" in alt
    assert "dense network reaches 90.0 percent" in alt
    assert {float(x) for x in re.findall(r"(\d+\.\d) percent", alt)} <= {round(v, 1) for r in table for v in r.values() if isinstance(v, float)}
    assert "n = 16; run r1" in accuracy_vs_density_caption([run])
    fig = accuracy_vs_density([run])
    assert fig.layout.meta["alt"] == alt and fig.layout.meta["runs"] == ["r1"]


def test_what_a_branch_took_over_is_its_parents_and_counts_once():
    import dataclasses

    from lthviz.figures.measured import study

    parent = make()
    branch = dataclasses.replace(make(id="r2"), config=parent.config.replace(parent="r1", from_round=2), info={"branch": {"inherited": ["unstructured"]}})
    fig = accuracy_vs_density([parent, branch])
    drawn = [tuple(k[:3]) for t in fig.data for k in (t.customdata if t.customdata is not None else ())]
    assert {k[1:] for k in drawn if k[0] == "r1"} == {(r["round"], r["structure"]) for r in parent.rows}
    assert {k[1:] for k in drawn if k[0] == "r2"} == {(r["round"], r["structure"]) for r in branch.rows if r["round"] > 2 or (r["round"] == 2 and r["structure"] != "unstructured")}
    assert [q.key for q in study([parent, branch]).points] == [(r["run"], r["round"], r["structure"]) for r in accuracy_vs_density_table([parent, branch])]
    assert len(accuracy_vs_density_table([branch])) == len(branch.rows), "alone it has all of them"
