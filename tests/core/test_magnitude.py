import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils import prune as torch_prune

from lthviz.core.magnitude import prune
from lthviz.errors import ConfigError, MaskError
from lthviz.records import Masks
from tests.core.oracles import networks


@given(networks(), st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.5, 0.77, 1.0]))
def test_removes_the_smallest_and_of_equal_ones_the_last(network, rate):
    masks, weights = network
    pruned = prune(weights, masks, rate)
    kept = [(abs(float(w)), i, j) for i, name in enumerate(masks)
            for j, (w, m) in enumerate(zip(weights[name].ravel(), masks[name].ravel())) if m]
    kept.sort(key=lambda entry: (entry[0], -entry[1], -entry[2]))
    expected = {entry[1:] for entry in kept[round(rate * len(kept)):]}
    assert {(i, int(j)) for i, name in enumerate(pruned) for j in np.flatnonzero(pruned[name])} == expected


@pytest.mark.parametrize("rate", [0.2, 0.33, 0.9])
def test_rounds_of_pruning_equal_torch(rate):
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 13, 3), torch.nn.Conv2d(13, 7, 1))
    names = {f"{i}.weight": module for i, module in enumerate(net)}
    weights = {name: module.weight.detach().numpy().copy() for name, module in names.items()}
    masks = Masks.of({name: np.ones(w.shape, bool) for name, w in weights.items()})
    for _ in range(3):
        masks = prune(weights, masks, rate)
        torch_prune.global_unstructured([(m, "weight") for m in net], torch_prune.L1Unstructured, amount=rate)
        for name, module in names.items():
            np.testing.assert_array_equal(masks[name], module.weight_mask.numpy().astype(bool))


def test_ties_remove_exactly_the_count_torch_would():
    weights = {"a": np.ones((5, 7), np.float32), "b": np.full((3, 3), -1, np.float32)}
    masks = Masks.of({k: np.ones(w.shape, bool) for k, w in weights.items()})
    pruned = prune(weights, masks, 0.3)
    assert masks.nnz() - pruned.nnz() == round(0.3 * 44)
    assert pruned.nnz("b") == 0 and not pruned["a"].ravel()[-4:].any() and pruned["a"].ravel()[:-4].all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_names_its_layer(bad):
    weights = {"a.weight": np.ones((2, 2), np.float32), "b.weight": np.array([[1, bad]], np.float32)}
    masks = Masks.of({k: np.ones(w.shape, bool) for k, w in weights.items()})
    with pytest.raises(MaskError, match=r"b\.weight"):
        prune(weights, masks, 0.5)


def test_bad_input_says_what_and_which():
    masks = Masks.of({"conv1.weight": np.ones((2, 2), bool)})
    with pytest.raises(MaskError, match=r"conv1\.weight.*did you mean conv2\.weight"):
        prune({"conv2.weight": np.ones((2, 2))}, masks, 0.5)
    with pytest.raises(MaskError, match=r"\(3, 2\).*\(2, 2\)"):
        prune({"conv1.weight": np.ones((3, 2))}, masks, 0.5)
    with pytest.raises(ConfigError, match=r"1\.5"):
        prune({"conv1.weight": np.ones((2, 2))}, masks, 1.5)
