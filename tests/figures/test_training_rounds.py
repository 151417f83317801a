"""Every training of a method in one figure: the curves are the ones that were kept, the words are their ends."""

import math

import pytest

from lthviz.figures import theme
from lthviz.figures.training_rounds import TrainingRounds, training_rounds, training_rounds_alt, training_rounds_table
from lthviz.records import Curve, Epoch


def curve(k, epochs=3, val=True):
    return Curve.of([Epoch(k, "refill", e, epochs, 2.0 / e + k, 50.0 + e, 40.0 + e - k if val else math.nan, 0.1, 0.5) for e in range(1, epochs + 1)])


def of(**how):
    return TrainingRounds("run-1", "refill", "Refill", {k: curve(k, **how) for k in (0, 1, 4)})


def test_a_line_a_round_in_each_panel_with_the_values_of_its_curve():
    fig = training_rounds(of())
    assert [(t.name, t.yaxis) for t in fig.data] == [(n, a) for n in ("dense", "1", "4") for a in ("y", "y2")]
    for k, (loss, accuracy) in zip((0, 1, 4), zip(fig.data[::2], fig.data[1::2])):
        assert list(loss.x) == [1, 2, 3] and list(loss.y) == pytest.approx([2 + k, 1 + k, 2 / 3 + k], abs=1e-5) and list(accuracy.y) == [41 - k, 42 - k, 43 - k]
    assert sum(bool(t.showlegend) for t in fig.data) == 3 and fig.data[0].line.dash != fig.data[2].line.dash, "the dense network is told apart by more than its colour"


@pytest.mark.parametrize("dark", [False, True])
def test_lines_darken_towards_the_structures_own_colour(dark):
    fig = training_rounds(of(), dark=dark)
    assert fig.data[4].line.color.upper() == theme.STYLES["refill"].line(dark).upper() != fig.data[2].line.color.upper()


def test_training_accuracy_stands_in_where_nothing_is_held_out():
    fig = training_rounds(of(val=False))
    assert list(fig.data[1].y) == [51, 52, 53] and "training accuracy (%)" in [a.text for a in fig.layout.annotations]


def test_its_table_has_a_row_a_round_and_epoch_and_its_words_the_ends():
    assert [(r["round"], r["epoch"]) for r in training_rounds_table(of())] == [(k, e) for k in (0, 1, 4) for e in (1, 2, 3)]
    assert "the dense network ends at a loss of 0.667 and 43.0 percent; round 4 ends at a loss of 4.667 and 39.0 percent" in training_rounds_alt(of())


def test_without_a_training_it_says_so():
    empty = TrainingRounds("run-1", "refill", "Refill", {})
    assert training_rounds(empty).layout.annotations[0].text == "No training has ended yet" and training_rounds_table(empty) == []
