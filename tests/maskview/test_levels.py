"""Levels of |w|, packed and unpacked by loops, and how large the message with them is."""

import json

import numpy as np
import pytest

from lthviz import maskview
from lthviz.maskview import payload
from lthviz.maskview.levels import LEVELS, ROOM, bytes_of, choose, digits, levels_of
from lthviz.records import Layer


def unpacked(words, levels, count):
    """Digits to the base `levels`, lowest first, as readLevels in weights.js takes them."""
    out = []
    for word in words.tolist():
        for _ in range(digits(levels)):
            out.append(word % levels)
            word //= levels
    return np.array(out[:count])


@pytest.mark.parametrize("levels", LEVELS)
def test_as_many_digits_as_a_word_holds(levels):
    assert levels ** digits(levels) <= 2 ** 32 < levels ** (digits(levels) + 1)


@pytest.mark.parametrize("used", [0, ROOM - 560, ROOM - 400, ROOM - 300, 10 ** 9])
def test_levels_hold_equally_many_weights_in_order_of_size(used):
    rng = np.random.default_rng(0)
    weights, mask = rng.standard_normal((40, 90)), rng.random((40, 90)) < 0.4
    words, about = levels_of(weights, mask, used)
    size, n = np.abs(weights[mask]).astype(np.float32), about["levels"]
    level = unpacked(words, n, size.size)
    counts = np.bincount(level, minlength=n)
    assert counts.size == n and counts.max() - counts.min() <= 1 + size.size % n and about["of"] == size.size
    for a in range(n):
        assert size[level == a].min() >= about["edges"][a] * (1 - 1e-6) and size[level == a].max() <= about["edges"][a + 1] * (1 + 1e-6)
    assert (about["edges"][0], about["edges"][-1]) == (size.min(), size.max())


def test_equal_weights_share_a_level_and_nothing_kept_has_none():
    weights = np.full((4, 9), -0.5)
    words, about = levels_of(weights, np.ones((4, 9), bool), 0)
    assert len(set(unpacked(words, about["levels"], 36))) == 1
    assert levels_of(weights, np.zeros((4, 9), bool), 0) is None


def test_fewer_levels_where_room_is_short():
    assert choose(1000, 0) == max(LEVELS) and choose(10 ** 8, 0) == min(LEVELS)
    for kept in (500_000, 1_000_000, 2_000_000):
        n = choose(kept, 589_824)
        assert n == min(LEVELS) or 589_824 + bytes_of(kept, n) <= ROOM


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5, 0.8, 1.0])
def test_the_largest_layer_stays_under_a_megabyte_with_both_masks(density):
    rng, layer = np.random.default_rng(0), Layer("layer4.1.conv2.weight", (512, 512, 3, 3), (4, 4))
    after, before = rng.random((2, *layer.matrix)) < density
    data = payload(after, before, layer=layer, weights=rng.standard_normal(layer.matrix, np.float32), shade=True)
    code = sum(len(file.read_bytes()) for file in (*maskview.PARTS, maskview.STYLE))     # goes along
    assert len(data) + code < 1_000_000
    assert json.loads(data[4:4 + int.from_bytes(data[:4], "little")])["shades"]["levels"] >= (4 if density <= 0.5 else 2)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="weights have shape"):
        payload(np.ones((3, 4), bool), weights=np.ones((4, 3)))
