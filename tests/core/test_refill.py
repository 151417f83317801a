import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.core.blocks import to_mask
from lthviz.core.refill import channels, magnitude_scores, refill, remain_scores
from lthviz.errors import ConfigError, MaskError
from lthviz.records import Masks
from tests.core import oracles
from tests.core.oracles import networks


def matrix(array, like):
    return array.reshape(like.shape[0], -1)


@given(networks(), st.integers(0, 10), st.booleans(), st.sampled_from(["remain", "magnitude"]))
def test_equals_the_loop(network, rho_tenths, fractional, score):
    masks, weights = network
    scores = remain_scores(masks) if score == "remain" else magnitude_scores(masks, weights)
    made = refill(masks, scores, rho=rho_tenths / 10, fractional=fractional, weights=weights)
    for name in masks:
        before, after = masks.matrix(name), made.masks.matrix(name)
        loop_scores = [sum(1.0 if score == "remain" else abs(float(w)) for w, m in zip(row, keep) if m)
                       for row, keep in zip(matrix(weights[name], before), before)]
        expected = oracles.refill(before, loop_scores, rho_tenths, fractional, matrix(weights[name], before))
        np.testing.assert_array_equal(after, expected)
        np.testing.assert_array_equal(to_mask(made.blocks[name]), expected)
        note = made.notes[name]
        assert note["back"] == (after & ~before).sum() and note["gone"] == (before & ~after).sum()
        assert note["kept"] == after.any(axis=1).sum() and note["channels"] == len(after)
        assert made.masks.shape(name) == masks.shape(name)


def test_a_whole_budget_keeps_no_channel_more():
    """The released code keeps floor(x) + 1 channels: 4 here."""
    mask = np.zeros((6, 8), bool)
    mask[:, :4] = True  # x = 24/8 = 3 exactly
    made = refill(Masks.of({"w": mask}), {"w": np.arange(6.0)})
    assert made.masks["w"].all(axis=1).sum() == 3 and made.masks.nnz() == 24


def test_equal_scores_leave_no_channel_half_sparse():
    """The released code keeps by threshold, so that ties end up half sparse."""
    mask = np.random.default_rng(0).random((8, 5)) < 0.5
    rows = refill(Masks.of({"w": mask}), {"w": np.ones(8)}).masks["w"]
    kept = -(-int(mask.sum()) // 5)
    assert rows[:kept].all() and not rows[kept:].any()


@pytest.mark.parametrize("nnz, rho, expected", [
    (0, 0.0, 1), (0, 0.1, 10), (100, 0.0, 1), (101, 0.0, 2), (10_000, 0.0, 100), (10_000, 1.0, 100), (5_000, 1.0, 100),
    (5_000, 0.2, 60), (3_000, 0.1 + 0.2, 51), (1, 1.0, 100)])
def test_number_of_channels(nnz, rho, expected):
    """C = n = 100. 0.1 + 0.2 is 0.30000000000000004, which must not add a channel."""
    assert channels(nnz, (100, 100), rho) == expected


@given(st.integers(1, 60), st.integers(1, 500), st.data())
def test_the_ends_of_rho_are_exact(rows, n, data):
    nnz = data.draw(st.integers(0, rows * n))
    assert channels(nnz, (rows, n), 0.0) == max(1, -(-nnz // n))
    assert channels(nnz, (rows, n), 1.0) == rows


def test_a_fractional_channel_is_a_block_of_its_own():
    mask = np.zeros((4, 10), bool)
    mask[0], mask[1, :7] = True, True
    weights = {"w": np.tile(np.arange(10.0), (4, 1))}
    made = refill(Masks.of({"w": mask}), {"w": np.array([9.0, 8, 1, 1])}, fractional=True, weights=weights)
    assert made.masks.nnz() == 17 and made.masks["w"][1].tolist() == [False] * 3 + [True] * 7
    assert [r.tolist() for r in made.blocks["w"].rows] == [[0], [1]]
    assert made.blocks["w"].cols[1].tolist() == [3, 4, 5, 6, 7, 8, 9] and made.notes["w"]["partial"] == 7


def test_an_empty_layer_keeps_one_channel_and_says_so():
    masks = Masks.of({"w": np.zeros((3, 5), bool)})
    made = refill(masks, {"w": np.zeros(3)})
    assert made.masks["w"].sum(axis=1).tolist() == [5, 0, 0] and made.notes["w"]["empty"]
    assert refill(masks, {"w": np.zeros(3)}, fractional=True, weights={"w": np.ones((3, 5))}).masks.nnz() == 0


def test_magnitude_counts_kept_weights_only():
    mask, weights = np.array([[True, False], [True, True]]), np.array([[1.0, 100.0], [-1.0, -2.0]])
    assert magnitude_scores(Masks.of({"w": mask}), {"w": weights})["w"].tolist() == [1.0, 3.0]


def test_bad_scores_name_the_layer():
    masks = Masks.of({"conv.weight": np.ones((3, 4), bool)})
    for bad in (np.ones(4), np.array([1, np.nan, 2]), np.array([1, np.inf, 2])):
        with pytest.raises(MaskError, match=r"conv\.weight"):
            refill(masks, {"conv.weight": bad})
    with pytest.raises(MaskError, match=r"lack layer 'conv\.weight'"):
        refill(masks, {})
    with pytest.raises(MaskError, match="trained weights"):
        refill(masks, {"conv.weight": np.ones(3)}, fractional=True)
    with pytest.raises(ConfigError, match=r"1\.2"):
        refill(masks, {"conv.weight": np.ones(3)}, rho=1.2)
