"""The frontier against a comparison of all pairs, intervals against scipy's own."""

import math
import statistics

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lthviz.core.frontier import Spot, fastest, frontier, spots
from lthviz.core.intervals import interval, over_rounds
from lthviz.core.study import MeanTicket, Summary, studies, summary
from lthviz.core.versus import Versus
from lthviz.core.winning import level_of
from tests.core.test_study import CONFIG, LABELS, run

some = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 40), st.integers(1, 40), st.booleans()), max_size=14)


def made(label, speed, accuracy, wins=True, round=1):
    return Spot(None, MeanTicket(round, label, (0,), Summary(float(accuracy), None, 1), time_ratio=Summary(1 / speed, None, 1)), wins)


@given(some)
def test_the_frontier_is_what_no_other_beats(drawn):
    of = [made(label, s / 10, a, w) for label, s, a, w in drawn]
    found = frontier(of)
    pairs = [(s.speedup, s.accuracy) for s in of]
    undominated = {p for p in pairs if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in pairs)}
    assert [(s.speedup, s.accuracy) for s in found] == sorted(undominated, reverse=True)
    best = fastest(of)
    winning = [(s.speedup, s.accuracy) for s in of if s.wins]
    assert (best is None) == (not winning) and (best is None or (best.speedup, best.accuracy) == max(winning))


def test_only_what_is_measured_has_a_place():
    key = {(0, "unstructured"): 90.0, (1, "unstructured"): 91.0, (1, "refill"): 80.0}
    runs = [run(seed, key) for seed in (0, 1)]
    (of,) = studies(runs, {(runs[0].id, 1, "refill"): 0.5, (runs[1].id, 1, "refill"): 0.25})
    (one,) = spots(of, level_of(of))
    assert (one.ticket.structure, one.accuracy, one.wins) == ("refill", 80.0, False)
    assert one.speedup == pytest.approx(1 / 0.375) and one.ticket.time_ratio.n == 2
    (of,) = studies(runs, {(runs[0].id, 1, "unstructured"): 1.1})
    assert [s.wins for s in spots(of, level_of(of))] == [True] and spots(of, None)[0].wins is False


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9))
def test_an_interval_is_students(values):
    found = interval(summary(values))
    mean, sd = statistics.fmean(values), statistics.stdev(values)
    assert found.n == len(values) and found.mean == pytest.approx(mean, abs=1e-9)
    if sd > 1e-9:
        low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=mean, scale=sd / math.sqrt(len(values)))
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
        assert found.above == (found.low > 0) and found.below == (found.high < 0)


def test_one_value_has_no_interval_and_nothing_none():
    assert interval(summary([3.0])) == (3.0, None, None, 1) and interval(summary([])) is None
    assert not interval(summary([3.0])).above


def test_over_rounds_counts_seeds_not_rounds():
    ticket = MeanTicket(1, "refill")
    found = [Versus(ticket, 0.8, None, Summary(), {0: 1.0, 1: 3.0, 2: 9.0}), Versus(ticket, 0.6, None, Summary(), {0: 2.0, 1: 5.0})]
    assert over_rounds(found) == interval(summary([1.5, 4.0]))     # seed 2 has not all rounds
    assert over_rounds([]) is None


def test_pairs_are_what_the_mean_is_of():
    from lthviz.core.versus import versus

    runs = [run(seed, {(0, "unstructured"): 90.0, (1, "unstructured"): 91.0 + seed, (1, "refill"): 80.0 + 3 * seed}) for seed in (0, 1, 4)]
    (of,) = studies(runs)
    (v,) = versus(of, "refill", of, "unstructured")
    assert dict(v.pairs) == {0: -11.0, 1: -9.0, 4: -3.0} and v.paired == summary(v.pairs.values())
    assert CONFIG.rounds == 3
    (e,) = versus(of, "refill", of, "unstructured", "effective")
    assert e.at == pytest.approx(0.9 * 0.8) and e.pairs == v.pairs
