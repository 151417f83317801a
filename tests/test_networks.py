"""Every structure end to end on networks of every kind: magnitude pruning, the structure, the masked network, the smaller one, the program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.regnet import BlockParams, RegNet

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.core import magnitude, stats
from lthviz.core.structures import apply
from lthviz.nn import models, topology
from lthviz.nn.compact import compact
from lthviz.nn.models.mobilenet import MobileNet
from lthviz.nn.models.resnet import Bottleneck, ResNet
from lthviz.nn.models.vgg import VGG
from lthviz.records import Masks
from lthviz.speed import program
from tests.speed.networks import difference, lively, reference

SMALL = (3, 32, 32)
BUILT = {   # with fewer channels than usual, each with what the others have not
    "mobilenet_v1": lambda: MobileNet(3, 6, stem=8, blocks=((16, 1), (24, 2), (24, 1), (32, 2))),      # depthwise, 1×1
    "resnet50": lambda: ResNet(3, 6, "imagenet", Bottleneck, (8, 16), (2, 2)),      # 7×7 stem, max pooling, strided 3×3, downsample
    "regnet": lambda: RegNet(BlockParams.from_init_params(depth=4, w_0=16, w_a=8.0, w_m=2.0, group_width=8, se_ratio=0.25), num_classes=6),    # grouped
    "vgg16": lambda: VGG(3, 6, "imagenet", ((8, 1), (12, 1)), hidden=20),      # three linear layers behind a map of 12×7×7
}
LIBRARY = ["torchvision:mobilenet_v3_small", "timm:test_efficientnet", "timm:test_resnet"]
NETWORKS = [*BUILT, *LIBRARY]
STRUCTURES = [Refill(), Refill(rho=0.3), Regroup(groups=2, min_rows=2, partitioner="pymetis"), Random(), Random("channels")]


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = (3, 28, 28) if request.param == "vgg16" else SMALL
    model = BUILT[request.param]() if request.param in BUILT else models.build(RunConfig(model=request.param), shape, 6)
    if request.param == "regnet":
        model.lthviz_stem = None
    model = lively(model, shape)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.clamp_(min=0.05)   # a divisor near zero would be no network that training leaves
    layers = topology.layers(model, shape, linear="all")
    weights = {x.name: model.get_parameter(x.name).detach().numpy() for x in layers}
    pruned = magnitude.prune(weights, Masks.of({x.name: np.ones(x.shape, bool) for x in layers}), 0.5)
    return request.param, model, layers, shape, weights, pruned


def test_every_convolution_but_the_stem_is_prunable(network):
    name, model, layers, _, _, _ = network
    prunable = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    stem = {prunable[0][0]} if name != "vgg16" else set()
    if name == "vgg16":
        model.lthviz_stem = models.BACKBONES["vgg16"].stem
        layers = topology.layers(model, (3, 28, 28), linear="all")
        assert layers[0].name == "features.0.weight"
    assert {x.short for x in layers} == {n for n, _ in prunable} - stem
    assert [x.classifier for x in layers] == [False] * (len(layers) - 1) + [True]
    if "mobilenet" in name:
        assert any(x.groups == x.shape[0] > 1 for x in layers)      # depthwise
    if name == "regnet":
        assert any(1 < x.groups < x.shape[0] for x in layers)       # grouped
    for layer in layers:
        assert layer.shape == tuple(model.get_parameter(layer.name).shape)


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda s: s.label)
def test_a_ticket_computes_the_same_in_every_form(network, structure):
    _, model, layers, shape, weights, pruned = network
    made = apply(structure, pruned, weights=weights, seed=1, classifier=[x.name for x in layers if x.classifier])
    assert {n: made.masks.shape(n) for n in made.masks} == {x.name: x.shape for x in layers}
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(2))
    want = reference(model, layers, made.masks, True, x)
    small = compact(model, layers, made.masks)
    with torch.no_grad():
        assert difference(small.double()(x.double()).float(), want) < 1e-5
    if isinstance(structure, Refill):   # whole channels are gone: the work that is left is the weights that are left, or less
        left = stats.smaller(made.masks, layers)
        for layer in layers:
            assert small.get_parameter(layer.name).numel() <= left[layer.name] or layer.groups > 1
    run = program.build(model, layers, shape, made.masks, structural=True, batch=2, threads=1, forms={})
    assert difference(run(x), want) < 1e-4
