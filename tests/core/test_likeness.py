"""Likeness of two masks, against plain loops and against random draws."""

import numpy as np
import pytest

from lthviz.core.likeness import layers_in_both, likeness
from lthviz.records import Masks

SHAPES = {"a.weight": (20, 10, 3, 3), "b.weight": (30, 40)}


def drawn(rng, density):
    return Masks.of({name: rng.random(shape) < density for name, shape in SHAPES.items()})


def test_counts_are_those_of_a_loop_over_weights():
    rng = np.random.default_rng(0)
    a, b = drawn(rng, 0.3), drawn(rng, 0.6)
    found = likeness(a, b, list(SHAPES))
    pairs = [(x, y) for name in SHAPES for x, y in zip(a[name].ravel().tolist(), b[name].ravel().tolist(), strict=True)]
    assert (found.shared, found.added, found.removed, found.size) == (*(pairs.count(p) for p in ((True, True), (False, True), (True, False))), len(pairs))
    assert found.jaccard == pytest.approx(pairs.count((True, True)) / sum(x or y for x, y in pairs))


def test_chance_is_what_shuffled_masks_share():
    rng = np.random.default_rng(1)
    a, b = drawn(rng, 0.3), Masks.of({"a.weight": rng.random(SHAPES["a.weight"]) < 0.9, "b.weight": rng.random(SHAPES["b.weight"]) < 0.1})
    found, shared, ratios = likeness(a, b, list(SHAPES)), [], []
    for _ in range(400):
        c = Masks.of({name: rng.permutation(b[name].ravel()).reshape(SHAPES[name]) for name in SHAPES})
        other = likeness(a, c, list(SHAPES))
        shared.append(other.shared)
        ratios.append(other.jaccard)
    assert np.mean(shared) == pytest.approx(found.chance_shared, abs=4 * np.std(shared) / 20)
    assert np.mean(ratios) == pytest.approx(found.chance_jaccard, abs=0.003)


def test_nothing_against_nothing_is_the_same():
    empty = Masks.of({name: np.zeros(shape, bool) for name, shape in SHAPES.items()})
    assert likeness(empty, empty, list(SHAPES))[4:] == (1.0, 0.0, 1.0)


def test_layers_are_comparable_by_name_and_shape():
    a = Masks.of({"x": np.ones((3, 4), bool), "y": np.ones((2, 2), bool), "z": np.ones((5, 1), bool)})
    b = Masks.of({"z": np.ones((5, 1), bool), "y": np.ones((2, 3), bool), "w": np.ones((3, 4), bool), "x": np.ones((3, 4), bool)})
    assert layers_in_both(a, b) == ["z", "x"]
