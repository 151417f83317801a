"""Sources are checked by what they claim: remove a channel from all of them, and it arrives as zeros; else it does not."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from lthviz.config import RunConfig
from lthviz.nn import models, topology
from lthviz.records import Layer

SHAPES = {"convnet": (1, 8, 8), "resnet20": (3, 16, 16), "resnet18": (3, 16, 16), "vgg16": (3, 32, 32), "mobilenet_v1": (3, 16, 16),
          "timm:test_efficientnet": (3, 32, 32)}   # the last with gates (squeeze and excitation) on its maps


@torch.no_grad()
def lively(model: nn.Module) -> nn.Module:
    """Positive throughout: whatever is not removed lets every positive image through every ReLU."""
    g = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.abs_().div_(module.weight[0].sum())
        if isinstance(module, nn.BatchNorm2d):
            module.weight.copy_(torch.rand(module.weight.shape, generator=g) + 0.5)
            module.bias.copy_(torch.rand(module.bias.shape, generator=g) + 0.5)
    return model.eval()


@pytest.fixture(scope="module", params=list(SHAPES))
def network(request):
    model = lively(models.build(RunConfig(model=request.param), SHAPES[request.param], 10))
    return request.param, model, topology.layers(model, SHAPES[request.param])


@torch.no_grad()
def inputs(model: nn.Module, layers: tuple[Layer, ...], shape, removed: tuple[str, ...], channel: int) -> dict[str, torch.Tensor]:
    """What each layer is fed when `channel` is removed, BatchNorm included, from the layers `removed`."""
    saved = {k: v.clone() for k, v in model.state_dict().items()}
    by_name = {layer.name: layer for layer in layers}
    for name in removed:
        model.get_parameter(name)[channel] = 0
        for owner in filter(None, (by_name[name].bn, by_name[name].short)):
            if getattr(model.get_submodule(owner), "bias", None) is not None:
                model.get_parameter(f"{owner}.bias")[channel] = 0
        if by_name[name].bn:
            model.get_parameter(f"{by_name[name].bn}.weight")[channel] = 0
    seen: dict[str, torch.Tensor] = {}
    handles = [model.get_submodule(x.short).register_forward_pre_hook(lambda m, a, n=x.name: seen.update({n: a[0].clone()})) for x in layers]
    model(torch.rand(2, *shape, generator=torch.Generator().manual_seed(1)))
    for handle in handles:
        handle.remove()
    model.load_state_dict(saved)
    return seen


def test_layers_are_all_convolutions_but_the_stem(network):
    name, model, layers = network
    convs = [f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    assert {x.name for x in layers} == set(convs) - {"conv1.weight", "conv_stem.weight"}
    assert len(layers) == {"convnet": 3, "resnet20": 20, "resnet18": 19, "vgg16": 13, "mobilenet_v1": 26}.get(name, len(convs) - 1)
    for layer in layers:
        assert layer.shape == tuple(model.get_parameter(layer.name).shape)


def test_map_sizes_are_those_of_a_real_forward(network):
    name, model, layers = network
    seen = {}
    handles = [model.get_submodule(x.short).register_forward_hook(lambda m, a, o, n=x.name: seen.update({n: tuple(o.shape[2:])}))
               for x in layers]
    with torch.no_grad():
        model(torch.zeros(2, *SHAPES[name]))
    for handle in handles:
        handle.remove()
    assert [(x.name, x.out_hw) for x in layers] == list(seen.items())   # in the order they run


def test_norms_follow_their_convolution(network):
    for layer in network[2]:
        if "timm" in network[0] and ".se." in layer.name:
            assert not layer.bn
            continue
        if "timm" in network[0]:
            assert network[1].get_submodule(layer.bn).num_features == layer.shape[0]
            continue
        head, _, last = layer.short.rpartition(".")
        expected = {"conv1": "bn1", "conv2": "bn2"}.get(last) or str(int(last) + 1)
        assert layer.bn == f"{head}.{expected}"


def test_a_channel_removed_from_all_sources_arrives_as_zeros(network):
    name, model, layers = network
    checked = 0
    for layer in layers:
        if layer.sources is None:
            continue
        fed = inputs(model, layers, SHAPES[name], layer.sources, 5)[layer.name]
        assert not fed[:, 5].any() and fed[:, 4].any(), layer.name
        for spared in layer.sources:   # every source is needed
            rest = tuple(s for s in layer.sources if s != spared)
            assert inputs(model, layers, SHAPES[name], rest, 5)[layer.name][:, 5].any(), (layer.name, spared)
        checked += 1
    assert checked >= {"convnet": 2, "resnet20": 15, "resnet18": 13, "vgg16": 12, "mobilenet_v1": 25, "timm:test_efficientnet": 10}[name]


def test_an_input_without_sources_stays_alive_whatever_is_removed(network):
    name, model, layers = network
    for layer in layers:
        if layer.sources is None:
            channel = 0   # also of an image with one channel
            fed = inputs(model, layers, SHAPES[name], tuple(x.name for x in layers), channel)[layer.name]
            assert fed[:, channel].any(), layer.name


def test_the_model_is_left_as_it_was():
    model = models.build(RunConfig(model="resnet20"), (3, 8, 8), 10).train()
    model.layer1.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    topology.layers(model, (3, 8, 8))
    assert model.training and model.layer2.training and not model.layer1.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())


class PreActivation(nn.Module):
    """The BatchNorm behind a sum is no convolution's own: it turns a removed channel into its shift."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3 if i == 0 else 4, 4, 3, padding=1, bias=False) for i in range(3))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.a(x)
        return self.c(torch.relu(self.norm(x + self.b(x))))


def test_a_batchnorm_behind_a_sum_keeps_channels_alive():
    a, b, c = topology.layers(PreActivation(), (3, 8, 8))
    assert b.sources == ("a.weight",) and c.sources is None and a.bn == b.bn == ""


class Twisted(nn.Module):
    """Control flow on data, which torch.fx cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

    def forward(self, x):
        x = self.first(x)
        return self.second(-x if x.sum() > 0 else x)


def test_a_network_that_cannot_be_traced_is_described_and_says_so(caplog):
    with caplog.at_level(logging.WARNING):
        first, second = topology.layers(Twisted(), (3, 8, 8))
    assert (first.out_hw, second.out_hw, second.sources) == ((6, 6), (4, 4), None)
    assert "Twisted cannot be traced" in caplog.text


def test_unknown_operations_keep_channels_alive():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, x):
            return self.b(self.a(x).roll(1, dims=1))

    assert topology.layers(Mixed(), (3, 8, 8))[1].sources is None


def test_named_layers_are_those_alone_and_their_channels_hang_together_anew():
    model = models.build(RunConfig(model="resnet20"), (3, 8, 8), 10)
    names = {"conv1.weight", "layer1.0.conv1.weight", "fc.weight"}
    found = {x.name: x for x in topology.layers(model, (3, 8, 8), names=names)}
    assert list(found) == ["conv1.weight", "layer1.0.conv1.weight", "fc.weight"]
    assert found["layer1.0.conv1.weight"].sources == ("conv1.weight",), "the stem can lose channels now"
    assert found["conv1.weight"].bn == "bn1" and found["fc.weight"].classifier and found["fc.weight"].sources is None
