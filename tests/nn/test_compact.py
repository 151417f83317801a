"""Every smaller network against its masked one, in double precision: outputs, statistics, gradients, in both modes."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lthviz.config import RunConfig
from lthviz.core import stats
from lthviz.errors import MaskError
from lthviz.nn import models, topology
from lthviz.nn.compact import compact, shrink
from lthviz.nn.masking import Masked
from lthviz.records import Layer, Masks

SHAPES = {"convnet": (1, 8, 8), "resnet20": (3, 8, 8), "resnet18": (3, 8, 8), "vgg16": (3, 32, 32)}
OTHERS = ["resnet18", "resnet50", "mobilenet_v2", "vgg16_bn", "shufflenet_v2_x1_0", "squeezenet1_1"]


def theirs(name: str) -> nn.Module:
    """A network of torchvision without what draws at random. VGG with a smaller classifier: its own has 10⁸ weights."""
    if name == "vgg16_bn":
        vgg = torchvision.models.vgg
        features = vgg.make_layers(vgg.cfgs["D"], batch_norm=True)
        return nn.Sequential(features, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 16), nn.ReLU(True), nn.Linear(16, 10))
    model = getattr(torchvision.models, name)(num_classes=10)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


@torch.no_grad()
def lively(model: nn.Module) -> nn.Module:
    """BatchNorms that say something in every channel, so that a forgotten one shows; and whose eps does not blow up the noise of
    a map that is constant, since all that it read was removed."""
    g = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.1
            for t in (module.weight, module.running_var):
                t.copy_(torch.rand(t.shape, generator=g) + 0.5)
            for t in (module.bias, module.running_mean):
                t.copy_(torch.randn(t.shape, generator=g))
    return model


def refilled(layers: tuple[Layer, ...], keep: float = 0.5, seed: int = 0, inside: float = 1.0) -> Masks:
    """Whole random channels kept; of those, weights with probability `inside`."""
    rng = np.random.default_rng(seed)
    return Masks.of({x.name: (rng.random(x.shape) < inside) & (rng.random((x.shape[0], 1, 1, 1)) < keep) for x in layers})


def check(model: nn.Module, layers: tuple[Layer, ...], masks: Masks, shape: tuple[int, int, int]) -> nn.Module:
    """Asserts that the smaller networks, with and without channels that nobody reads, are the masked one; returns the first, in double
    precision."""
    model = copy.deepcopy(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    made, read = shrink(model, layers, masks), compact(model, layers, masks).double()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    Masked(model, layers, masks, structural=True).within(made.network, made.index).enforce()
    small, index = made.network.double(), made.index
    big = copy.deepcopy(model).double()
    Masked(big, layers, masks, structural=True).enforce()
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(4, *shape, generator=g, dtype=torch.float64), torch.randint(0, 10, (4,), generator=g)
    for training in (False, True):
        big.train(training), small.train(training), read.train(training)
        out, expected = small(x), big(x)
        with torch.no_grad():
            torch.testing.assert_close(read(x), expected, rtol=1e-7, atol=1e-9 * expected.abs().max().item())
        torch.testing.assert_close(out, expected, rtol=1e-7, atol=1e-9 * expected.abs().max().item())
    F.cross_entropy(out, y).backward(), F.cross_entropy(expected, y).backward()
    full = dict(big.state_dict())
    for name, value in small.state_dict().items():
        part = full[name].reshape(-1)[torch.from_numpy(index[name])].reshape(value.shape) if name in index else full[name]
        torch.testing.assert_close(value, part, rtol=1e-7, atol=1e-9, msg=name)
    scale = max(p.grad.abs().max().item() for p in big.parameters() if p.grad is not None)
    kept = {f"{owner}.{kind}": masks.matrix(x.name).any(1) for x in layers for owner in (x.short, x.bn) for kind in ("weight", "bias")}
    kept |= {x.name: masks[x.name] for x in layers}
    for name, p in small.named_parameters():
        theirs = big.get_parameter(name).grad
        live = torch.from_numpy(kept[name]) if name in kept else torch.ones(theirs.shape, dtype=torch.bool)
        at = torch.from_numpy(index[name]) if name in index else torch.arange(theirs.numel())
        ours, expected, live = p.grad.reshape(-1), theirs.reshape(-1)[at], live.reshape(-1)[at]
        torch.testing.assert_close(ours[live], expected[live], rtol=1e-6, atol=1e-9 * scale, msg=name)
    return small


@pytest.fixture(scope="module", params=list(SHAPES))
def network(request):
    config = RunConfig(model=request.param, memory_format="channels_last" if request.param == "resnet20" else "contiguous")
    model = lively(models.build(config, SHAPES[request.param], 10))
    return model, topology.layers(model, SHAPES[request.param]), SHAPES[request.param]


def test_a_smaller_network_computes_and_learns_as_the_masked_one(network):
    model, layers, shape = network
    masks = refilled(layers)
    small, left = check(model, layers, masks, shape), stats.smaller(masks, layers)
    assert type(small).__name__ == type(model).__name__
    rows = {x.name: masks.matrix(x.name).any(axis=1) for x in layers}
    for layer in layers:   # removed channels are gone from both sides
        assert small.get_parameter(layer.name).numel() == left[layer.name]
        assert small.get_submodule(layer.bn).num_features == rows[layer.name].sum() < layer.shape[0]
    tops = [x.name for x in layers if x.shape[0] == layers[-1].shape[0] and ("conv2" in x.name or "downsample" in x.name)] or [layers[-1].name]
    linear = small.get_submodule("fc" if hasattr(model, "fc") else "classifier")
    assert linear.in_features == np.logical_or.reduce([rows[name] for name in tops]).sum()


@pytest.fixture(params=["convnet", "resnet20"])
def little(request):
    shape = SHAPES[request.param]
    model = lively(models.build(RunConfig(model=request.param), shape, 10))
    return model, topology.layers(model, shape), shape


def test_few_channels_and_weights_masked_inside_of_them(little):
    model, layers, shape = little
    check(model, layers, refilled(layers, keep=0.1, inside=0.5), shape)


def test_a_layer_with_nothing_kept(little):
    model, layers, shape = little
    arrays = dict(refilled(layers))
    for layer in layers[1::4]:
        arrays[layer.name][:] = False
    check(model, layers, Masks.of(arrays), shape)
    for array in arrays.values():
        array[:] = False
    check(model, layers, Masks.of(arrays), shape)


@pytest.mark.parametrize("name", OTHERS)
def test_networks_of_torchvision(name):
    model = lively(theirs(name))
    shape = (3, 32, 32)
    layers = topology.layers(model, shape)
    small = check(model, layers, refilled(layers), shape)
    share = sum(p.numel() for p in small.parameters()) / sum(p.numel() for p in model.parameters())
    assert share < 0.55, "removed channels are not gone"


def test_nothing_removed_is_the_same_network(little):
    model, layers, shape = little
    small = check(model, layers, refilled(layers, keep=1.0), shape)
    assert {k: v.shape for k, v in small.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


def test_mode_and_memory_format_stay():
    model = models.build(RunConfig(model="resnet20", memory_format="channels_last"), (3, 8, 8), 10)
    layers = topology.layers(model, (3, 8, 8))
    model.eval()
    small = compact(model, layers, refilled(layers))
    assert not any(m.training for m in small.modules())
    assert all(small.get_parameter(x.name).is_contiguous(memory_format=torch.channels_last) for x in layers)


# Made to be awkward: every kind of join and of layer that the walk knows, and some that it does not


class Awkward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        def conv(i, o, k=3, **more):
            return nn.Conv2d(i, o, k, padding=k // 2, **more)
        self.conv1 = conv(3, 6)                         # the stem: whole, with a bias
        self.a, self.na = conv(6, 6, bias=False), nn.BatchNorm2d(6)
        self.b, self.nb = conv(6, 6, 1), nn.BatchNorm2d(6)
        self.c = conv(6, 6)                             # no BatchNorm of its own
        self.after = nn.BatchNorm2d(6)                  # behind a sum: a removed channel gets its shift
        self.deep, self.nd = conv(6, 6, groups=6, bias=False), nn.BatchNorm2d(6)
        self.grouped, self.ng = conv(6, 8, groups=2), nn.BatchNorm2d(8)
        self.wide, self.nw = conv(8, 16, 1, groups=8, bias=False), nn.BatchNorm2d(16)
        self.twice = conv(16, 16, 1)                    # used two times
        self.gate = nn.Conv2d(16, 16, 1)
        self.squeeze, self.gated, self.gating, self.gated_too = (conv(16, 16, 1) for _ in range(4))
        self.d, self.e = conv(16, 5), conv(16, 5)
        self.last = conv(10, 4, 3, stride=2)
        self.slope = nn.PReLU(4)
        self.fc = nn.Linear(4 * 4, 10)
        self.side = nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = torch.relu(self.na(self.a(x)) + x)
        y = F.relu(self.nb(self.b(x)), inplace=True)
        x = torch.add(y, self.c(y))
        x = F.leaky_relu(self.after(x), 0.1)
        x = F.gelu(self.nd(self.deep(x)))
        x = F.max_pool2d(F.silu(self.ng(self.grouped(x))), 2)
        x = self.nw(self.wide(x)).relu()
        x = self.twice(self.twice(x))
        x = x + x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = torch.mul(self.squeeze(F.adaptive_avg_pool2d(x, 1)).sigmoid(), x)
        x = self.gated(x) * torch.tanh(self.gating(x)) + 2 * torch.sigmoid(self.gated_too(x))
        side = self.side(self.gate(x).mean([2, 3]))
        x = torch.cat([self.d(x), F.relu(self.e(x))], 1)
        x = F.adaptive_avg_pool2d(self.slope(self.last(x)), 2)
        return self.fc(x.view(x.size(0), -1)) + side


AWKWARD = lively(Awkward())
AWKWARD_LAYERS = topology.layers(AWKWARD, (3, 8, 8))


@given(st.lists(st.integers(0, 2**16 - 1), min_size=len(AWKWARD_LAYERS), max_size=len(AWKWARD_LAYERS)))
@settings(deadline=None, max_examples=40)
def test_any_channels_of_an_awkward_network(removed):
    arrays = {}
    for layer, bits in zip(AWKWARD_LAYERS, removed, strict=True):
        keep = np.array([bits >> c & 1 for c in range(layer.shape[0])], bool)
        arrays[layer.name] = np.broadcast_to(keep[:, None, None, None], layer.shape)
    check(AWKWARD, AWKWARD_LAYERS, Masks.of(arrays), (3, 8, 8))


RESNET = lively(models.build(RunConfig(model="resnet20"), (3, 4, 4), 10))
RESNET_LAYERS = topology.layers(RESNET, (3, 4, 4))


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]), min_size=20, max_size=20))
@settings(deadline=None, max_examples=10)
def test_any_channels_of_a_resnet(seed, keep):
    rng = np.random.default_rng(seed)
    arrays = {x.name: np.broadcast_to((rng.random(x.shape[0]) < share)[:, None, None, None], x.shape)
              for x, share in zip(RESNET_LAYERS, keep, strict=True)}
    check(RESNET, RESNET_LAYERS, Masks.of(arrays), (3, 4, 4))


def test_depthwise_layers_lose_their_channels():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))
    layers = topology.layers(model, (3, 8, 8))
    arrays = {x.name: np.ones(x.shape, bool) for x in layers}
    arrays["0.weight"][[0, 1, 2]] = False
    arrays["3.weight"][[2, 3]] = False
    small, same = compact(model, layers, masks := Masks.of(arrays)), shrink(model, layers, masks).network
    assert same.get_submodule("0").out_channels == 5
    assert small.get_submodule("0").out_channels == 4    # nobody reads channel 3 any more
    assert (small.get_submodule("3").groups, small.get_submodule("3").weight.shape) == (6, (6, 1, 3, 3))
    assert small.get_submodule("5").weight.shape == (4, 6, 1, 1)


class Twisted(nn.Module):
    """Control flow on data, which torch.fx cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, x):
        x = self.first(x)
        return self.second(-x if x.sum() > 0 else x)


def test_a_network_that_cannot_be_traced_comes_back_whole(caplog):
    model = Twisted()
    with caplog.at_level(logging.WARNING):
        layers = topology.layers(model, (3, 8, 8))
        caplog.clear()
        small = compact(model, layers, masks := refilled(layers))
    assert "Twisted cannot be traced" in caplog.text
    Masked(model, layers, masks, structural=True).enforce()
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(small(x), model(x)) and small.first.weight.data_ptr() != model.first.weight.data_ptr()


def test_masks_that_do_not_fit_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    layers = topology.layers(model, (3, 8, 8))
    with pytest.raises(MaskError, match=r"2\.weight' is missing"):
        compact(model, layers, Masks.of({"0.weight": np.ones((8, 3, 3, 3), bool)}))
