import math

import numpy as np
import pytest

from lthviz.figures.training import loss_curve, loss_curve_alt, loss_curve_caption, loss_curve_table
from lthviz.records import Curve, Epoch


def epochs(n, first=1, val=True):
    return [Epoch(2, "refill", e, 12, 3.0 / e, 50.0 + e, 40.0 + 2 * e if val else math.nan, 0.1, 0.5) for e in range(first, first + n)]


@pytest.mark.parametrize("given", [epochs(9, 4), Curve.of(epochs(9, 4))], ids=["epochs", "curve"])
def test_two_panels_over_one_axis_of_epochs(given):
    fig = loss_curve(given, total=12)
    loss, acc = fig.data
    assert list(loss.x) == list(acc.x) == list(range(4, 13))
    assert list(loss.y) == pytest.approx([3.0 / e for e in range(4, 13)]) and list(acc.y) == [40.0 + 2 * e for e in range(4, 13)]
    assert (loss.yaxis, acc.yaxis) == ("y", "y2") and not fig.layout.yaxis2.overlaying
    assert fig.layout.yaxis.domain[0] > fig.layout.yaxis2.domain[1]


def test_the_axis_stands_still_while_a_training_runs():
    assert loss_curve(epochs(2), total=12).layout.xaxis.range == loss_curve(epochs(11), total=12).layout.xaxis.range


def test_training_accuracy_stands_in_where_nothing_is_held_out():
    given = epochs(3, val=False)
    assert list(loss_curve(given).data[1].y) == [51.0, 52.0, 53.0]
    assert "training accuracy from 51.0 to 53.0 percent" in loss_curve_alt(given)
    assert [r["validation accuracy (%)"] for r in loss_curve_table(given)] == [None] * 3


def test_one_epoch_is_a_point_and_none_is_a_sentence():
    one = loss_curve(epochs(1))
    assert [t.mode for t in one.data] == ["markers", "markers"]
    assert loss_curve_alt(epochs(1)) == "After epoch 1 the training loss is 3.000 and the validation accuracy 42.0 percent."
    for nothing in (None, [], Curve.of([])):
        fig = loss_curve(nothing)
        assert not fig.data and fig.layout.annotations[0].text == "No epoch has ended yet"
        assert loss_curve_table(nothing) == [] and "no epoch has ended yet" in loss_curve_alt(nothing)


def test_words_and_table_hold_the_numbers():
    given = epochs(5)
    assert loss_curve_alt(given) == ("From epoch 1 to 5 the training loss goes from 3.000 to 0.600 and the validation accuracy from 42.0 "
                                     "to 50.0 percent.")
    table = loss_curve_table(given)
    assert [r["epoch"] for r in table] == [1, 2, 3, 4, 5]
    assert np.allclose([r["training loss (nats)"] for r in table], [3.0 / e for e in range(1, 6)])
    assert "n = 5 epochs" in loss_curve_caption(given)


def test_a_flat_curve_has_a_range_around_it():
    flat = [Epoch(0, "unstructured", e, 4, 1.0, 50.0, 50.0, 0.1, 0.1) for e in range(1, 4)]
    low, high = loss_curve(flat).layout.yaxis2.range
    assert low < 50 < high
