"""The chapter of the curve: points, winners and the frontier against plain loops over rows and timings."""

import statistics

import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.ui.learn import evidence
from lthviz.ui.learn.chapters import curve
from tests.ui.learn.evidences import TIMED, accuracies, examples, seeds, sound, titles

REGROUP = "regroup-groups=4-min_rows=8"
NAMES = {UNSTRUCTURED: "Unstructured", "refill": "Refill", REGROUP: "Regroup"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    return examples(tmp_path, monkeypatch)


def places(store):
    """(round, label) → (measured speedup, mean accuracy), of tickets that are no control."""
    return {(t.round, t.structure): (1 / t.time_ratio, statistics.fmean(accuracies(t.round, t.structure).values()))
            for t in store.timings(TIMED) if t.structure in NAMES}


def least():
    dense = list(accuracies(0, "").values())
    return statistics.mean(dense) - statistics.stdev(dense)


def test_spots_are_the_timed_tickets(store):
    found = {(s.ticket.round, s.ticket.structure): (s.speedup, s.accuracy) for s in curve.measured(evidence.found("speed"))}
    expected = places(store)
    assert found.keys() == expected.keys() and len(found) == 36
    for key, place in found.items():
        assert place == pytest.approx(expected[key])


def test_steps_say_what_the_numbers_are(store):
    made, at = curve.frames(evidence.found("speed")), places(store)
    assert len(made) == len(curve.STEPS)
    winners = {key: x for key, x in at.items() if x[1] >= least()}
    fastest = max(winners, key=lambda key: winners[key][0])
    assert f"{len(winners)} of {len(at)} tickets win" in made[3].said and f"of round {fastest[0]} at {winners[fastest][0]:.2f}×" in made[3].said
    front = {key for key, (x, y) in at.items() if not any(a >= x and b >= y and (a, b) != (x, y) for a, b in at.values())}
    assert f"On the frontier lie {len(front)} of {len(at)}; {sum(at[key][1] >= least() for key in front)} of them win. The other {len(at) - len(front)}" in made[6].said
    for frame in made:
        sound(frame.drawing)
    shown = [t for t in titles(made[2].drawing) if ", round " in t]
    low = min(y for x, y in at.values() if f"{x:.2f}× (timed" in " ".join(shown))
    assert all(any(t.startswith(f"{NAMES[label]}, round {k}: {x:.2f}×") for t in shown) for (k, label), (x, y) in at.items() if y > low)


def test_estimates_are_held_against_measurements_at_rest(store):
    off = [abs(t.time_ratio / (t.estimated_ms / t.dense_ms) - 1) for t in store.timings(TIMED) if t.estimated_ms and not t.disturbed]
    said = curve.frames(evidence.found("speed"))[4].said
    assert f"Over {len(off)} tickets" in said and f"{100 * statistics.median(off):.0f} % off in the median, {100 * max(off):.0f} % at most" in said


def test_the_right_answer_is_the_fastest_that_wins(store):
    asked, at = curve.question(), places(store)
    key = max((k for k, x in at.items() if x[1] >= least()), key=lambda k: at[k][0])
    right = [o for o in asked.options if o.right]
    assert [o.text for o in right] == [f"{NAMES[key[1]]}, round {key[0]}: {at[key][0]:.2f}×, {at[key][1]:.1f} %"] and 3 <= len(asked.options) <= 4
    for o in asked.options:     # every offer is a ticket of the runs
        assert o.text in {f"{NAMES[x]}, round {k}: {a:.2f}×, {b:.1f} %" for (k, x), (a, b) in at.items()}
        assert o.right or ("short" in o.why) == (float(o.text.split(", ")[-1].removesuffix(" %")) < round(least(), 1))


def test_one_seed_with_timings(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, [TIMED])
    made = curve.frames(evidence.found("speed"))
    for frame in made:
        sound(frame.drawing)
    assert "standard deviation" not in made[5].said and curve.question() is not None


def test_without_timings_it_says_so_and_draws_the_dense_network(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, seeds()[:2])
    of = evidence.found("speed")
    assert not curve.measured(of) and curve.question() is None and curve.links() == [] and curve.words()[-1] == curve.NOT_TIMED
    sound(curve.Picture(of, []).draw(dense=True))
