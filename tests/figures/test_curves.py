import itertools
import math
import re
import statistics

import plotly.graph_objects as go
import pytest

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.figures import theme, wording
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_alt, accuracy_curves_caption, accuracy_curves_table
from lthviz.figures.measured import AXES, Setting, level, settings, study, usual
from lthviz.figures.scales import NEAR, SPEEDS, ticks
from lthviz.records import Address, Layer, Run, Timing
from tests.speeds import CONDITIONS, ELSEWHERE, timings

CONFIG = RunConfig(structures=(Refill(), Refill(rho=0.2), Regroup(groups=4), Random()), rounds=3)
LAYERS = (Layer("a.weight", (64, 32, 3, 3), (16, 16)), Layer("b.weight", (64, 64, 3, 3), (16, 16), sources=("a.weight",)))
NAMES = ["Unstructured", "Refill", "Refill+", "Regroup", "Random"]


def make(config=CONFIG, id="r1", shift=0.0):
    """A run whose numbers are simple functions of round and structure."""
    rows = [row(0, "unstructured", 1.0, 90.0 + shift)]
    for k in range(1, config.rounds + 1):
        rows += [row(k, label, min(1.0, 0.6**k * (1 + 0.1 * i)), 90.6 - 0.3 * k - 0.2 * i + shift) for i, label in enumerate(config.tickets(k))]
    return Run(id, config, LAYERS, {}, tuple(rows), tuple(range(config.rounds + 1)), 0.0)


def row(k, label, density, acc):
    return dict(round=k, structure=label, density=density, effective_density=density * 0.9, coverage=0.5, coverage_layers=0.5, test_acc=acc,
                val_acc=acc - 1, dense_acc=90.0, seconds=2.0, flops_ratio=density * 0.8 if k else 1.0)


def measured_study(run=None, **more):
    run = run or make()
    return study([run], {run.id: list(timings(run))}, **more)


def lines(fig):
    return {t.name: t for t in fig.data if t.mode == "lines+markers+text"}


def trace(fig, name):
    return [t for t in fig.data if t.name == name]


def test_a_line_for_each_structure_from_the_dense_origin_through_its_measured_rounds():
    run = make()
    by = {(t.round, t.structure): t for t in timings(run)}
    fig = accuracy_curves(study([run], {run.id: list(by.values())}))
    drawn = lines(fig)
    assert list(drawn) == NAMES
    for label, name in zip(CONFIG.tickets(1), NAMES):
        rows = [r for r in run.rows if r["structure"] == label and r["round"]]
        assert list(drawn[name].x) == pytest.approx([by[r["round"], label].dense_ms / by[r["round"], label].ticket_ms for r in rows])
        assert list(drawn[name].y) == pytest.approx([r["test_acc"] for r in rows])
        assert [tuple(c) for c in drawn[name].customdata] == [(run.id, r["round"], label) for r in rows]
    for t in (first := trace(fig, "from dense")):
        assert (t.x[0], t.y[0]) == (1.0, 90.0) and (t.x[1], t.y[1]) in [(d.x[0], d.y[0]) for d in drawn.values()]
    assert len(first) == len(NAMES) and [(list(t.x), list(t.y)) for t in trace(fig, "Dense")] == [([1.0], [90.0])]


def test_structures_differ_in_colour_marker_and_dash_in_both_themes():
    for dark in (False, True):
        drawn = lines(accuracy_curves(measured_study(), dark=dark)).values()
        for look in (lambda t: t.line.color, lambda t: t.marker.symbol, lambda t: t.line.dash):
            assert len({look(t) for t in drawn}) == len(NAMES)


def test_the_bars_are_the_quartiles_of_the_ratio():
    run = make()
    found = {(t.round, t.structure): t for t in timings(run)}
    for t in lines(accuracy_curves(measured_study(run))).values():
        for x, more, less, (_, k, label) in zip(t.x, t.error_x.array, t.error_x.arrayminus, t.customdata):
            low, high = (1 / x for x in reversed(found[k, label].spread))
            assert (x - less, x + more) == pytest.approx((low, high))


def test_a_tick_stands_where_the_multiply_adds_would_allow_and_is_joined_to_its_point():
    run = make()
    fig = accuracy_curves(measured_study(run))
    ticks = trace(fig, "FLOPs limit")
    at = {tuple(c): x for t in ticks for x, c in zip(t.x, t.customdata)}
    assert at == pytest.approx({(run.id, t.round, t.structure): 1 / t.flops_ratio for t in timings(run)})
    joined = [t for t in fig.data if t.mode == "lines" and t.name != "from dense"]
    ends = {(round(a, 9), round(b, 9)) for t in joined for a, b in zip(t.x[0::3], t.x[1::3])}
    assert ends == {(round(t.speedup, 9), round(1 / t.flops_ratio, 9)) for t in timings(run)}
    assert all(t.opacity < 0.6 and not t.showlegend for t in (*ticks, *joined))


def test_the_winning_region_is_shaded_and_the_words_count_who_is_in_it():
    run = make()
    of = measured_study(run)
    fig = accuracy_curves(of)
    area = next(s for s in fig.layout.shapes if s.type == "rect")
    assert (area.x0, area.y0) == (1, 90.0 - 0.25)
    assert area.y1 == fig.layout.yaxis.range[1] and area.x1 == pytest.approx(10 ** fig.layout.xaxis.range[1])
    accs = {(r["round"], r["structure"]): r["test_acc"] for r in run.rows}
    inside = [t for t in timings(run) if accs[t.round, t.structure] >= area.y0 and t.ticket_ms < t.dense_ms]
    assert 0 < len(inside) < 15
    assert f"{len(inside)} of 15 tickets win" in accuracy_curves_alt(of)
    assert "dense accuracy less 0.25 points (there is one dense training), in less time" in accuracy_curves_caption(of)
    assert "as accurate, and faster" in [a.text for a in fig.layout.annotations]


def test_the_tolerance_is_the_spread_of_dense_replicates_and_runs_trained_otherwise_have_none():
    seeds = [make(CONFIG.replace(seed=i), f"s{i}", shift) for i, shift in enumerate((0.0, 1.0, 0.4))]
    level = study(seeds).level
    assert (level.accuracy, level.tolerance, level.n) == pytest.approx((statistics.fmean([90, 91, 90.4]), statistics.stdev([90, 91, 90.4]), 3))
    more = make(CONFIG.replace(structures=(Refill(),), rate=0.5, rounds=1, seed=0), "m")      # what leaves the dense network alone
    assert study([*seeds, more]).level.n == 3
    other = make(CONFIG.replace(epochs=3), "other")
    assert study([seeds[0], other]).level is None
    fig = accuracy_curves(study([seeds[0], other], {r.id: list(timings(r)) for r in (seeds[0], other)}))
    assert not [s for s in fig.layout.shapes if s.type == "rect"]
    assert "were not trained alike" in accuracy_curves_caption(study([seeds[0], other])) and "win" not in accuracy_curves_alt(study([seeds[0], other]), "kept")


def test_what_is_not_measured_is_left_out_and_listed():
    run = make()
    some = [t for t in timings(run) if t.structure != "random" or t.round != 2]
    of = study([run], {run.id: some})
    drawn = lines(accuracy_curves(of))
    assert [c and c[1] for c in drawn["Random"].customdata] == [1, None, 3]       # the line breaks where a round is not measured
    assert drawn["Random"].x[1] is None and drawn["Random"].y[1] is None and not drawn["Random"].connectgaps
    assert wording.tickets(of.missing) == "Random, round 2"
    assert "n = 14;" in accuracy_curves_caption(of)
    empty = [r for r in accuracy_curves_table(of) if r["measured speedup (×)"] is None and r["round"]]
    assert [(r["round"], r["structure"]) for r in empty] == [(2, "random")]


def test_an_estimate_is_hollow_labelled_and_on_no_line():
    run = make()
    some = [t for t in timings(run) if t.structure not in ("random", "refill-rho=0.2")]
    guess = {(run.id, k, label): 0.25 * k for k in (1, 2, 3) for label in ("random", "refill-rho=0.2", "refill")}
    of = study([run], {run.id: some}, estimates=guess)
    fig = accuracy_curves(of)
    assert list(lines(fig)) == ["Unstructured", "Refill", "Regroup"]
    measured = {t.marker.symbol for t in lines(accuracy_curves(measured_study(run))).values()}
    for name in ("Random, estimated", "Refill+, estimated"):
        (t,) = trace(fig, name)
        assert t.mode == "markers+text" and "open" in t.marker.symbol and t.marker.symbol not in measured
        assert list(t.x) == pytest.approx([4.0, 2.0, 4 / 3])
        assert all("estimated" in h and "measured 1" not in h for h in t.hovertext)
    assert [w for t in fig.data if t.text and "estimated" in (t.name or "") for w in t.text if w] == ["estimated"]
    assert "estimated" in fig.layout.xaxis.title.text and "estimated" not in accuracy_curves(measured_study(run)).layout.xaxis.title.text
    assert not trace(fig, "Refill, estimated")          # a measurement is worth more
    assert "6 tickets are estimated, not measured" in accuracy_curves_alt(of)
    assert all((r["measured speedup (×)"] is None) == (r["structure"] in ("random", "refill-rho=0.2")) for r in accuracy_curves_table(of) if r["round"])
    assert not [t for t in accuracy_curves(of, x="kept").data if "estimated" in (t.name or "")]


def test_an_estimate_is_set_against_the_fastest_dense_form_where_that_is_known():
    run = make()
    some = [Timing(**{**t.__dict__, "others": {"block kernel": 3.0 * t.dense_ms, "onnxruntime": t.dense_ms}}) for t in timings(run, structures=["refill"])]
    guess = {(run.id, 1, "random"): 0.2}
    for found, share in ((some, 3.0), ([], 1.0), (list(timings(run, structures=["refill"])), 1.0)):
        of = study([run], {run.id: found}, Setting(64, 2), estimates=guess)
        (q,) = (q for q in of.points if (q.row["round"], q.row["structure"]) == (1, "random"))
        assert q.estimate == pytest.approx(share * 0.2) and q.speedup == pytest.approx(1 / (share * 0.2)) and q.estimated


def test_measurements_of_another_machine_carry_a_sign_and_are_told():
    run = make()
    mixed = [*timings(run, structures=["unstructured", "regroup-groups=4"]), *timings(run, structures=["refill"], conditions=ELSEWHERE)]
    of = study([run], {run.id: mixed}, here=CONDITIONS["machine"])
    drawn = lines(accuracy_curves(of))
    assert set(drawn["Refill"].text) == {"²"} and set(drawn["Unstructured"].text) == {""}
    said = accuracy_curves_caption(of)
    assert "Intel Xeon Processor, 2 cores; ²AMD EPYC 9B14, 4 cores" in said and "Not this machine: AMD EPYC 9B14, 4 cores." in said
    assert "Not this machine" not in accuracy_curves_caption(study([run], {run.id: mixed[:6]}, here=CONDITIONS["machine"]))
    twins = [*timings(run, structures=["refill"]), *timings(run, structures=["random"], conditions={**CONDITIONS, "machine": "ffff"})]
    assert list(wording.machines(twins).values()) == ["Intel Xeon Processor, 2 cores (0c9e11f2)", "Intel Xeon Processor, 2 cores (ffff)"]


def shaken(timings, tickets):
    """Those timings, some of them taken on a busy machine."""
    return [Timing(**{**t.__dict__, "conditions": {**t.conditions, "others_cores": 0.8}}) if (t.round, t.structure) in tickets else t for t in timings]


def test_what_was_measured_on_a_busy_machine_is_open_and_told():
    run = make()
    tickets = {(2, "refill"), (1, "refill-rho=0.2"), (3, "random"), (1, "unstructured"), (0, "unstructured")}
    of = study([run], {run.id: shaken(timings(run), tickets)})
    fig, plain = accuracy_curves(of), lines(accuracy_curves(measured_study(run)))
    for name, t in lines(fig).items():
        usual, drawn = plain[name].marker.symbol, t.marker.symbol
        symbols = list(drawn) if isinstance(drawn, (list, tuple)) else [drawn] * len(t.x)
        for symbol, key, said in zip(symbols, t.customdata, t.hovertext):
            doubtful = tuple(key[1:]) in tickets
            assert (symbol != usual) == doubtful and ("measured on a busy machine, so doubtful: other processes kept 0.8 cores" in said) == doubtful
            assert not doubtful or ("open" in symbol and symbol not in {p.marker.symbol for p in plain.values()})
        assert list(t.x) == list(plain[name].x), "it stays where it is, on its line"
    assert "Open with a dot: measured on a busy machine, so doubtful (n = 4)." in accuracy_curves_caption(of)
    assert "(n = 4)" in accuracy_curves_caption(of, brief=True) and "4 of them were measured on a busy machine" in accuracy_curves_alt(of)
    assert {(r["round"], r["structure"]) for r in accuracy_curves_table(of) if r["disturbed"]} == tickets - {(0, "unstructured")}
    for x in ("kept", "flops"):
        assert "busy" not in accuracy_curves_caption(of, x) + accuracy_curves_alt(of, x)
        assert all(isinstance(t.marker.symbol, str) for t in lines(accuracy_curves(of, x=x)).values())
    assert "busy" not in accuracy_curves_caption(measured_study(run)) + accuracy_curves_alt(measured_study(run))


@pytest.mark.parametrize("symbol", sorted({s.symbol for s in theme.STYLES.values()} | set(filter(None, theme._VARIANTS))))
def test_every_marker_has_a_doubtful_twin(symbol):
    assert "open" in (twin := theme.doubtful(symbol)) and go.scatter.Marker(symbol=twin).symbol == twin
    assert twin not in {s.symbol for s in theme.STYLES.values()}, "it is no structure's own"


def test_errors_of_estimates_leave_doubtful_measurements_out():
    run = make()
    calm = study([run], {run.id: [t for t in timings(run) if t.round != 2]})
    mixed = study([run], {run.id: shaken(timings(run), {(2, s) for s in CONFIG.tickets(2)})})
    assert wording.errors(mixed.points) == wording.errors(calm.points) != wording.errors(measured_study(run).points)


def test_the_hover_has_every_number():
    run = make()
    t = next(t for t in timings(run) if (t.round, t.structure) == (2, "refill"))
    said = lines(accuracy_curves(measured_study(run)))["Refill"].hovertext[1]
    r = next(r for r in run.rows if (r["round"], r["structure"]) == (2, "refill"))
    for words in ("Refill, round 2", f"test accuracy {r['test_acc']:.2f} %, dense 90.00 %", f"kept {100 * r['density']:.1f} %",
                  f"multiply-adds {100 * r['flops_ratio']:.1f} %", f"measured {t.speedup:.2f}×", f"quartiles {1 / t.spread[1]:.2f}× to {1 / t.spread[0]:.2f}×",
                  "n = 31", "as blocks", "as torch.compile", f"would allow {1 / t.flops_ratio:.2f}×", "batch 64, 2 threads", "Intel Xeon Processor, 2 cores",
                  wording.ms(t.ticket_ms), wording.ms(t.dense_ms)):
        assert words in said, words


def test_words_of_elsewhere_are_escaped_in_the_hover():
    run = make()
    evil = [Timing(**{**t.__dict__, "executor": "<b>x", "conditions": {"cpu": "<a href='h'>"}}) for t in timings(run)]
    said = "".join(lines(accuracy_curves(study([run], {run.id: evil})))["Refill"].hovertext)
    assert "&lt;b&gt;x" in said and "<a" not in said


@pytest.mark.parametrize("x, field", [("kept", "density"), ("effective", "effective_density"), ("flops", "flops_ratio")])
def test_other_axes_show_every_ticket_from_dense_to_sparse(x, field):
    run = make()
    fig = accuracy_curves(study([run]), x=x)
    left, right = fig.layout.xaxis.range
    assert left > right and fig.layout.xaxis.title.text == AXES[x].title
    for label, name in zip(CONFIG.tickets(1), NAMES):
        assert list(lines(fig)[name].x) == pytest.approx([100 * r[field] for r in run.rows if r["structure"] == label and r["round"]])
    area = next(s for s in fig.layout.shapes if s.type == "rect")
    assert area.x0 == 100 and area.x1 < 100


def test_the_axes_hold_every_point_and_a_close_look_says_what_is_below():
    of = measured_study()
    for near, x in itertools.product((False, True), AXES):
        fig = accuracy_curves(of, x=x, near=near)
        low, high = sorted(10**v for v in fig.layout.xaxis.range)
        for t in lines(fig).values():
            assert all(low < v < high for v in t.x)
    sunk = Run("s", CONFIG, LAYERS, {}, tuple({**r, "test_acc": r["test_acc"] - (20 if r["structure"] == "refill" else 0)} for r in make().rows), (0, 1, 2, 3), 0.0)
    fig = accuracy_curves(study([sunk], {"s": list(timings(sunk))}), near=True)
    assert fig.layout.yaxis.range[0] > 90 - NEAR - 1
    assert "3 tickets below" in [a.text for a in fig.layout.annotations]
    assert accuracy_curves(study([sunk], {"s": list(timings(sunk))})).layout.yaxis.range[0] < 69


def test_ticks_never_stand_on_each_other():
    for low, high in ((0.9, 1.3), (0.3, 4), (0.9, 60), (0.99, 1.26)):
        values = ticks(SPEEDS, low, high)
        assert 1 in values and len(values) >= 2 and values == ticks(SPEEDS, high, low)
        assert min(math.log(b / a) for a, b in itertools.pairwise(values)) > 0.1 * math.log(high / low)


def test_a_ring_is_around_the_current_ticket_alone():
    run = make()
    t = next(t for t in timings(run) if (t.round, t.structure) == (3, "random"))
    rings = trace(accuracy_curves(measured_study(run), current=Address(run.id, 3, "random")), "current")
    assert [list(r.x) for r in rings] == [[pytest.approx(t.speedup)]]
    assert not trace(accuracy_curves(measured_study(run), current=Address("gone", 3, "random")), "current")


def test_several_runs_are_a_line_each_with_one_legend_entry_a_structure():
    runs = [make(CONFIG.replace(seed=i), f"s{i}", i) for i in range(3)]
    fig = accuracy_curves(study(runs, {r.id: list(timings(r)) for r in runs}))
    drawn = [t for t in fig.data if t.mode == "lines+markers+text"]
    assert len(drawn) == 15 and sum(t.showlegend for t in drawn) == 5
    assert {c[0] for t in drawn for c in t.customdata} == {"s0", "s1", "s2"}
    assert not trace(fig, "FLOPs limit") and drawn[0].error_x.array is None


def test_speeds_of_one_setting_alone_are_compared():
    run = make()
    both = [*timings(run), *timings(run, rounds=[1], batch=1), *timings(run, rounds=[1, 2], threads=1)]
    assert settings(both) == [Setting(64, 1), Setting(1, 2), Setting(64, 2)]
    assert usual(both) == Setting(64, 2) == study([run], {run.id: both}).setting
    one = study([run], {run.id: both}, Setting(1, 2))
    assert {t.batch for t in one.timings} == {1} and len(one.timings) == 5 and len(one.missing) == 10
    assert usual([]) is None


def test_nothing_yet_says_so():
    for of, words in ((study([]), "No ticket has been trained yet"), (study([make()]), "No ticket is measured yet")):
        fig = accuracy_curves(of)
        assert fig.layout.annotations[0].text == words and not fig.data
        assert words[0].lower() + words[1:] in accuracy_curves_alt(of, "speed" if of.runs else "kept")
    assert accuracy_curves_table(study([])) == []


def test_words_hold_the_numbers_of_the_data():
    of = measured_study()
    alt, table, caption = accuracy_curves_alt(of), accuracy_curves_table(of), accuracy_curves_caption(of)
    assert len(table) == 16 and accuracy_curves(of).layout.meta["n"] == 15
    for name in NAMES:
        mine = [r for r in table if r["round"] and r["ticket"].startswith(name) and (name != "Refill" or "+" not in r["ticket"])]
        best = max(mine, key=lambda r: r["measured speedup (×)"])
        assert f"runs {best['measured speedup (×)']:.2f} times as fast as dense with {best['test accuracy (%)']:.1f} percent accuracy in round {best['round']}" in alt
        assert all(r["measured speedup (×)"] == pytest.approx(r["dense (ms)"] / r["ticket (ms)"]) for r in mine)
        assert all(r["lower quartile (×)"] < r["measured speedup (×)"] < r["upper quartile (×)"] for r in mine)
    for words in ("n = 15; run r1", "Intel Xeon Processor, 2 cores", "batch 64, 2 threads", "medians of 31 interleaved pairs", "load 0.8", "torch 2.15.0"):
        assert words in caption, words


def test_a_brief_caption_still_says_how_it_was_measured():
    of = measured_study()
    said = accuracy_curves_caption(of, brief=True)
    for words in ("n = 15 tickets", "Intel Xeon Processor, 2 cores", "batch 64, 2 threads", "less 0.25 points"):
        assert words in said, words
    assert len(said) < 0.6 * len(accuracy_curves_caption(of)) and accuracy_curves(of, brief=True).layout.meta["caption"] == said
    assert "Intel" not in accuracy_curves_caption(of, "kept", brief=True)


def test_rounds_and_numbers_in_words():
    assert [wording.rounds(k) for k in ([3], [1, 2], [1, 2, 3, 7], [1, 3, 4, 6])] == \
        ["round 3", "rounds 1 to 2", "rounds 1 to 3 and 7", "rounds 1, 3 to 4 and 6"]
    assert [wording.times(v) for v in (0.98, 1, 3.2149, 9.999, 14.7, 253)] == ["0.98×", "1.00×", "3.21×", "10.0×", "14.7×", "253×"]
    assert [wording.ms(v) for v in (0.01234, 0.109, 1.5, 12.34, 123.4, 1234.5)] == ["0.0123 ms", "0.109 ms", "1.50 ms", "12.3 ms", "123 ms", "1,234 ms"]
    for v in (0.0567, 0.8, 7.77, 45.6):
        assert float(re.match(r"[\d.]+", wording.ms(v))[0]) == pytest.approx(v, rel=6e-3)


def test_a_branch_is_drawn_with_its_parent_and_shares_its_dense_accuracy():
    """A branch's own settings (its parent, its first round) say nothing of its dense network."""
    rows = ({"round": 0, "structure": "unstructured", "density": 1.0, "test_acc": 91.0, "dense_acc": 91.0},)
    config = RunConfig(rounds=3)
    parent = Run(config.run_id, config, (), {}, rows, (0,), 0.0)
    branch = config.replace(parent=parent.id, from_round=2, rounds=2, structures=("refill-rho=0.2",))
    found = level([parent, Run(branch.run_id, branch, (), {}, rows, (0,), 0.0)])
    assert found == level([parent])
