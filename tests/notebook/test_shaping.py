"""Refill and Regroup from a notebook against the core's own calls, plain loops and the older ways to call them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import lthviz as lt
from lthviz.core import refill as core_refill
from lthviz.core import regroup as core_regroup
from lthviz.core.partition import partition_all

pytestmark = pytest.mark.usefixtures("partitions_once")
ROOT = Path(__file__).resolve().parents[2]


def same(a: lt.Structured, b: lt.Structured) -> bool:
    return a.masks == b.masks and a.notes == b.notes and a.blocks.keys() == b.blocks.keys()


def test_refill_of_a_network_ranks_its_channels_by_a_plain_loop(own):
    masks = lt.magnitude(own, 0.3)
    channel = lt.refill(own, masks)
    for name in masks:
        weight, mask = own.get_parameter(name).detach().numpy(), masks[name]
        sums = [float(np.abs(weight[c][mask[c]]).astype(np.float64).sum()) for c in range(len(weight))]
        k = max(1, -(-int(mask.sum()) // mask[0].size))
        best = sorted(sorted(range(len(sums)), key=lambda c: (-sums[c], c))[:k])
        assert np.flatnonzero(channel.masks.matrix(name).all(axis=1)).tolist() == best and channel.masks.nnz(name) == k * mask[0].size
    assert same(channel, core_refill.refill(masks, core_refill.magnitude_scores(masks, lt.weights(own))))


def test_every_way_to_call_refill_gives_the_same(own):
    masks = lt.magnitude(own, 0.3)
    made = lt.refill(own, masks, rho=0.2)
    assert same(made, lt.refill(own, masks, lt.Refill(rho=0.2))) and same(made, lt.refill(masks, lt.magnitude_scores(masks, lt.weights(own)), rho=0.2))
    assert same(made, lt.refill(masks, weights=lt.weights(own), rho=0.2)) and same(made, lt.refill(masks, lt.scores(own, masks), lt.Refill(rho=0.1), rho=0.2))
    lt.apply(own, masks)
    assert same(made, lt.refill(own, rho=0.2)), "the masks that the network carries"
    assert same(lt.refill(own, masks, score="remain"), lt.refill(masks, lt.remain_scores(masks)))
    assert lt.refill(own, masks, fractional=True).masks.nnz() <= masks.nnz() < made.masks.nnz()


def test_the_classifier_keeps_its_mask(own):
    masks = lt.magnitude(own, 0.3, linear="all")
    made = lt.refill(own, masks)
    assert np.array_equal(made.masks["head.weight"], masks["head.weight"]) and made.notes["head.weight"]["spared"]
    assert same(made, lt.refill(masks, lt.scores(own, masks), classifier=["head"]))


@pytest.mark.parametrize("score", ["l1", "l2", "saliency"])
def test_feature_maps_of_the_pruned_network_score_channels(own, score):
    """Σ|F|, √ΣF² and Σ|F·∂L/∂F| of the second convolution, by hand."""
    masks, images, labels = lt.magnitude(own, 0.3), torch.randn(6, 3, 8, 8), torch.arange(6) % 7
    found = lt.scores(own, masks, score, images=images, labels=labels)
    pruned, maps = lt.apply(own, masks, copy=True).model.double(), []
    pruned.wide.register_forward_hook(lambda m, a, out: maps.append(out) or out.retain_grad())
    torch.nn.functional.cross_entropy(pruned(images.double().requires_grad_()), labels).backward()
    f = maps[0]
    by_hand = {"l1": f.abs(), "l2": f.square(), "saliency": (f * f.grad).abs()}[score].sum((0, 2, 3)).detach().numpy()
    np.testing.assert_allclose(found["wide.weight"], np.sqrt(by_hand) if score == "l2" else by_hand, rtol=1e-4)
    assert same(lt.refill(own, masks, score=score, images=images, labels=labels), lt.refill(masks, found))


def test_regroup_is_the_cores(own):
    masks = lt.magnitude(own, 0.3)
    settings = lt.Regroup(groups=4, min_rows=4)
    made = lt.regroup(masks, groups=4, min_rows=4)
    assert same(made, core_regroup.regroup(masks, settings)) and same(made, lt.regroup(masks, settings)) and made.blocks
    assert same(made, lt.regroup(masks, lt.Regroup(groups=4), min_rows=4))
    assert same(made, lt.regroup(masks, settings, partitions=partition_all(masks, settings, 0)))
    lt.apply(own, masks)
    assert same(made, lt.regroup(own, settings))
    for name, found in made.blocks.items():
        assert np.array_equal(lt.to_mask(found), made.masks.matrix(name))


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda m, k: lt.regroup(k, grups=4), "'grups' is not a setting of regroup; did you mean groups"), (lambda m, k: lt.regroup(k, groups=0), "groups = 0 is out of range"),
    (lambda m, k: lt.regroup(k, lt.Refill()), r"settings should be lt.Regroup\(…\) or keywords"), (lambda m, k: lt.regroup(k, groups=400), "more than the 48 rows"),
    (lambda m, k: lt.refill(m, k, image=1), "'image' is not a setting of refill; did you mean images"), (lambda m, k: lt.refill(m, k, rho=2), "rho = 2.0 is out of range"),
    (lambda m, k: lt.refill(m, k, score="l1"), "score 'l1' is of feature maps: give images"), (lambda m, k: lt.refill(k), "needs the trained weights"),
    (lambda m, k: lt.scores(m, k, "saliency", images=torch.zeros(2, 3, 8, 8)), "and labels, their classes"), (lambda m, k: lt.scores(m, k, "L1"), "score = 'L1' is not known"),
    (lambda m, k: lt.scores(m, k, "l1", images=torch.zeros(3, 8, 8)), r"images should be \(N, c, h, w\)"),
    (lambda m, k: lt.refill(k, k), "these are masks twice"), (lambda m, k: lt.refill(k, 3), "behind masks come scores"),
    (lambda m, k: lt.refill(k, {"first.weight": np.ones(3)}), "scores of 'first.weight' have shape"), (lambda m, k: lt.refill(k, lt.remain_scores(k), classifier=["hed"]), "there is no layer 'hed'"),
    (lambda m, k: lt.regroup(3), "masks should be Masks"),
])
def test_what_will_not_do_is_said_in_a_line(own, wrong, said):
    with pytest.raises(lt.LthvizError, match=said) as found:
        wrong(own, lt.magnitude(own, 0.3))
    assert "\n" not in str(found.value)


def test_masks_alone_need_no_torch():
    code = ("import sys, numpy as np, lthviz as lt\nm = lt.Masks.of({'c.weight': np.random.default_rng(0).random((64, 16, 3, 3)) < 0.2})\n"
            "a, b = lt.refill(m, lt.remain_scores(m)), lt.regroup(m, groups=2)\nlt.figures.mask(b, 'c', before=m), lt.figures.densities({'a': a, 'b': b})\n"
            "assert not {'torch', 'streamlit', 'h5py', 'numba'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
