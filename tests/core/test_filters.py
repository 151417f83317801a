"""Whole channels, against plain loops and the definitions of Li et al. 2017 and Liu et al. 2017."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.core import filters
from lthviz.core.blocks import to_mask
from lthviz.core.structures import apply
from lthviz.errors import MaskError
from lthviz.methods import Filters, Slimming
from lthviz.records import Masks
from tests.core.oracles import networks


def whole_rows(made, masks):
    """{layer: rows kept}; every row is whole or empty, and the block and the notes say the same. Layers without scores are as they were."""
    rows = {}
    for name in masks:
        if made.notes[name].get("unscored"):
            assert (made.masks[name] == masks[name]).all() and name not in made.blocks
            continue
        m = made.masks.matrix(name)
        assert (m.all(axis=1) | ~m.any(axis=1)).all() and (to_mask(made.blocks[name]) == m).all()
        rows[name] = np.flatnonzero(m.any(axis=1)).tolist()
        note = made.notes[name]
        assert (note["kept"], note["channels"]) == (len(rows[name]), len(m))
        assert note["back"] == int((made.masks[name] & ~masks[name]).sum()) and note["gone"] == int((masks[name] & ~made.masks[name]).sum())
    return rows


@given(networks())
def test_per_layer_every_layer_keeps_the_rounds_density(network):
    masks, weights = network
    density = Fraction(masks.nnz(), masks.size())
    rows = whole_rows(apply(Filters(), masks, weights=weights), masks)
    for name, w in weights.items():
        norms = [sum(abs(float(v)) for v in w[c].reshape(-1)) for c in range(len(w))]
        best = sorted(range(len(w)), key=lambda c: (-norms[c], c))[: max(1, math.ceil(density * len(w)))]
        assert rows[name] == sorted(best)


def overall(masks, scores):
    """One channel a layer first, then the best of all until the budget is met."""
    chosen = {name: {min(range(len(s)), key=lambda c: (-s[c], c))} for name, s in scores.items()}
    rest = sorted((-s[c], i, c, name) for i, (name, s) in enumerate(scores.items()) for c in range(len(s)) if c not in chosen[name])

    def held():
        return sum(len(chosen[name]) * masks.size(name) // masks.shape(name)[0] for name in chosen)

    for _, _, c, name in rest:
        if held() >= sum(masks.nnz(name) for name in scores):
            break
        chosen[name].add(c)
    return {name: sorted(rows) for name, rows in chosen.items()}


@given(networks())
def test_global_filters_are_ranked_by_their_mean_weight(network):
    masks, weights = network
    scores = {name: [float(np.abs(w[c]).sum(dtype=np.float64) * len(w) / w.size) for c in range(len(w))] for name, w in weights.items()}
    assert whole_rows(apply(Filters(scope="global"), masks, weights=weights), masks) == overall(masks, scores)


@given(networks(), st.data())
def test_slimming_keeps_the_largest_scales_of_the_network(network, data):
    masks, _ = network
    scored = list(masks)[: data.draw(st.integers(1, len(masks)))]
    scores = {name: np.array(data.draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=masks.shape(name)[0],
                                                max_size=masks.shape(name)[0]))) for name in scored}
    made = apply(Slimming(), masks, scores=scores)
    rows = whole_rows(made, masks)
    assert rows == overall(masks, scores)
    assert [name for name in masks if made.notes[name].get("unscored")] == [name for name in masks if name not in scores]


def test_slimming_is_a_threshold_on_all_scales():
    """Liu et al. 2017, section 3.3: prune what is below a percentile of all |γ|."""
    rng = np.random.default_rng(0)
    masks = Masks.of({f"{i}.weight": rng.random((c, 4, 3, 3)) < 0.4 for i, c in enumerate((16, 32, 24))})
    scores = {name: rng.random(masks.shape(name)[0]) for name in masks}
    rows = whole_rows(apply(Slimming(), masks, scores=scores), masks)
    kept = np.concatenate([scores[n][rows[n]] for n in masks])
    gone = np.concatenate([np.delete(scores[n], rows[n]) for n in masks])
    assert kept.min() > gone.max()
    assert kept.size == math.ceil(masks.nnz() / 36), "the fewest that hold the round's density"


def test_no_layer_is_lost_and_nothing_to_rank_is_said():
    masks = Masks.of({"a": np.eye(4, 4, dtype=bool) & (np.arange(4) < 1), "b": np.zeros((4, 4), bool)})
    assert whole_rows(filters.overall(masks, {"a": np.ones(4), "b": np.array([0, 0, 1e-9, 0])}), masks) == {"a": [0], "b": [2]}
    with pytest.raises(MaskError, match="BatchNorm"):
        filters.overall(masks, {})
