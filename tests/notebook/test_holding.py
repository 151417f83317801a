"""Zeros that stay zero in somebody else's training loop, against the same loop with the gradient masked by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils import prune

import lthviz as lt


def steps(model: torch.nn.Module, optimizer: torch.optim.Optimizer, after=lambda: None, count: int = 3) -> None:
    random = torch.Generator().manual_seed(1)
    model.train()
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(8, 3, 8, 8, generator=random)), torch.randint(7, (8,), generator=random)).backward()
        optimizer.step()
        after()


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)


def test_every_step_leaves_the_zeros_and_trains_the_rest_as_a_loop_that_masks_by_hand(own):
    masks, other = lt.magnitude(own, 0.3), copy.deepcopy(own)
    optimizer = sgd(own)
    with lt.apply(own, masks, optimizer=optimizer) as held:
        steps(own, optimizer, after=held.check)

    keep = {n: torch.tensor(masks[n]) for n in masks}

    def by_hand():
        with torch.no_grad():
            for n, m in keep.items():
                other.get_parameter(n).mul_(m)
    by_hand()
    steps(other, sgd(other), by_hand)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in own.state_dict().items())
    assert lt.masks_of(own) == masks
    steps(own, optimizer, count=1)
    assert lt.masks_of(own).density() > masks.density(), "it was released: momentum revives them"


def test_zeros_hold_where_the_weights_have_moved(own):
    """`.to()` gives parameters other memory, `load_state_dict` other values."""
    held = lt.apply(own, lt.magnitude(own, 0.3))
    dense = {k: torch.ones_like(v) for k, v in own.state_dict().items()}
    own.double().float()
    own.load_state_dict(dense)
    held.enforce()
    assert lt.masks_of(own) == held.masks
    own.load_state_dict({k: v.clone() for k, v in dense.items()}, assign=True)
    held.enforce()
    held.check()
    assert lt.masks_of(own) == held.masks


def test_check_tells_what_is_not_zero(own):
    held = lt.apply(own, lt.magnitude(own, 0.3))
    with torch.no_grad():
        own.more.weight.fill_(1.0)
    with pytest.raises(lt.LthvizError, match=r"more.weight: \d+ masked values are not zero"):
        held.check()


def test_removed_channels_take_their_norm_and_bias_along_and_plain_masks_do_not(own):
    channel = lt.refill(own, lt.magnitude(own, 0.3))
    gone = ~channel.masks.matrix("first.weight").any(axis=1)
    model = lt.apply(own, channel, copy=True).model
    for t in (model.first.bias, model.n1.weight, model.n1.bias):
        assert not t[torch.tensor(gone)].any() and t[torch.tensor(~gone)].all()
    assert lt.apply(own, channel.masks, copy=True).model.n1.weight.all() and own.first.weight.all(), "a copy was masked"
    assert not lt.apply(own, channel.masks, copy=True, structural=True).model.n1.weight[torch.tensor(gone)].any()


def test_torchs_own_pruning_is_told_of_and_copied(own):
    modules = (own.more, own.wide)
    prune.global_unstructured([(m, "weight") for m in modules], pruning_method=prune.L1Unstructured, amount=0.5)
    own(torch.zeros(1, 3, 8, 8))       # its weights are products of autograd now, which cannot be copied
    masks = lt.masks_of(own)
    with pytest.raises(lt.LthvizError, match=r"more.weight is computed by torch.nn.utils.prune|wide.weight is computed by torch.nn.utils.prune"):
        lt.apply(own, masks)
    held = lt.apply(own, masks, copy=True)
    assert not any(hasattr(m, "weight_orig") for m in held.model.modules()) and hasattr(own.more, "weight_orig")
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(held.model(x), own(x))
    table = lt.stats(own, masks, (3, 8, 8))
    assert table.loc["first", "density"] == 1 and table.loc["more", "kept"] == masks.nnz("more.weight")
    assert np.isfinite(lt.weights(own)["more.weight"]).all() and lt.magnitude(own, rate=0.5, masks=masks).nnz() == round(masks.nnz() * 0.5)
    assert lt.compact(own, lt.refill(own, masks))(x).shape == (2, 7)


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda m: lt.apply(m, lt.magnitude(m, 0.3), optimizer=3), "optimizer should be a torch.optim.Optimizer"),
    (lambda m: lt.apply(m, {"a.weight": np.ones((2, 2), bool)}), "there is a mask for 'a.weight'"), (lambda m: lt.apply(m, lt.magnitude(m, 0.3), optimiser=None), "did you mean optimizer"),
])
def test_what_will_not_do_is_said_in_a_line(own, wrong, said):
    with pytest.raises(lt.LthvizError, match=said):
        wrong(own)


def test_it_says_what_it_holds(own):
    held = lt.apply(own, lt.magnitude(own, 0.5)).watch(torch.optim.Adam(own.parameters()))
    assert repr(held).startswith("Held(Own, Masks(4 layers, ") and repr(held).endswith("watching 1 optimizer)")
