"""The chapter of four tricks: what each would tell and what is so, against plain loops over the rows, scipy and timings."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from lthviz.config import UNSTRUCTURED
from lthviz.ui.learn import evidence
from lthviz.ui.learn.chapters import fooled
from lthviz.ui.learn.chapters import fooled_numbers as numbers
from tests.ui.learn.evidences import TIMED, accuracies, examples, run, seeds, sound

REGROUP = "regroup-groups=4-min_rows=8"
TICKETS = (UNSTRUCTURED, "refill", "refill-rho=0.2", REGROUP)
CONTROLS = {UNSTRUCTURED: ("random", "reinit"), "refill": ("random-shuffle=channels-of=refill", "reinit-of=refill"),
            REGROUP: ("random-shuffle=channels-of=regroup~groups=4~min_rows=8", "reinit-of=regroup~groups=4~min_rows=8")}


@pytest.fixture
def store(tmp_path, monkeypatch):
    return examples(tmp_path, monkeypatch)


def test_one_seed_against_all(store):
    x = numbers.one_seed(evidence.found())
    dense = list(accuracies(0, "").values())
    least = statistics.mean(dense) - statistics.stdev(dense)
    best = None
    for label, controls in CONTROLS.items():
        for control in controls:
            for k in range(1, 13):
                mine, theirs = accuracies(k, label), accuracies(k, control)
                d = {s: mine[s] - theirs[s] for s in mine}
                if statistics.fmean(mine.values()) >= least and statistics.fmean(d.values()) <= 0 < max(d.values()):
                    flattery = max(d.values()) - statistics.fmean(d.values())
                    best = max(best or (-1,), (flattery, label, control, k, d), key=lambda b: b[0])
    assert (x.label, x.control, x.round) == best[1:4]
    d = np.array(list(best[4].values()))
    assert x.told == pytest.approx(d.max()) and x.mean.mean == pytest.approx(d.mean()) and x.against == (d < 0).sum()
    low, high = stats.t.interval(0.95, 9, d.mean(), stats.sem(d))
    assert (x.mean.low, x.mean.high) == pytest.approx((low, high))
    told, honest = fooled.frames(evidence.found())[:2]
    assert f"{d.max():.1f} points better" in told.said and f"{x.against} of 10 seeds say the opposite" in honest.said


def test_the_best_of_a_seed_does_not_come_again(store):
    found = numbers.chosen_on_test(evidence.found())
    told, again, held = [], [], []
    for name in seeds():
        one = run(name)
        rows = [r for r in one.rows if r["round"] and r["structure"] in TICKETS]
        best = max(rows, key=lambda r: r["test_acc"])
        told.append(best["test_acc"])
        again.append(statistics.fmean(a for s, a in accuracies(best["round"], best["structure"]).items() if s != one.config.seed))
        most = max(r["val_acc"] for r in rows)
        held.append([r["test_acc"] for r in rows if r["val_acc"] == most])
    by_seed = {c.seed: c for c in found}
    assert sorted(c.told for c in found) == pytest.approx(sorted(told)) and sorted(c.honest for c in found) == pytest.approx(sorted(again))
    for name, could in zip(seeds(), held, strict=True):
        assert by_seed[run(name).config.seed].held in could
    said = fooled.frames(evidence.found())[3].said
    assert f"{statistics.fmean(told):.1f} %" in said and f"{statistics.fmean(told) - statistics.fmean(again):.1f} points" in said
    right = next(o for o in fooled.question().options if o.right)
    assert right.text == "Clearly less" and statistics.fmean(told) - statistics.fmean(again) > 0.25 and f"{statistics.fmean(again):.1f} %" in right.why


def interpolated(seed_of, label, at):
    """A method's accuracy at a density, straight between its rounds over the logarithm of the density, from the dense network on."""
    rows = sorted((1.0 if not r["round"] else r["density"], r["test_acc"]) for r in seed_of.rows if not r["round"] or r["structure"] == label)
    return float(np.interp(math.log(at), [math.log(x) for x, _ in rows], [y for _, y in rows]))


def test_equal_round_against_equal_density(store):
    x = numbers.equal_round(evidence.found())
    k = x.versus.ticket.round
    assert (x.label, x.other) == (REGROUP, "refill")
    told = statistics.fmean(accuracies(k, REGROUP).values()) - statistics.fmean(accuracies(k, "refill").values())
    honest = []
    for name in seeds():
        one = run(name)
        row = next(r for r in one.rows if (r["round"], r["structure"]) == (k, REGROUP))
        honest.append(row["test_acc"] - interpolated(one, "refill", row["density"]))
    assert x.told == pytest.approx(told) and x.honest == pytest.approx(statistics.fmean(honest))
    assert f"{abs(told - statistics.fmean(honest)):.1f} points were the density's" in fooled.frames(evidence.found())[5].said


def test_work_is_not_time(store):
    found = {(w.round, w.label): (w.flops, w.time) for w in numbers.work(evidence.found("speed"))}
    timings = {(t.round, t.structure): t.time_ratio for t in store.timings(TIMED)}
    assert found.keys() == timings.keys()
    flops = {key: statistics.fmean(r["flops_ratio"] for name in seeds() for r in run(name).rows if (r["round"], r["structure"]) == key) for key in timings}
    for key in timings:
        assert found[key] == pytest.approx((flops[key], timings[key]))
    last = fooled.frames(evidence.found(), evidence.found("speed"))[7].said
    assert f"the time left is {statistics.median(timings[x] / flops[x] for x in timings):.1f} times the work left" in last
    assert f"{sum(x >= 1 for x in timings.values())} of them run" in last


def test_the_pictures_are_sound_and_as_told_shows_less(store):
    made = fooled.frames(evidence.found(), evidence.found("speed"))
    assert len(made) == len(fooled.TRICKS) * 2
    for told, honest in zip(made[::2], made[1::2], strict=True):
        sound(told.drawing)
        sound(honest.drawing)
        assert honest.said.startswith(told.said) and len(honest.said) > len(told.said) and honest.drawing != told.drawing


def test_one_seed_without_timings_says_what_is_missing(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, seeds()[:1])
    made = fooled.frames(evidence.found(), evidence.found("speed"))
    assert [bool(f.drawing) for f in made] == [False] * 4 + [True] * 2 + [False] * 2
    assert "several seeds" in made[0].said and "several seeds" in made[2].said and "no ticket of the runs here has been timed" in made[6].said
    assert fooled.question() is None and fooled.words() and fooled.links()


def test_a_run_without_controls(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, [TIMED])
    made = fooled.frames(evidence.found(), evidence.found("speed"))
    assert [bool(f.drawing) for f in made] == [False] * 4 + [True] * 4
    for frame in made:
        if frame.drawing:
            sound(frame.drawing)
