"""Means over seeds in pictures and words: what is drawn is what the statistics module says of the runs."""

import itertools
import json
import math
import statistics
from dataclasses import replace

import pytest

from lthviz.config import Refill, Regroup, RunConfig
from lthviz.core.study import studies as sorted_into
from lthviz.figures import replicated, scales, theme
from lthviz.figures.measured import AXES
from lthviz.figures.replicate_curves import replicate_curves
from lthviz.figures.replicated_words import (
    left_out,
    mean_sd,
    replicate_curves_alt,
    replicate_curves_caption,
    replicate_curves_table,
    short,
    versus_table,
)
from lthviz.records import Layer, Run
from tests.speeds import timings

CONFIG = RunConfig(structures=(Refill(), Regroup(groups=4)), rounds=3)
LABELS = ("unstructured", "refill", "regroup-groups=4")
LAYERS = (Layer("a.weight", (64, 32, 3, 3), (16, 16)),)
SPREAD = {0: 0.0, 1: 0.9, 2: -0.5, 3: 0.3}


def make(seed, config=CONFIG, rounds=3, shift=0.0):
    config = config.replace(seed=seed)
    rows = [row(0, "unstructured", 1.0, 90 + SPREAD[seed] + shift)]
    for k, (i, label) in itertools.product(range(1, rounds + 1), enumerate(config.tickets(1))):
        rows.append(row(k, label, 0.6**k * (1 + 0.1 * i + 0.01 * seed), 90.6 - 0.4 * k - 0.3 * i + (1 + i) * SPREAD[seed] + shift))
    return Run(config.run_id, config, LAYERS, {}, tuple(rows), tuple(range(rounds + 1)), 0.0)


def row(k, label, density, acc):
    return dict(round=k, structure=label, density=density, effective_density=density * 0.9, coverage=0.5, coverage_layers=0.5, test_acc=acc,
                val_acc=acc, dense_acc=90.0, seconds=2.0, flops_ratio=density * 0.8 if k else 1.0)


SEEDS = [make(s) for s in range(3)]


def of(runs=SEEDS, **more):
    return replicated.studies(runs, **more)


def measured(runs=SEEDS, **more):
    return of(runs, timings={r.id: [t for t in timings(r, conditions={"machine": r.id, "cpu": "Xeon", "cores": 2})] for r in runs}, **more)


def lines(fig):
    return {t.name: t for t in fig.data if t.mode == "lines+markers" and t.name != "single seed"}


def named(fig, name):
    return [t for t in fig.data if t.name == name]


def values(label, k, field, runs=SEEDS):
    return [r[field] for run in runs for r in run.rows if (r["round"], r["structure"]) == (k, label)]


@pytest.mark.parametrize(("x", "field"), [("kept", "density"), ("effective", "effective_density"), ("flops", "flops_ratio")])
def test_a_line_of_means_for_each_method(x, field):
    fig = replicate_curves(of(), x=x)
    assert list(lines(fig)) == ["Unstructured", "Refill", "Regroup"]
    for label, t in zip(LABELS, lines(fig).values()):
        assert list(t.x) == pytest.approx([100 * statistics.mean(values(label, k, field)) for k in (1, 2, 3)])
        assert list(t.y) == pytest.approx([statistics.mean(values(label, k, "test_acc")) for k in (1, 2, 3)])
        assert [tuple(c) for c in t.customdata] == [(SEEDS[0].id, k, label) for k in (1, 2, 3)]
    left, right = fig.layout.xaxis.range
    assert left > right and fig.layout.xaxis.title.text == AXES[x].title
    (dense,) = named(fig, "Dense")
    assert (list(dense.x), list(dense.y)) == ([100], pytest.approx([statistics.mean([90, 90.9, 89.5])]))
    assert dense.error_y.array[0] == pytest.approx(statistics.stdev([90, 90.9, 89.5]))


def test_the_band_is_one_standard_deviation_to_either_side_from_the_dense_network_on():
    bands = named(replicate_curves(of()), "band")
    assert len(bands) == 3
    for label, band in zip(LABELS, bands):
        keys = [(0, "unstructured"), *((k, label) for k in (1, 2, 3))]
        means, sds = ([f(values(s, k, "test_acc")) for k, s in keys] for f in (statistics.mean, statistics.stdev))
        up, down = [m + s for m, s in zip(means, sds)], [m - s for m, s in zip(means, sds)]
        assert list(band.y) == pytest.approx([*up, *reversed(down)]) and list(band.x[:4]) == list(reversed(band.x[4:]))
        assert band.fill == "toself" and band.hoverinfo == "skip"


def test_one_seed_has_no_band_and_says_that_it_is_one():
    fig = replicate_curves(of(SEEDS[:1]))
    assert not named(fig, "band") and named(fig, "Dense")[0].error_y.array is None
    said = replicate_curves_caption(of(SEEDS[:1]))
    assert "n = 1 seed (0)" in said and "0.25 points (there is one dense training)" in said
    assert all("±" not in h for t in lines(fig).values() for h in t.hovertext)


def test_rounds_with_fewer_seeds_are_smaller_told_and_without_band_where_one_is_left():
    runs = [make(0), make(1, rounds=2), make(2, rounds=1)]
    fig = replicate_curves(of(runs))
    t = lines(fig)["Refill"]
    assert t.marker.size[0] > t.marker.size[1] == t.marker.size[2]
    assert [h.partition("(n = ")[2][0] for h in t.hovertext] == ["3", "2", "1"]
    assert len(named(fig, "band")[1].x) == 2 * 3                  # dense and two rounds; the third has no spread
    assert "Fewer seeds: rounds 2 to 3 (n = 1 to 2)." in replicate_curves_caption(of(runs))
    lacks = [Run(r.id, r.config, LAYERS, {}, tuple(x for x in r.rows if i or (x["round"], x["structure"]) != (3, "refill")), r.rounds, 0.0) for i, r in enumerate(SEEDS)]
    assert "Fewer seeds: Refill, round 3 (n = 2)." in replicate_curves_caption(of(lacks))
    assert "Fewer seeds" not in replicate_curves_caption(of())
    assert left_out(runs) == [f"run {runs[1].id} (seed 1) has finished rounds 0 to 2 of 3; what it has not trained is left out",
                              f"run {runs[2].id} (seed 2) has finished rounds 0 to 1 of 3; what it has not trained is left out"]


def test_what_is_not_there_yet_and_what_cannot_be_read_is_told():
    empty = Run("e", CONFIG.replace(seed=3), (), {}, (), (), 0.0)
    broken = Run("b", CONFIG, LAYERS, {"damaged": {"2": "a hole"}}, SEEDS[0].rows, SEEDS[0].rounds, 0.0)
    assert left_out([empty, broken, SEEDS[1]]) == ["run e (seed 3) has trained nothing yet and is left out",
                                                   "run b (seed 0): round 2 cannot be read and is left out: a hole"]


def test_the_line_breaks_where_a_round_is_missing():
    holes = [Run(r.id, r.config, LAYERS, {}, tuple(x for x in r.rows if (x["round"], x["structure"]) != (2, "refill")), r.rounds, 0.0) for r in SEEDS]
    t = lines(replicate_curves(of(holes)))["Refill"]
    assert [c and c[1] for c in t.customdata] == [1, None, 3] and t.x[1] is None and not t.connectgaps


def test_single_seeds_stand_behind_on_demand_each_leading_to_its_own_ticket():
    assert not named(replicate_curves(of()), "single seed")
    fig = replicate_curves(of(), seeds=True)
    behind = named(fig, "single seed")
    assert len(behind) == 3 and all(t.opacity < 1 and t.line.width < 1 and not t.showlegend for t in behind)
    for label, t in zip(LABELS, behind):
        drawn = {tuple(c): (x, y) for c, x, y in zip(t.customdata, t.x, t.y) if c}
        expected = {(r.id, row["round"], row["structure"]): (100 * row["density"], row["test_acc"]) for r in SEEDS for row in r.rows
                    if row["structure"] == label or not row["round"]}
        assert drawn.keys() == expected.keys() and all(drawn[k] == pytest.approx(expected[k]) for k in drawn)
        assert t.x.count(None) == 3 == t.hovertext.count("")
    order = [t.name for t in fig.data]
    assert max(i for i, n in enumerate(order) if n in ("single seed", "band")) < min(i for i, n in enumerate(order) if n == "Refill")


def test_the_winning_region_begins_at_the_dense_mean_less_the_tolerance():
    dense = [90, 90.9, 89.5]
    for tolerance, least in ((None, statistics.mean(dense) - statistics.stdev(dense)), (0.5, statistics.mean(dense) - 0.5), (0.0, statistics.mean(dense))):
        fig = replicate_curves(of(tolerance=tolerance))
        (area,) = [s for s in fig.layout.shapes if s.type == "rect"]
        assert area.y0 == pytest.approx(least) and area.x0 == 100 and area.x1 == pytest.approx(10 ** fig.layout.xaxis.range[1])
    whole = replicate_curves(of(tolerance=80))
    (area,) = [s for s in whole.layout.shapes if s.type == "rect"]
    assert area.y0 == whole.layout.yaxis.range[0] > 80                  # a wide tolerance does not flatten the picture


def test_each_methods_sparsest_winning_ticket_is_ringed_and_told():
    study = of(tolerance=0.65)
    least = statistics.mean([90, 90.9, 89.5]) - 0.65
    fig, caption, alt = replicate_curves(study), replicate_curves_caption(study), replicate_curves_alt(study)
    rings = named(fig, "sparsest that wins")
    expected = {}
    for label in LABELS:
        won = [k for k in (1, 2, 3) if statistics.mean(values(label, k, "test_acc")) >= least]
        expected[label] = won[-1] if won else None
    assert {2, 3} <= set(expected.values())
    assert [list(r.y) for r in rings] == [[pytest.approx(statistics.mean(values(label, k, "test_acc")))] for label, k in expected.items() if k]
    for label, k in expected.items():
        share = 100 * statistics.mean(values(label, k, "density"))
        assert f"{short(study, study.of[0], label)} {share:.1f} % of the weights" in caption
        assert f"sparsest winning ticket at {share:.1f} percent of the weights" in alt
    nobody = of(runs=[make(s, shift=0) for s in range(3)], tolerance=0.0)
    assert "Regroup" not in replicate_curves_caption(nobody).split("Ringed")[1] and "no ticket wins" in replicate_curves_alt(nobody)


def test_the_rule_that_less_sparse_ones_win_too_takes_a_lucky_end_away():
    runs = [Run(r.id, r.config, LAYERS, {}, tuple({**x, "test_acc": 50.0} if (x["round"], x["structure"]) == (1, "refill") else x for x in r.rows), r.rounds, 0.0)
            for r in SEEDS]
    (study,) = of(runs).of
    assert of(runs, tolerance=5.0).extremes[study.id, "refill"].round == 3
    assert of(runs, tolerance=5.0, unbroken=True).extremes[study.id, "refill"] is None
    assert "all less sparse ones winning too" in replicate_curves_caption(of(runs, unbroken=True))


def test_at_speeds_a_ticket_stands_at_the_inverse_of_its_mean_time_ratio():
    found = {(r.id, t.round, t.structure): t.time_ratio for r in SEEDS for t in timings(r)}
    fig = replicate_curves(measured(), x="speed")
    for label, t in zip(LABELS, lines(fig).values()):
        assert list(t.x) == pytest.approx([1 / statistics.mean(found[r.id, k, label] for r in SEEDS) for k in (1, 2, 3)])
        assert all("of the dense time (n = 3)" in h for h in t.hovertext)
    low, high = (10**v for v in fig.layout.xaxis.range)
    assert all(low < v < high for t in lines(fig).values() for v in (*t.x, 1.0))
    caption = replicate_curves_caption(measured(), "speed")
    assert "mean time ratio over 3 measured seeds" in caption and "Xeon, 2 cores" in caption
    assert replicate_curves(of(), x="speed").layout.annotations[0].text == "No ticket is measured yet"


def test_a_measurement_on_a_busy_machine_marks_its_ticket_in_the_picture_the_hover_the_table_and_the_sentences():
    busy = {"machine": "m", "cpu": "Xeon", "cores": 2, "others_cores": 1.5}
    found = {r.id: [replace(t, conditions=busy) if (i, t.round, t.structure) in {(0, 2, "refill"), (1, 2, "refill"), (2, 3, "unstructured")} else t
                    for t in timings(r)] for i, r in enumerate(SEEDS)}
    study = of(timings=found)
    fig = replicate_curves(study, x="speed", seeds=True)
    plain = lines(replicate_curves(measured(), x="speed"))
    for label, t in zip(LABELS, lines(fig).values()):
        usual = plain[t.name].marker.symbol
        symbols = [t.marker.symbol] * 3 if isinstance(t.marker.symbol, str) else list(t.marker.symbol)
        expected = {"refill": [None, 2, None], "unstructured": [None, None, 1]}.get(label, [None] * 3)
        assert symbols == [theme.doubtful(usual) if n else usual for n in expected]
        for h, n in zip(t.hovertext, expected):
            assert (f"; {n} of 3 measured on a busy machine, so doubtful" in h) if n else "busy" not in h
    single = {tuple(c): (symbol, h) for t in named(fig, "single seed") for c, symbol, h in zip(t.customdata, t.marker.symbol, t.hovertext) if c}
    marked = {(SEEDS[0].id, 2, "refill"), (SEEDS[1].id, 2, "refill"), (SEEDS[2].id, 3, "unstructured")}
    assert {key for key, (symbol, h) in single.items() if symbol != "circle" and "busy" in h} == marked
    assert {key for key, (symbol, h) in single.items() if symbol != "circle" or "busy" in h} == marked
    said = "Open with a dot: 3 of the 27 measurements, of 2 tickets, were made on a busy machine and are doubtful."
    assert said in replicate_curves_caption(study, "speed") and "speed of 2 tickets is doubtful" in replicate_curves_alt(study, "speed")
    assert {(r["round"], r["structure"]): r["disturbed"] for r in replicate_curves_table(study) if r["disturbed"]} == {
        (2, "refill"): "2 of 3 measured on a busy machine, so doubtful", (3, "unstructured"): "1 of 3 measured on a busy machine, so doubtful"}
    assert [(r["ticket"], r["round"]) for r in versus_table(study, "speed") if r["disturbed"]] == [("Refill", 2)]
    for kept in (replicate_curves(study, x="kept"), replicate_curves(measured(), x="speed")):     # where no time counts, nothing is marked
        assert all(isinstance(t.marker.symbol, str) for t in lines(kept).values()) and "busy" not in kept.layout.meta["caption"]


def test_the_axes_hold_every_mean_and_band_and_a_close_look_says_what_is_below():
    for x in ("kept", "effective", "flops"):
        fig = replicate_curves(of(), x=x)
        low, high = fig.layout.yaxis.range
        ys = [y for t in (*lines(fig).values(), *named(fig, "band")) for y in t.y]
        assert low < min(ys) and max(ys) < high
    sunk = [Run(r.id, r.config, LAYERS, {}, tuple({**x, "test_acc": x["test_acc"] - 20 * (x["structure"] == "refill")} for x in r.rows), r.rounds, 0.0) for r in SEEDS]
    fig = replicate_curves(of(sunk), near=True)
    assert fig.layout.yaxis.range[0] > 90 - scales.NEAR - 1 and "3 tickets below" in [a.text for a in fig.layout.annotations]


def test_of_single_seeds_the_caption_tells_of_no_band():
    one, several = replicate_curves_caption(of(runs=SEEDS[:1])), replicate_curves_caption(of())
    assert "standard deviation" in several and "standard deviation to either side" not in one and "one training a point (n = 1 seed (0))" in one


def test_two_studies_are_told_apart_by_what_they_differ_in():
    other = [make(s, CONFIG.replace(epochs=80), shift=-1.0) for s in (0, 1)]
    both = of([*SEEDS, *other])
    fig = replicate_curves(both)
    assert list(lines(fig)) == [f"{n} · epochs {e}" for e in (160, 80) for n in ("Unstructured", "Refill", "Regroup")]
    looks = {(t.line.color, t.marker.symbol) for t in lines(fig).values()}
    assert len(looks) == 6 and not [s for s in fig.layout.shapes if s.type == "rect"], "dense accuracies differ: no one region"
    pinned = replace(both, baseline=both.of[1].id)
    (region,) = [s for s in replicate_curves(pinned).layout.shapes if s.type == "rect"]
    assert region.y0 == pytest.approx(both.levels[both.of[1].id].least)
    assert "as accurate, and smaller" not in [a.text for a in fig.layout.annotations]
    lettered = replace(both, names={s.id: x for s, x in zip(both.of, "AB")})
    said = [a.text for a in replicate_curves(lettered).layout.annotations]
    assert all(f"{s.dense.accuracy.mean:.1f}" in " ".join(said) for s in both.of) and "A" in " ".join(said) and "B" in " ".join(said)
    caption = replicate_curves_caption(both)
    assert "epochs 160: n = 3 seeds (0, 1, 2); epochs 80: n = 2 seeds (0, 1)" in caption
    assert {(r["ticket"], r["pairs"]) for r in versus_table(both)} >= {("Refill · epochs 80", 2), ("Refill · epochs 160", 3), ("Unstructured · epochs 80", 2)}


def test_a_difference_says_what_it_is():
    table = versus_table(of())
    pairs = {(r["ticket"], r["round"]): r for r in table}
    assert {r["difference is"] for r in table if r["pairs"]} == {"paired by seed, n = 3, mean ± s.d. of the differences"}
    assert all((r["difference is"] is None) == (r["difference (points)"] is None) for r in table) and "sd (points)" not in table[0]
    assert pairs["Refill", 1]["s.d. of the differences (points)"] > 0
    (row, *_) = [r for r in versus_table(of([*SEEDS[:2], make(2, CONFIG.replace(epochs=80)), make(3, CONFIG.replace(epochs=80))])) if "epochs 80" in r["ticket"]
                 and r["difference (points)"] is not None]
    assert (row["difference is"], row["pairs"]) == ("unpaired, the difference of the means", 0)
    (row, *_) = [r for r in versus_table(of(SEEDS[:1])) if r["difference (points)"] is not None]
    assert (row["difference is"], row["s.d. of the differences (points)"]) == ("paired by seed, n = 1, the one difference", None)


def test_the_figure_says_what_limits_the_comparison():
    assert "Linear layers" not in replicate_curves_caption(of())
    both = of([*SEEDS, *(make(s, CONFIG.replace(linear="all")) for s in (0, 1))])
    assert "Linear layers are not pruned alike (linear none, all)" in replicate_curves_caption(both)


def test_the_table_has_mean_spread_number_and_verdict_of_every_ticket():
    table = replicate_curves_table(of())
    assert len(table) == 1 + 3 * 3
    least = statistics.mean([90, 90.9, 89.5]) - statistics.stdev([90, 90.9, 89.5])
    for r in table:
        accs = values(r["structure"], r["round"], "test_acc")
        assert (r["test accuracy (%)"], r["sd (points)"], r["n"]) == (pytest.approx(statistics.mean(accs)), pytest.approx(statistics.stdev(accs)), 3)
        won = statistics.mean(accs) >= least
        assert r["verdict"].partition(",")[0] == ("" if not r["round"] else "wins" if won else "below")
        assert r["kept weights (%)"] == pytest.approx(100 * statistics.mean(values(r["structure"], r["round"], "density")))
        assert r["has to reach (%)"] == pytest.approx(least) and r["seeds"] == "0 1 2" and r["measured speedup (×)"] is None
    assert sum(r["verdict"] == "wins, sparsest" for r in table) == 3
    speeds = [r["time ratio, n"] for r in replicate_curves_table(measured()) if r["round"]]
    assert speeds == [3] * 9 and json.dumps(table, allow_nan=False)


def test_words_of_elsewhere_are_escaped_in_the_hover():
    evil = [Run(r.id, r.config, LAYERS, {}, (*r.rows, row(1, "<b>x", 0.5, 80.0)), r.rounds, 0.0) for r in SEEDS]
    (t,) = named(replicate_curves(of(evil)), "<b>x") or [next(t for t in lines(replicate_curves(of(evil))).values() if t.customdata[0][2] == "<b>x")]
    assert "&lt;b&gt;x" in t.hovertext[0] and "<b><b>" not in t.hovertext[0]


def test_nothing_yet_says_so():
    fig = replicate_curves(of([]))
    assert not fig.data and fig.layout.annotations[0].text == "No ticket has been trained yet"
    alone = [Run(r.id, r.config, LAYERS, {}, r.rows[:1], (0,), 0.0) for r in SEEDS]
    assert replicate_curves(of(alone)).layout.annotations[0].text == "No ticket has been trained yet"
    assert "reaches 90.1 percent over 3 seeds" in replicate_curves_alt(of(alone)) and replicate_curves_table(of([])) == [] == versus_table(of([]))


def test_colours_markers_and_dashes_differ_in_both_themes():
    for dark in (False, True):
        for look in (lambda t: t.line.color, lambda t: t.marker.symbol, lambda t: t.line.dash):
            assert len({look(t) for t in lines(replicate_curves(of(), dark=dark)).values()}) == 3


def test_means_in_words():
    (study,) = sorted_into(SEEDS)
    t = study.ticket(1, "refill")
    accs = values("refill", 1, "test_acc")
    assert mean_sd(t.accuracy, ".2f", unit=" %") == f"{statistics.mean(accs):.2f} ± {statistics.stdev(accs):.2f} %"
    assert mean_sd(sorted_into(SEEDS[:1])[0].dense.accuracy) == "90.0" and mean_sd(t.time_ratio) == "–"
    assert not math.isnan(t.accuracy.mean)
