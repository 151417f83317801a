"""The chapter on scattered zeros: what it shows is what was measured, here or with the run, and nothing else."""

import json
import re

import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.ui.learn.chapters import time


@pytest.fixture
def of(shipped):
    return time.shown()


def line(store, of, k, label):
    (timing,) = (t for t in store.timings(of.run.id) if (t.round, t.structure) == (k, label))
    return next(x for x in timing.layers if x.name == of.layer.name)


def test_rounds_are_those_nearest_to_a_half_a_quarter_and_an_eighth(shipped, of):
    kept = {k: shipped.round(of.run.id, k).ticket(UNSTRUCTURED).masks.density() for k in of.run.finished if k}
    for share, k in zip(time.LEFT, of.rounds, strict=True):
        assert all(abs(kept[k] - share) <= abs(d - share) for d in kept.values())


def test_before_anything_is_timed_here_it_shows_what_came_with_the_run(shipped, of):
    bars = time.stored(of)
    assert set(bars) == set(of.rounds) and all([b.label for b in x] == list(of.labels) for x in bars.values())
    for k, found in bars.items():
        for b in found:
            there = line(shipped, of, k, b.label)
            assert b.time == there.ticket_ms / there.dense_ms and b.kept == there.flops_ratio
        frame = time.drawn(k, found, own=False)
        assert "As stored with the run" in frame.said
        assert re.findall(r"([\d.]+)\u00a0% of the dense layer's time", frame.said) == [f"{100 * b.time:.0f}" for b in found]


def test_what_is_timed_here_takes_its_place_with_scattered_rows_one_at_a_time_beside_it(of):
    one = {"kept": 0.5, "ratio": 0.8, "low": 0.7, "high": 0.9, "n": 11, "form": "quads", "forms": {"quads": 0.8, "blocks": 2.5}}
    k = of.rounds[0]
    scattered, best = time.here(of, {f"{k} {UNSTRUCTURED}": one})[k]
    assert (scattered.time, best.time) == (2.5, 0.8) and "row by row" in scattered.title and "four rows at a time" in best.title
    said = time.drawn(k, [scattered, best], own=True).said
    assert "takes 250\u00a0% of the dense layer's time" in said and "11 turns or more each" in said
    plain = time.here(of, {f"{k} {UNSTRUCTURED}": one | {"form": "blocks", "forms": {"blocks": 0.8}}})[k]
    assert len(plain) == 1


def test_what_is_asked_to_be_timed_are_the_masks_of_the_run(shipped, of):
    asked = time.asked(of)
    assert asked.shape == of.layer.shape and json.dumps(sorted(asked.masks)) == json.dumps(sorted(f"{k} {x}" for k in of.rounds for x in of.labels))
    for k in of.rounds:
        for x in of.labels:
            assert (asked.masks[f"{k} {x}"] == shipped.round(of.run.id, k).ticket(x).masks.matrix(of.layer.name)).all()


@pytest.mark.parametrize("kept, took, right", [(0.5, 1.2, 0), (0.5, 0.97, 0), (0.5, 0.8, 1), (0.5, 0.52, 2), (0.5, 0.1, 3)])
def test_the_right_answer_goes_with_the_measurement(of, kept, took, right):
    asked = time.asks(of, time.Bar("Unstructured", UNSTRUCTURED, kept, took, took, took, 9), [time.Bar("Refill", "refill", kept, 0.3, 0.3, 0.3, 9)])
    assert [o.right for o in asked.options] == [i == right for i in range(4)]
    assert all(f"{max(0, 100 * (1 - took)):.0f} % of its time goes; Refill saves 70 %" in o.why for o in asked.options) and len({o.why for o in asked.options}) == 4


def test_the_question_is_of_the_stored_measurement(shipped, of):
    there = line(shipped, of, of.rounds[0], UNSTRUCTURED)
    asked = time.question()
    (right,) = (o for o in asked.options if o.right)
    assert asked.asks.startswith(f"{100 * (1 - there.flops_ratio):.0f} %") and f"{100 * (1 - there.ticket_ms / there.dense_ms):.0f} % of its time" in right.why
