"""Network programs against the masked dense network in float64: every backbone, every kind of mask, every width of batch."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from lthviz.errors import MaskError, SpeedError
from lthviz.nn import topology
from lthviz.nn.models.convnet import ConvNet
from lthviz.nn.models.resnet import resnet18, resnet20
from lthviz.nn.models.vgg import vgg16
from lthviz.records import Masks
from lthviz.speed import program
from lthviz.speed.passes import FORMS
from tests.speed.networks import KINDS, difference, lively, masks, reference

IMAGE = (3, 32, 32)
BACKBONES = {"convnet": (ConvNet, (1, 8, 8)), "resnet20": (resnet20, IMAGE), "resnet18": (resnet18, IMAGE), "vgg16": (vgg16, IMAGE)}


def network(name):
    build, shape = BACKBONES[name]
    torch.manual_seed(0)
    model = lively(build(shape[0], 10), shape)
    return model, topology.layers(model, shape), shape


@pytest.fixture(scope="module", params=BACKBONES)
def backbone(request):
    return network(request.param)


@pytest.mark.parametrize("structural", [True, False], ids=["structural", "unstructured"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_program_computes_what_the_masked_network_does(backbone, kind, structural):
    model, layers, shape = backbone
    kept = masks(layers, kind)
    for batch in (1, 5, 16):   # pixels as lanes; pixels with their images; images as lanes
        x = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))
        made = program.build(model, layers, shape, kept, structural=structural, batch=batch, threads=2, forms={})
        want = reference(model, layers, kept, structural, x)
        if want.std() == 0:
            assert torch.allclose(made(x), want, atol=1e-5)
        else:
            assert difference(made(x), want) < 1e-4 / 5


def test_the_dense_network_and_any_number_of_images():
    model, layers, shape = network("resnet20")
    made = program.build(model, layers, shape, None, structural=False, batch=64, threads=2)
    for count in (1, 17, 64, 70, 129):
        x = torch.randn(count, *shape)
        assert difference(made(x), reference(model, layers, None, False, x)) < 1e-5


@pytest.mark.parametrize("batch", [1, 3, 20])
@pytest.mark.parametrize("name", ["convnet", "resnet20"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_layer_computes_the_same(form, name, batch):
    model, layers, shape = network(name)
    for kind in ("groups", "empty rows"):
        kept = masks(layers, kind)
        x = torch.randn(batch, *shape)
        for structural in (True, False):
            made = program.build(model, layers, shape, kept, structural=structural, batch=batch, threads=2, forms={layer.name: form for layer in layers})
            assert set(made.executors.values()) == {"blocks", form}   # the stem and the classifier stay as they are
            assert difference(made(x), reference(model, layers, kept, structural, x)) < 1e-5


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads):
    model, layers, shape = network("resnet20")
    kept = masks(layers, "channels")
    x = torch.randn(33, *shape)
    one = program.build(model, layers, shape, kept, structural=True, batch=33, threads=1, forms={})(x)
    many = program.build(model, layers, shape, kept, structural=True, batch=33, threads=threads, forms={})
    for _ in range(3):
        assert torch.equal(many(x), one)


def test_only_live_channels_are_computed():
    """In a chain, a third of the channels each leaves about a ninth of the work."""
    model, layers, shape = network("vgg16")
    kept = masks(layers, "channels", density=0.33)
    made = program.build(model, layers, shape, kept, structural=True, batch=16, threads=1, forms={})
    rows = {layer.name: kept.matrix(layer.name).any(axis=1) for layer in layers}
    work = {step.layer: step.macs for step in made.pass_for(16).steps if step.layer}
    for before, layer in itertools.pairwise(layers):
        assert work[layer.name] == rows[layer.name].sum() * rows[before.name].sum() * 9 * layer.out_hw[0] * layer.out_hw[1]


def test_a_constant_channel_is_neither_lost_nor_taken_for_dead():
    """In an unstructured ticket an empty row still says its BatchNorm's shift, which the border's zeros keep from being a bias."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    lively(model, (2, 6, 6))
    model[1].bias.data = torch.tensor([0.7, -0.7, 0.3, 0.1])
    layers = topology.layers(model, (2, 6, 6))
    kept = {layer.name: np.ones(layer.shape, bool) for layer in layers}
    kept["0.weight"][:2] = False
    kept = Masks.of(kept)
    x = torch.randn(16, 2, 6, 6)
    for structural in (False, True):
        made = program.build(model, layers, (2, 6, 6), kept, structural=structural, batch=16, threads=1)
        assert difference(made(x), reference(model, layers, kept, structural, x)) < 1e-5
        # Row 1 is constant and negative: zero behind the ReLU. Row 0 is there unless its BatchNorm goes with it.
        assert made.plan.channels[made.plan.graph.ops[0].output].tolist() == ([2, 3] if structural else [0, 2, 3])


class Odd(nn.Module):
    """7×7 with stride 2, max pooling with a border, depthwise and grouped convolutions, average pooling, a dilated one, 1×1 with stride."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 7, 2, 3)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, 1, 1, groups=12)
        self.grouped = nn.Conv2d(12, 18, 3, 2, 1, groups=3, bias=False)
        self.bn = nn.BatchNorm2d(18)
        self.dilated = nn.Conv2d(18, 18, 3, 1, 2, dilation=2)
        self.average = nn.AvgPool2d(2, 1, 1, count_include_pad=False)
        self.short = nn.Conv2d(12, 18, 1, 2)
        self.fc = nn.Linear(18 * 5 * 5, 7)

    def forward(self, x):
        x = torch.relu(self.depthwise(self.pool(self.conv1(x))))
        y = torch.relu(self.dilated(torch.relu(self.bn(self.grouped(x)))) + self.short(x))
        return self.fc(self.average(y).flatten(1))


@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("kind", ["unstructured", "channels", "groups"])
def test_every_kind_of_convolution_and_pooling(batch, kind):
    torch.manual_seed(0)
    shape = (3, 30, 30)
    model = lively(Odd(), shape)
    layers = topology.layers(model, shape)
    kept = masks(layers, kind, density=0.5)
    x = torch.randn(batch, *shape)
    made = program.build(model, layers, shape, kept, structural=True, batch=batch, threads=2)
    assert made.foreign == []
    assert difference(made(x), reference(model, layers, kept, True, x)) < 1e-5


class Foreign(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(8, 5, 1)
        self.act = nn.Hardswish()
        self.fc = nn.Linear(11, 4)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.cat([self.act(self.left(x)), self.right(x)], 1)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("batch", [2, 16])
def test_what_has_no_kernel_runs_in_torch_and_is_named(batch):
    torch.manual_seed(0)
    shape = (3, 9, 9)
    model = Foreign().eval()
    layers = topology.layers(model, shape)
    kept = masks(layers, "channels", density=0.6)
    x = torch.randn(batch, *shape)
    made = program.build(model, layers, shape, kept, structural=False, batch=batch, threads=2)
    assert made.foreign == ["act", "cat", "mean"]
    assert difference(made(x), reference(model, layers, kept, False, x)) < 1e-5


class PreActivation(nn.Module):
    """A BatchNorm behind a sum belongs to no convolution; a gate is a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.gate = nn.Parameter(torch.rand(1, 8, 1, 1))
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.conv1(x)
        x = torch.relu(self.bn(self.conv2(x) + x)) * self.gate
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


@pytest.mark.parametrize("batch", [3, 16])
def test_a_batch_norm_behind_a_sum_and_a_parameter_outside_layers(batch):
    torch.manual_seed(0)
    shape = (3, 8, 8)
    model = lively(PreActivation(), shape)
    layers = topology.layers(model, shape)
    kept = masks(layers, "groups")
    x = torch.randn(batch, *shape)
    made = program.build(model, layers, shape, kept, structural=False, batch=batch, threads=2)
    assert "bn" in made.foreign and "mul" in made.foreign
    assert difference(made(x), reference(model, layers, kept, False, x)) < 1e-5


class Scaled(nn.Module):
    """Parameters that are reshaped before they meet a map; modules that are called what functions are called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.gamma, self.shift = nn.Parameter(torch.rand(6) + 0.5), nn.Parameter(torch.rand(6))
        self.relu, self.add, self.flatten, self.clone = nn.LeakyReLU(0.5), nn.Sigmoid(), nn.Hardswish(), nn.Tanh()
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.clone(self.conv2(x)) * (self.gamma + self.shift).reshape(1, -1, 1, 1)
        return self.fc(self.add(self.flatten(x)).mean((2, 3)))


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_constants_and_modules_with_names_of_functions(batch):
    torch.manual_seed(0)
    shape = (3, 7, 7)
    model = Scaled().eval()
    layers = topology.layers(model, shape)
    x = torch.randn(batch, *shape)
    made = program.build(model, layers, shape, None, structural=False, batch=batch, threads=1)
    assert difference(made(x), reference(model, layers, None, False, x)) < 1e-5


class Twists(nn.Module):
    """What a reader of graphs may trip over, one `kind` each."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)
        self.bn, self.drop, self.same = nn.BatchNorm2d(6), nn.Dropout(0.5), nn.Identity()
        self.inplace = nn.ReLU(inplace=True)
        self.flat = nn.Flatten()
        self.pool = nn.AdaptiveAvgPool2d((4, 4) if kind == "pool to a square" else 1)
        self.line = nn.Linear(6, 6)
        self.fc = nn.Linear(6 * 16 if kind == "pool to a square" else 6, 4)

    def forward(self, x):
        y = self.a(x)
        if self.kind == "read before the sum":
            w, z = self.b(y), self.c(y)
            q = self.b(z)
            y = (z + w) + q
        elif self.kind == "read under another name":
            y = torch.relu(self.drop(y)) + y
        elif self.kind == "normalised under another name":
            y = self.bn(self.same(y)) + y
        elif self.kind == "weighted sum":
            y = torch.add(self.b(y), y, alpha=2)
        elif self.kind == "in place":
            y = self.b(self.inplace(y)) + y
        elif self.kind == "linear over channels last":
            y = self.line(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        elif self.kind == "two flat maps":
            p = torch.relu(self.flat(self.b(y))) + torch.relu(self.flat(self.c(y)))
            y = torch.reshape(p, (-1, 6, 8, 10))
        y = self.pool(y)
        return self.fc(y.view(y.size(0), -1))


@pytest.mark.parametrize("batch", [2, 16])
@pytest.mark.parametrize("kind", ["plain", "pool to a square", "read before the sum", "read under another name", "normalised under another name",
                                  "weighted sum", "in place", "linear over channels last", "two flat maps"])
def test_nothing_is_folded_that_is_read_elsewhere(kind, batch):
    torch.manual_seed(0)
    shape = (3, 8, 10)   # not square, so that global pooling is not either
    model = lively(Twists(kind), shape)
    layers = topology.layers(model, shape)
    x = torch.randn(batch, *shape)
    made = program.build(model, layers, shape, None, structural=False, batch=batch, threads=2)
    assert difference(made(x), reference(model, layers, None, False, x)) < 1e-5


@pytest.mark.parametrize("name", ["vgg16", "resnet20"])
def test_images_need_not_be_square(name):
    torch.manual_seed(0)
    shape = (3, 32, 64)
    model = lively(BACKBONES[name][0](3, 10), shape)
    layers = topology.layers(model, shape)
    kept = masks(layers, "groups")
    x = torch.randn(3, *shape)
    made = program.build(model, layers, shape, kept, structural=True, batch=3, threads=2, forms={})
    assert made.foreign == []
    assert difference(made(x), reference(model, layers, kept, True, x)) < 1e-5


def test_threads_that_call_one_program_take_turns():
    model, layers, shape = network("convnet")
    made = program.build(model, layers, shape, None, structural=False, batch=4, threads=2)
    images = [torch.randn(4, *shape) for _ in range(4)]
    want = [made(x) for x in images]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            assert all(torch.equal(got, expected) for got, expected in zip(pool.map(made, images), want, strict=True))


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2"])
def test_torchvision_networks(name):
    from torchvision import models as zoo

    torch.manual_seed(0)
    shape = (3, 33, 33)
    model = lively(zoo.get_model(name, num_classes=6, **({"dropout": 0.0} if name == "mobilenet_v2" else {})), shape)
    layers = topology.layers(model, shape)
    x = torch.randn(2, *shape)
    kept = masks(layers, "channels", density=0.6)
    made = program.build(model, layers, shape, kept, structural=False, batch=2, threads=2, forms={})
    assert difference(made(x), reference(model, layers, kept, False, x)) < 1e-4


def test_layer_times_names_every_layer():
    model, layers, shape = network("convnet")
    made = program.build(model, layers, shape, masks(layers, "channels"), structural=True, batch=70, threads=2)
    times = made.layer_times(torch.randn(70, *shape), 2)
    assert set(times) == {"conv1.weight", "fc.weight", *(layer.name for layer in layers)}
    assert all(t > 0 for t in times.values())


def test_what_is_wrong_is_said_in_a_line():
    model, layers, shape = network("convnet")
    with pytest.raises(SpeedError, match="batch = 0"):
        program.build(model, layers, shape, None, structural=True, batch=0)
    with pytest.raises(MaskError, match=r"features\.0\.weight"):
        program.build(model, layers, shape, Masks.of({"features.0.weight": np.ones((2, 2), bool)}), structural=True)
    made = program.build(model, layers, shape, None, structural=True, batch=4)
    with pytest.raises(SpeedError, match=r"images of shape \(2, 3, 8, 8\)"):
        made(torch.randn(2, 3, 8, 8))

    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(x) if x.sum() > 0 else x

    with pytest.raises(SpeedError, match="Branching cannot be traced"):
        program.build(Branching(), (), (3, 8, 8), None, structural=True)
