"""Replicates, verdicts and methods at equal density, against Python's statistics module and plain loops."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.config import Earlier, Random, Refill, Regroup, RunConfig
from lthviz.core.study import MEASURES, NOTHING, Summary, differing, studies, study_id, summary
from lthviz.core.versus import Point, curve, read, versus
from lthviz.core.winning import TOLERANCE, Level, extreme, level, level_of, wins
from lthviz.errors import UsageError
from lthviz.records import Run

CONFIG = RunConfig(structures=(Refill(), Regroup(groups=4)), rounds=3)
LABELS = ("unstructured", "refill", "regroup-groups=4")


def row(k, label, density, acc, **more):
    return {"round": k, "structure": label, "density": density, "effective_density": 0.9 * density, "coverage": 0.5, "coverage_layers": 0.5,
            "flops_ratio": 0.8 * density, "test_acc": acc, "val_acc": acc, "dense_acc": None, "seconds": 2.0 + k, **more}


def run(seed, accs, config=CONFIG, id=None, densities=None):
    """accs: (round, structure) → accuracy."""
    rows = tuple(row(k, label, (densities or {}).get((k, label), 0.8**k), a) for (k, label), a in accs.items())
    config = config.replace(seed=seed)
    return Run(id or config.run_id, config, (), {}, rows, tuple(sorted({k for k, _ in accs})), 0.0)


def one(runs, times=None):
    (found,) = studies(runs, times)
    return found


accuracy = st.floats(0, 100, allow_nan=False, allow_subnormal=False)
KEYS = [(0, "unstructured"), *itertools.product((1, 2, 3), LABELS)]


@st.composite
def replicated(draw, least=1):
    """Runs of one study, of different length, some of whose tickets lack an accuracy."""
    seeds = draw(st.lists(st.integers(0, 50), min_size=least, max_size=5, unique=True))
    out = []
    for seed in seeds:
        keys = KEYS[:draw(st.integers(1, len(KEYS)))]
        values = {key: draw(accuracy | st.none() if key[0] else accuracy) for key in keys}
        out.append(run(seed, values, densities={key: draw(st.floats(0.01, 1)) for key in keys if key[0]} | {KEYS[0]: 1.0}))
    return out


# What is a replicate ----------------------------------------------------------------------------------------------------


def test_runs_that_differ_in_the_seed_and_the_place_alone_are_one_study():
    same = [CONFIG.replace(seed=5), CONFIG.replace(seed=6, device="cpu"), CONFIG.replace(threads=2), CONFIG.replace(data_dir="/elsewhere")]
    assert {study_id(c) for c in same} == {study_id(CONFIG)}
    others = [CONFIG.replace(**x) for x in ({"rounds": 4}, {"epochs": 3}, {"structures": (Refill(),)}, {"model": "vgg16"}, {"rate": 0.3}, {"data": "digits"})]
    assert len({study_id(c) for c in (CONFIG, *others)}) == len(others) + 1
    a, b = (CONFIG.replace(data="folder", data_dir=x) for x in ("a", "b"))
    assert study_id(a) != study_id(b)      # other images, not another place


def test_branches_are_one_study_where_their_parents_are():
    def branch(seed, parent, **changes):
        return CONFIG.replace(seed=seed, parent=parent, from_round=2, **changes)

    a, b = branch(0, CONFIG.replace(seed=0).run_id), branch(1, CONFIG.replace(seed=1).run_id)
    assert study_id(a) == study_id(b) != study_id(CONFIG) and a.run_id != b.run_id
    earlier = (Earlier(2, (Refill(rho=0.2),), CONFIG.in_loop, CONFIG.rate, CONFIG.calibration_images),)
    others = [a.replace(from_round=1), a.replace(rate=0.3), a.replace(earlier=earlier)]
    assert len({study_id(c) for c in (a, *others)}) == 4, "what of the parent counts still does"
    assert differing([a, b]) == [{}, {}] and differing([a, CONFIG]) == [{"from_round": 2}, {"from_round": 0}]


def test_a_studys_id_is_no_runs_id_and_says_the_network_and_the_data():
    assert study_id(CONFIG).startswith("resnet20-cifar10-study-")
    assert study_id(CONFIG) not in {CONFIG.replace(seed=s).run_id for s in range(20)}


def test_runs_are_sorted_into_studies_by_seed_and_the_further_of_two_twins_counts():
    accs = dict.fromkeys(KEYS[:4], 90.0)
    a, b, other = run(3, accs), run(1, accs), run(0, accs, CONFIG.replace(epochs=2))
    twin = run(3, {KEYS[0]: 80.0}, id="copy")
    found = studies([a, other, twin, b])
    assert [(s.id, s.seeds) for s in found] == [(study_id(CONFIG), (1, 3)), (study_id(other.config), (0,))]
    assert found[0].runs == (b, a) == studies([twin, b, a])[0].runs


def test_the_title_is_the_runs_own_else_the_presets_else_network_and_data():
    accs = {KEYS[0]: 90.0}
    plain = [run(s, accs) for s in (0, 1)]
    def named(**more):
        return one([Run(**{**r.__dict__, **more}) for r in plain]).title
    assert one(plain).title == "resnet20 on cifar10" and named(preset="digits") == "Handwritten digits"
    assert named(preset="digits", title="Mine") == "Mine" and named(preset="gone") == "resnet20 on cifar10"
    assert one([plain[0], Run(**{**plain[1].__dict__, "title": "only one"})]).title == "resnet20 on cifar10"


def test_what_studies_differ_in_is_told_without_the_seed():
    assert differing([CONFIG, CONFIG.replace(epochs=3, seed=9), CONFIG.replace(lr=0.2)]) == [
        {"epochs": 160, "lr": 0.1}, {"epochs": 3, "lr": 0.1}, {"epochs": 160, "lr": 0.2}]
    assert differing([CONFIG]) == [{}] and differing([]) == []
    assert differing([CONFIG.replace(device="cpu"), CONFIG.replace(threads=3, data_dir="/elsewhere")]) == [{}, {}]
    folders = differing([CONFIG.replace(data="folder", data_dir=x) for x in "ab"])
    assert folders == [{"data_dir": "a"}, {"data_dir": "b"}]


# Mean, spread, number ---------------------------------------------------------------------------------------------------


def oracle(values):
    values = [v for v in values if v is not None and not math.isnan(v)]
    return (statistics.mean(values) if values else None, statistics.stdev(values) if len(values) > 1 else None, len(values))


def close(found, expected):
    return found.n == expected[2] and all((a is None) == (b is None) and (a is None or a == pytest.approx(b, rel=1e-9, abs=1e-6))
                                          for a, b in zip(found[:2], expected[:2]))


@settings(max_examples=60, deadline=None)
@given(replicated(), st.data())
def test_every_number_is_that_of_the_statistics_module(runs, data):
    times = {(r.id, x["round"], x["structure"]): data.draw(st.floats(0.05, 2)) for r in runs for x in r.rows
             if x["round"] and data.draw(st.booleans())}
    study = one(runs, times)
    by = {(r.config.seed, x["round"], x["structure"]): x for r in runs for x in r.rows}
    assert [(t.round, t.structure) for t in study.tickets] == [k for k in KEYS if any(key[1:] == k for key in by)]
    for t in study.tickets:
        mine = {s: x for (s, k, label), x in by.items() if (k, label) == (t.round, t.structure)}
        assert t.seeds == tuple(sorted(s for s, x in mine.items() if x["test_acc"] is not None))
        for name, column in MEASURES.items():
            if name != "time_ratio":
                assert close(getattr(t, name), oracle([x[column] for x in mine.values()])), name
        measured = [v for (i, k, label), v in times.items() if (k, label) == (t.round, t.structure)] if t.round else [1.0] * len(mine)
        assert close(t.time_ratio, oracle(measured))
        assert t.speedup is None if not measured else t.speedup == pytest.approx(1 / statistics.mean(measured))


@settings(max_examples=40, deadline=None)
@given(replicated(least=2), st.randoms())
def test_the_order_of_the_seeds_changes_nothing(runs, random):
    shuffled = runs[:]
    random.shuffle(shuffled)
    a, b = one(runs), one(shuffled)
    assert a.tickets == b.tickets and level_of(a) == level_of(b)
    for x, y in itertools.permutations(a.labels, 2):
        assert versus(a, x, a, y) == versus(b, x, b, y)


@settings(max_examples=30, deadline=None)
@given(replicated())
def test_one_replicate_has_no_spread(runs):
    for t in one(runs[:1]).tickets:
        assert all(getattr(t, name).sd is None for name in MEASURES)
    level = level_of(one(runs[:1]))
    assert (level.tolerance, level.n, level.stated) == (TOLERANCE, 1, False)


def test_rounds_that_some_seeds_have_finished_count_with_their_number():
    short, long = {k: 90.0 for k in KEYS if k[0] < 2}, dict.fromkeys(KEYS, 92.0)
    study = one([run(0, long), run(1, short), run(2, {**long, (3, "refill"): math.nan})])
    assert [study.ticket(k, "refill").accuracy.n for k in (1, 2, 3)] == [3, 2, 1]
    assert study.ticket(3, "refill").seeds == (0,) and study.ticket(3, "refill").density.n == 2
    assert study.ticket(2, "refill").accuracy == Summary(92.0, 0.0, 2) and study.ticket(7, "refill") is None


def test_a_label_that_the_settings_do_not_know_is_a_method_like_any_other():
    study = one([run(0, {KEYS[0]: 90.0, (1, "synflow"): 80.0, (1, "refill"): 85.0})])
    assert study.labels == ("refill", "synflow") and study.of("synflow")[0].accuracy.mean == 80.0


def test_nothing_is_summarised_as_nothing():
    assert summary([]) == NOTHING == summary([math.nan]) and summary([3.0]) == Summary(3.0, None, 1)
    empty = one([run(0, {})])
    assert (empty.tickets, empty.dense, empty.labels, level_of(empty)) == ((), None, (), None)


def test_a_missing_column_of_an_older_row_is_missing_not_zero():
    old = run(0, {KEYS[0]: 90.0})
    bare = Run(**{**old.__dict__, "rows": tuple({k: v for k, v in r.items() if k != "flops_ratio"} for r in old.rows)})
    assert one([bare]).dense.flops_ratio == NOTHING


# Winning ----------------------------------------------------------------------------------------------------------------


def test_the_level_is_the_dense_mean_less_one_standard_deviation_a_quarter_point_or_what_is_stated():
    dense = [93.0, 91.5, 92.2]
    assert level(dense)[:3] == pytest.approx((statistics.mean(dense), statistics.stdev(dense), 3))
    assert level([93.0]) == Level(93.0, 0.25, 1) and level([93.0]).least == 92.75
    assert level(dense, 0.5)[1:] == (0.5, 3, True) and level([]) is None
    for wrong in (-0.1, math.nan):
        with pytest.raises(UsageError, match="0 or more"):
            level(dense, wrong)


def test_a_ticket_wins_by_its_mean_and_the_dense_network_is_no_ticket():
    study = one([run(s, {KEYS[0]: d, (1, "refill"): a, (2, "refill"): b}) for s, (d, a, b) in enumerate([(90, 90, 80), (92, 90.5, 81), (91, 89.6, 99)])])
    by_hand = statistics.mean([90, 92, 91]) - statistics.stdev([90, 92, 91])
    assert level_of(study).least == pytest.approx(by_hand) and by_hand == 90
    assert [wins(t, level_of(study)) for t in study.tickets] == [False, statistics.mean([90, 90.5, 89.6]) >= by_hand, False]
    assert not wins(study.tickets[1], None)


def test_a_ticket_exactly_at_the_level_wins_whatever_the_last_bit_says():
    study = one([run(s, {KEYS[0]: 0.1 * s + 90, (1, "refill"): 0.1 * s + 90}) for s in range(7)])
    assert wins(study.ticket(1, "refill"), level_of(study, 0.0))
    same = one([run(s, {KEYS[0]: 94.1, **({(1, "refill"): 94.1} if s else {})}) for s in range(3)])
    assert wins(same.ticket(1, "refill"), level_of(same))


@settings(max_examples=50, deadline=None)
@given(replicated(), st.floats(0, 50), st.floats(0, 50))
def test_a_larger_tolerance_takes_no_win_away_and_an_infinite_one_makes_all_win(runs, a, b):
    study = one(runs)
    low, high = (level_of(study, x) for x in sorted((a, b)))
    for t in study.tickets[1:]:
        assert wins(t, low) <= wins(t, high)
        assert wins(t, level_of(study, math.inf)) == (t.accuracy.n > 0)
    for label in study.labels:
        for unbroken in (False, True):
            few, many = (extreme(study.of(label), x, unbroken=unbroken) for x in (low, high))
            assert few is None or many.density.mean <= few.density.mean


@settings(max_examples=60, deadline=None)
@given(replicated(), st.floats(0, 60))
def test_extreme_sparsity_by_a_plain_loop(runs, tolerance):
    study = one(runs)
    to_reach = level_of(study, tolerance)
    for label in study.labels:
        found, unbroken = None, None
        tickets = [t for t in study.of(label) if t.accuracy.n]
        for t in tickets:
            if t.accuracy.mean >= to_reach.accuracy - tolerance - 1e-9:
                if found is None or t.density.mean < found:
                    found = t.density.mean
                denser = [u for u in tickets if u.density.mean > t.density.mean]
                if all(u.accuracy.mean >= to_reach.accuracy - tolerance - 1e-9 for u in denser) and (unbroken is None or t.density.mean < unbroken):
                    unbroken = t.density.mean
        for expected, rule in ((found, False), (unbroken, True)):
            t = extreme(study.of(label), to_reach, unbroken=rule)
            assert (t and t.density.mean) == expected and (t is None or wins(t, to_reach))


def test_no_winner_is_none_and_a_lucky_last_ticket_counts_only_without_the_rule():
    accs = {KEYS[0]: 90.0, (1, "refill"): 91.0, (2, "refill"): 80.0, (3, "refill"): 90.0, **{(k, "unstructured"): 50.0 for k in (1, 2, 3)}}
    study = one([run(0, accs)])
    to_reach = level_of(study)
    assert extreme(study.of("unstructured"), to_reach) is None is extreme([], to_reach) is extreme(study.of("refill"), None)
    assert extreme(study.of("refill"), to_reach).round == 3 and extreme(study.of("refill"), to_reach, unbroken=True).round == 1


# At equal density, at equal speed ---------------------------------------------------------------------------------------


CURVE = [Point(0, 1.0, 90.0), Point(1, 0.8, 91.0), Point(2, 0.4, 85.0)]


def test_a_curve_is_read_between_the_rounds_beside_the_place_and_not_beyond():
    found = read(CURVE, 0.8 * 0.5**0.25)           # a quarter of the way, on a logarithmic axis
    assert found.accuracy == pytest.approx(91 - 6 / 4) and (found.low.round, found.high.round) == (2, 1)
    assert read(CURVE, 0.8) == (91.0, CURVE[1], CURVE[1]) and read(CURVE, 1.0).accuracy == 90.0
    assert read(CURVE, 0.39) is None is read(CURVE, 1.1) is read([], 0.5)
    twice = [*CURVE, Point(3, 0.4, 87.0)]
    assert read(twice, 0.4) == (86.0, Point(2, 0.4, 86.0), Point(2, 0.4, 86.0))
    assert read(twice, math.sqrt(0.32)).accuracy == pytest.approx((91 + 86) / 2)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 1), accuracy), min_size=2, max_size=8), st.floats(0.01, 1))
def test_reading_agrees_with_numpy_where_no_two_rounds_share_a_place(pairs, at):
    pairs = list({x: y for x, y in pairs}.items())
    points = [Point(i, x, y) for i, (x, y) in enumerate(pairs)]
    found, xs, ys = read(points, at), *zip(*sorted(pairs))
    if not xs[0] <= at <= xs[-1]:
        assert found is None
        return
    assert found.accuracy == pytest.approx(np.interp(math.log(at), np.log(xs), ys), abs=1e-5)
    assert found.low.at <= at <= found.high.at and not any(found.low.at < x < found.high.at and x != at for x in xs)


def test_methods_are_paired_seed_by_seed_each_at_its_own_density():
    densities = {0: 0.9, 1: 0.7, 4: 0.85}
    data = {0: (90, 91, 88), 1: (92, 94, 90), 4: (80, 85, 79)}          # dense, Refill, unstructured in round 1
    runs = [run(s, {KEYS[0]: d, (1, "unstructured"): u, (1, "refill"): r}, densities={KEYS[0]: 1.0, (1, "unstructured"): 0.6, (1, "refill"): densities[s]})
            for s, (d, r, u) in data.items()]
    study = one(runs)
    (found,) = versus(study, "refill", study, "unstructured")
    by_hand = [r - np.interp(math.log(densities[s]), np.log([0.6, 1.0]), [u, d]) for s, (d, r, u) in data.items()]
    assert close(found.paired, oracle(by_hand)) and found.difference == found.paired.mean
    at = statistics.mean(densities.values())
    assert found.at == pytest.approx(at) and (found.there.low.round, found.there.high.round) == (1, 0)
    means = [statistics.mean(x) for x in zip(*data.values())]
    assert found.there.accuracy == pytest.approx(np.interp(math.log(at), np.log([0.6, 1.0]), [means[2], means[0]]))


def test_studies_without_a_common_seed_have_a_difference_of_means_and_no_pairs():
    accs = {KEYS[0]: 90.0, (1, "unstructured"): 88.0, (1, "refill"): 87.0}
    a, b = studies([run(0, accs), run(1, accs), run(7, {**accs, (1, "unstructured"): 89.0}, CONFIG.replace(epochs=3))])
    (found,) = versus(a, "refill", b, "unstructured")
    assert found.paired == NOTHING and found.difference == pytest.approx(87 - 89)
    shared = studies([run(0, accs), run(1, accs), run(1, accs, CONFIG.replace(epochs=3))])
    assert versus(shared[0], "refill", shared[1], "unstructured")[0].paired.n == 1


def test_a_method_against_itself_differs_in_nothing():
    study = one([run(s, {k: 90.0 + s - k[0] for k in KEYS}) for s in range(3)])
    for v in versus(study, "refill", study, "refill"):
        assert v.paired == Summary(0.0, 0.0, 3) and v.there.low == v.there.high


def test_a_sparser_ticket_than_any_of_the_other_method_is_not_compared():
    study = one([run(0, {k: 90.0 for k in KEYS}, densities={(3, "refill"): 0.1})])
    last = versus(study, "refill", study, "unstructured")[-1]
    assert (last.there, last.paired, last.difference) == (None, NOTHING, None)
    lucky = one([run(s, {k: 90.0 for k in KEYS}, densities={(3, "refill"): 0.52 if s else 0.1}) for s in range(3)])      # two seeds overlap, the mean does not
    assert versus(lucky, "refill", lucky, "unstructured")[-1].paired == NOTHING


def test_at_equal_speed_only_what_is_measured_stands_on_the_curve():
    runs = [run(s, {k: 90.0 - k[0] for k in KEYS}) for s in (0, 1)]
    times = {(r.id, k, "unstructured"): 1.0 - 0.2 * k for r in runs for k in (1, 3)} | {(runs[0].id, 2, "refill"): 0.7}
    study = one(runs, times)
    assert [(p.round, p.at) for p in curve(study, "unstructured", "speed")] == [(0, 1.0), (1, 0.8), (3, pytest.approx(0.4))]
    (found,) = versus(study, "refill", study, "unstructured", "speed")
    assert (found.ticket.round, found.at, found.paired.n) == (2, 0.7, 1)
    assert found.there.accuracy == pytest.approx(np.interp(math.log(0.7), np.log([0.4, 0.8]), [87, 89]))
    assert versus(study, "regroup-groups=4", study, "unstructured", "speed") == []


def test_random_tickets_and_others_are_methods_without_being_named_here():
    config = CONFIG.replace(structures=(Random(), Refill(rho=0.2), Refill()))
    study = one([run(0, {KEYS[0]: 90.0, **{(1, x): 80.0 for x in ("refill", "random", "refill-rho=0.2", "unstructured")}}, config)])
    assert study.labels == ("unstructured", "random", "refill-rho=0.2", "refill")
