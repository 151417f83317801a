import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lthviz.core import stats
from lthviz.errors import MaskError
from lthviz.records import Blocks, Curve, Epoch, Layer, Masks, Ticket
from tests.core.oracles import networks

LAYERS = (
    Layer("a.weight", (6, 3, 3, 3), (8, 8), "a_bn"),
    Layer("b.weight", (6, 3, 1, 1), (8, 8), "b_bn"),
    Layer("c.weight", (8, 6, 3, 3), (8, 8), "c_bn", sources=("a.weight", "b.weight")),  # reads the sum of a and b
    Layer("d.weight", (8, 1, 3, 3), (8, 8), "d_bn", sources=("c.weight",), groups=8),
    Layer("e.weight", (4, 4, 1, 1), (8, 8), "e_bn", sources=("d.weight",), groups=2),
)


class Small(torch.nn.Module):
    """A shortcut, a depthwise and a grouped convolution, each with BatchNorm."""

    def __init__(self, masks: Masks, structural: bool):
        super().__init__()
        torch.manual_seed(0)
        for layer in LAYERS:
            name, (c_out, c_in, kh, kw) = layer.short, layer.shape
            conv = torch.nn.Conv2d(c_in * layer.groups, c_out, (kh, kw), padding=kh // 2, groups=layer.groups, bias=False)
            conv.weight.data *= torch.from_numpy(masks[layer.name])
            bn = torch.nn.BatchNorm2d(c_out).eval()
            torch.nn.init.normal_(bn.weight)
            torch.nn.init.normal_(bn.bias)
            if structural:  # a channel without weights takes its BatchNorm with it
                empty = torch.from_numpy(~masks.matrix(layer.name).any(axis=1))
                bn.weight.data[empty], bn.bias.data[empty] = 0, 0
            self.add_module(name, conv)
            self.add_module(f"{name}_bn", bn)

    def forward(self, x):
        x = self.a_bn(self.a(x)) + self.b_bn(self.b(x))
        return self.e_bn(self.e(self.d_bn(self.d(self.c_bn(self.c(x))))))


def random_masks(seed):
    rng = np.random.default_rng(seed)
    arrays = {}
    for layer in LAYERS:
        mask = rng.random(layer.shape) < 0.5
        mask[rng.random(layer.shape[0]) < 0.4] = False
        arrays[layer.name] = mask
    return Masks.of(arrays)


@pytest.mark.parametrize("structural", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_effective_weights_are_those_whose_input_is_alive_in_the_dense_network(seed, structural):
    masks = random_masks(seed)
    net, alive = Small(masks, structural), {}
    for layer in LAYERS:
        getattr(net, layer.short).register_forward_pre_hook(
            lambda _, args, name=layer.name: alive.__setitem__(name, args[0].abs().amax(dim=(0, 2, 3)) > 0))
    images = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        out = net(images)
    expected = {}
    for layer in LAYERS:
        mask, (c_out, c_in) = masks[layer.name], layer.shape[:2]
        expected[layer.name] = 0
        for r in range(c_out):
            for c in range(c_in):
                reads = r // (c_out // layer.groups) * c_in + c
                kept = int(mask[r, c].sum())
                if alive[layer.name][reads]:
                    expected[layer.name] += kept
                else:  # these weights may be anything: removing them leaves the function as it is
                    getattr(net, layer.short).weight.data[r, c] = 0
    assert stats.effective(masks, LAYERS, structural) == expected
    with torch.no_grad():
        torch.testing.assert_close(net(images), out)
    assert (sum(expected.values()) < masks.nnz()) == structural


def test_a_source_of_another_width_is_named():
    layers = (LAYERS[0], Layer("c.weight", (2, 5, 1, 1), (1, 1), sources=("a.weight",)))
    masks = Masks.of({"a.weight": np.zeros((6, 3, 3, 3), bool), "c.weight": np.ones((2, 5, 1, 1), bool)})
    with pytest.raises(MaskError, match=r"c\.weight.*5 channels.*a\.weight have 6"):
        stats.effective(masks, layers, True)


@given(networks())
def test_removed_channels_have_no_weight(network):
    masks, _ = network
    for name, gone in stats.removed(masks).items():
        assert gone.tolist() == [not any(row) for row in masks.matrix(name).tolist()]


@given(networks(), st.integers(0, 99))
def test_overlap_counts_every_weight_once(network, seed):
    a, _ = network
    rng = np.random.default_rng(seed)
    b = Masks.of({name: a[name] ^ (rng.random(a.shape(name)) < 0.3) for name in a})
    pairs = [(x, y) for name in a for x, y in zip(a[name].ravel().tolist(), b[name].ravel().tolist())]
    found = stats.overlap(a, b)
    counts = [pairs.count(p) for p in ((True, True), (False, True), (True, False), (False, False))]
    assert list(found[:4]) == counts
    assert found.jaccard == (counts[0] / sum(counts[:3]) if sum(counts[:3]) else 1.0)
    per_layer = [stats.overlap(a, b, name) for name in a]
    assert [sum(getattr(o, f) for o in per_layer) for f in found._fields[:4]] == counts


def test_overlap_of_two_networks_is_refused():
    with pytest.raises(MaskError, match="'w'"):
        stats.overlap(Masks.of({"w": np.ones((2, 2), bool)}), Masks.of({"w": np.ones((2, 3), bool)}))


def ticket(structure="regroup"):
    """Two layers: a block of 2 × 3 in the first and an empty row; the second unstructured, reading the first."""
    first, second = np.zeros((3, 4, 1, 1), bool), np.ones((2, 3, 1, 1), bool)
    first[:2, :3] = True
    masks = Masks.of({"a.weight": first, "b.weight": second})
    blocks = {"a.weight": Blocks((3, 4), (np.arange(2, dtype=np.int32),), (np.arange(3, dtype=np.int32),))}
    return Ticket(structure, 3, masks, blocks if structure != "unstructured" else {}, test_acc=90.0, val_acc=91.0, train_seconds=2.5)


TWO = (Layer("a.weight", (3, 4, 1, 1), (4, 4)), Layer("b.weight", (2, 3, 1, 1), (2, 2), sources=("a.weight",)))


def test_row_of_a_structural_ticket():
    row = stats.row(ticket(), TWO, 92.0)
    assert row == {
        "round": 3, "structure": "regroup", "density": 12 / 18, "effective_density": 10 / 18,  # b loses the column of row 2
        "coverage": 6 / 12, "coverage_layers": 1 / 2, "flops_ratio": (6 * 16 + 4 * 4) / (12 * 16 + 6 * 4),
        "test_acc": 90.0, "val_acc": 91.0, "dense_acc": 92.0, "seconds": 2.5,
        "smaller": True, "epoch_seconds": None}
    assert json.loads(json.dumps(row)) == row


def test_row_of_an_unstructured_ticket_removes_nothing():
    row = stats.row(ticket("unstructured"), TWO, None)
    assert row["smaller"] is False
    assert row["effective_density"] == row["density"] == 12 / 18
    assert row["coverage"] == row["coverage_layers"] == 0 and row["flops_ratio"] == (6 * 16 + 6 * 4) / (12 * 16 + 6 * 4)


def test_the_smaller_network_keeps_whole_rows_and_loses_dead_inputs():
    assert stats.smaller(ticket().masks, TWO) == {"a.weight": 2 * 4, "b.weight": 2 * 2}
    whole = dataclasses.replace(ticket(), masks=Masks.of({x.name: np.ones(x.shape, bool) for x in TWO}))
    assert stats.smaller(whole.masks, TWO) == {"a.weight": 12, "b.weight": 6} and not stats.trains_smaller(whole, TWO)


def test_seconds_of_an_epoch_leave_the_first_out():
    """After rewinding it may be a part of one."""
    curve = Curve.of([Epoch(3, "refill", e, 4, 1.0, 50.0, 50.0, 0.1, s) for e, s in enumerate([9.0, 2.0, 4.0, 3.0])])
    assert stats.row(dataclasses.replace(ticket(), curve=curve), TWO, None)["epoch_seconds"] == 3.0


def test_layer_rows_against_the_masks_before():
    before = Masks.of({"a.weight": np.eye(3, 4, dtype=bool).reshape(3, 4, 1, 1), "b.weight": np.ones((2, 3, 1, 1), bool)})
    a, b = stats.layer_rows(ticket(), TWO, before)
    assert a == {"name": "a.weight", "short": "a", "shape": [3, 4, 1, 1], "rows": 3, "cols": 4, "density": 0.5,
                 "effective_density": 0.5, "coverage": 1.0, "blocks": 1, "kept": 6, "added": 4, "removed": 1,
                 "removed_channels": 1}
    assert (b["coverage"], b["blocks"], b["added"], b["removed"], b["removed_channels"]) == (0.0, 0, 0, 0, 0)
    assert b["effective_density"] == 4 / 6 and json.loads(json.dumps([a, b])) == [a, b]
    plain = stats.layer_rows(ticket("unstructured"), TWO)[0]
    assert plain["added"] is None and plain["removed"] is None and plain["removed_channels"] == 0
