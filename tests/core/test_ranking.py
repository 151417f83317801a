import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.core import magnitude, ranking
from lthviz.errors import ConfigError, MaskError
from lthviz.records import Masks
from tests.core.oracles import networks


@given(networks(), st.floats(0, 1))
def test_the_highest_scores_stay_and_ties_go_to_the_lower_index(network, share):
    masks, scores = network
    count = round(share * masks.size())
    places = [(-float(s), i, c) for i, name in enumerate(masks) for c, s in enumerate(scores[name].reshape(-1))]
    expected = {(i, c) for _, i, c in sorted(places)[:count]}
    made = ranking.keep(scores, masks, count)
    for i, name in enumerate(masks):
        kept = set(np.flatnonzero(made.masks[name]).tolist())
        assert kept == {c for j, c in expected if j == i}
        assert made.notes[name] == {"back": int((made.masks[name] & ~masks[name]).sum()), "gone": int((masks[name] & ~made.masks[name]).sum())}
    assert made.masks.nnz() == count and made.blocks == {}


@given(networks())
def test_of_the_dense_network_it_is_magnitude_pruning(network):
    masks, weights = network
    ones = Masks.of({name: np.ones(masks.shape(name), bool) for name in masks})
    gone = masks.size() - masks.nnz()
    expected = magnitude.prune(weights, ones, gone / masks.size())
    assert ranking.keep({name: np.abs(w) for name, w in weights.items()}, masks).masks == expected


def test_bad_scores_name_their_layer():
    masks = Masks.of({"a": np.ones((2, 3), bool)})
    for scores in ({}, {"a": np.ones((3, 2))}, {"a": np.full((2, 3), np.nan)}):
        with pytest.raises(MaskError, match="'a'"):
            ranking.keep(scores, masks)
    with pytest.raises(ConfigError, match="7 of 6"):
        ranking.keep({"a": np.ones((2, 3))}, masks, 7)


@pytest.mark.parametrize("kind", ["spread", "ties", "periodic"])
def test_of_millions_the_same_stay(kind):
    """Against a stable sort; periodic: where a sample at equal distances sees one phase only."""
    n = 1_200_000
    rng = np.random.default_rng(0)
    scores = {"spread": rng.standard_normal(n) ** 3, "ties": rng.integers(0, 50, n) / 7, "periodic": np.tile([9.0, 1, 2, 3, 4, 5, 6, 7], n // 8)}[kind]
    order = np.argsort(-scores, kind="stable")
    for count in (7, n // 8, n // 3, n // 2, n - 3):
        expected = np.zeros(n, bool)
        expected[order[:count]] = True
        assert (ranking.highest(scores, count) == expected).all()
