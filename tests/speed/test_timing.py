"""The protocol against a clock of its own, on which every piece of work takes a time that the test has laid down."""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.speed.timing import LEAST, SAMPLE_MS, SPIN_MS, Clock, fastest, medians, pairs, quartiles


class World:
    """A clock that only work moves on. work(name, seconds): a callable; seconds: a number, or a function of the time."""

    def __init__(self):
        self.now, self.ran, self.synced = 0.0, [], 0

    def clock(self):
        def sync():
            self.synced += 1

        def rest(seconds):
            self.ran.append("-")
            self.now += seconds
        return Clock(lambda: self.now, sync, rest)

    def work(self, name, seconds):
        def run():
            self.ran.append(name)
            self.now += seconds(self.now) if callable(seconds) else seconds
        return run


def test_the_ratio_is_of_the_second_to_the_first():
    w = World()
    found = pairs(w.work("a", 0.2), w.work("b", 0.05), n=9, clock=w.clock())
    assert found.a_ms == pytest.approx(200) and found.b_ms == pytest.approx(50)
    assert found.ratio == pytest.approx(0.25) and found.spread == pytest.approx((0.25, 0.25)) and found.n == 9


def test_who_is_first_alternates():
    w = World()
    pairs(w.work("a", 0.2), w.work("b", 0.3), n=6, clock=w.clock())   # long: no repeats, nothing unmeasured
    assert "".join(w.ran[-24:]) == "-a-b-b-a-a-b-b-a-a-b-b-a", "each after a rest, in which the other's threads go to sleep"


def test_a_machine_that_slows_down_does_not_move_the_ratio():
    """Both become ten times slower on the way; medians of one after the other would be wrong by far."""
    w = World()
    slow = lambda s: lambda now: s * (1 if now < 4 else 10)  # noqa: E731
    found = pairs(w.work("a", slow(0.2)), w.work("b", slow(0.1)), n=31, clock=w.clock())
    assert found.ratio == pytest.approx(0.5)
    assert found.spread == pytest.approx((0.5, 0.5), rel=0.1)


def test_short_work_is_repeated_and_runs_unmeasured_before_until_the_others_threads_are_quiet():
    w = World()
    found = pairs(w.work("a", 0.001), w.work("b", 0.004), n=3, clock=w.clock())
    assert found.a_ms == pytest.approx(1) and found.b_ms == pytest.approx(4)
    repeats_a, repeats_b = (int(np.ceil(SAMPLE_MS / ms - 1e-9)) for ms in (1, 4))
    settle_a, settle_b = (int(np.ceil(SPIN_MS / ms - 1e-9)) for ms in (1, 4))
    pair = "a" * (settle_a + repeats_a) + "b" * (settle_b + repeats_b)
    assert "".join(w.ran).endswith(pair[::-1] + pair) and "-" not in w.ran, "the second pair is b first, the third a first"


def test_a_thread_that_spins_on_is_not_measured():
    """For 40 ms after work of one kind all of the other kind takes twice as long, as with a runtime whose threads wait in a loop."""
    for seconds in (0.0005, 0.01, 0.3):
        w, last = World(), {"a": -1.0, "b": -1.0}

        def spinning(name, other, seconds=seconds, w=w, last=last):
            def takes(now):
                slow = min(seconds, max(0.0, (last[other] + 0.04 - now) / 2))
                last[name] = now + seconds + slow
                return seconds + slow
            return takes
        found = pairs(w.work("a", spinning("a", "b")), w.work("b", spinning("b", "a")), n=9, clock=w.clock())
        assert found.a_ms == pytest.approx(1000 * seconds) and found.b_ms == pytest.approx(1000 * seconds)


def test_what_the_first_runs_cost_is_not_measured():
    w = World()
    cold = lambda now: 3.0 if w.ran.count("b") == 1 else 0.1  # noqa: E731
    found = pairs(w.work("a", 0.1), w.work("b", cold), n=5, clock=w.clock())
    assert found.ratio == pytest.approx(1) and found.b_ms == pytest.approx(100)


@pytest.mark.parametrize(("each", "seconds", "n"), [(0.2, 0.1, LEAST), (0.2, 40, None), (2.0, 5, LEAST)])
def test_the_number_of_pairs_fits_the_time(each, seconds, n):
    w = World()
    found = pairs(w.work("a", each), w.work("b", each), seconds=seconds, clock=w.clock())
    assert found.n == n if n else 0.9 * seconds <= w.now <= 1.01 * seconds


def test_progress_and_the_device_is_waited_for():
    w, seen = World(), []
    pairs(w.work("a", 0.2), w.work("b", 0.2), n=4, clock=w.clock(), progress=lambda *x: seen.append(x))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    samples = w.ran.count("a") + w.ran.count("b")
    assert w.synced == 2 * samples, "before and after each sample"


def test_medians_of_several_are_sorted_and_the_hopeless_dropped():
    w = World()
    works = {"slow": w.work("slow", 1.0), "middle": w.work("middle", 0.15), "quick": w.work("quick", 0.1)}
    found = medians(works, n=7, clock=w.clock())
    assert list(found) == ["quick", "middle", "slow"]
    assert list(found.values()) == pytest.approx([100, 150, 1000])
    assert w.ran.count("middle") > w.ran.count("slow"), "after three rounds it was left out"
    assert fastest(works, n=3, clock=w.clock()) == "quick"


def test_the_first_place_goes_round():
    w = World()
    medians({x: w.work(x, 0.2) for x in "abc"}, n=3, clock=w.clock())
    assert "".join(x for x in w.ran if x != "-").endswith("abcbcacab")


def test_medians_keep_to_the_time():
    w = World()
    medians({x: w.work(x, 0.2) for x in "ab"}, seconds=20, clock=w.clock())
    assert 17 < w.now < 20.5


def test_no_garbage_is_collected_meanwhile_and_afterwards_it_is():
    seen = []
    pairs(lambda: seen.append(gc.isenabled()), lambda: None, n=3)
    assert not any(seen) and gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        pairs(lambda: 1 / 0, lambda: None)
    assert gc.isenabled()


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=30))
def test_quartiles_are_numpys(values):
    assert quartiles(values) == pytest.approx(tuple(np.percentile(values, [25, 75])))
    assert quartiles(values[:1]) == (values[0], values[0])
