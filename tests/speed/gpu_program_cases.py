"""Whole networks on the GPU, or under Triton's interpreter, against the masked dense network; run by test_triton_blocks.py."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lthviz.errors import MaskError, SpeedError
from lthviz.nn.masking import Masked
from lthviz.nn.models.resnet import BasicBlock, ResNet
from lthviz.nn.models.vgg import VGG
from lthviz.nn.topology import layers as layers_of
from lthviz.records import Masks
from lthviz.speed import gpu_program, gpu_tune
from tests.speed.block_conv_cases import DEVICE, machine  # noqa: F401  (a fixture)

IMAGE = (3, 8, 8)


class Odd(nn.Module):
    """Depthwise, shuffled channels, a gate and a pooling that no kernel of ours knows; a first convolution that is pruned."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.shuffle = nn.ChannelShuffle(2)
        self.gate = nn.Parameter(torch.randn(8, 1, 1))
        self.last = nn.Conv2d(16, 8, 3, padding="same")
        self.fc = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x):
        x = self.first(x)
        y = self.pool(F.silu(self.norm(self.deep(F.relu(x)))))
        y = self.shuffle(y) * self.gate
        y = self.last(y.repeat(1, 2, 1, 1))
        return self.fc(torch.flatten(F.relu(y), 1))


def network(kind):
    torch.manual_seed(0)
    model = {"resnet": lambda: ResNet(3, 5, "cifar", BasicBlock, (6, 12), (1, 1)), "vgg": lambda: VGG(3, 5, stages=((8, 1), (8, 2), (16, 1))), "odd": Odd}[kind]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    return model.eval()


def masks_of(structure, layers, keep=0.4, seed=0):
    rng, made = np.random.default_rng(seed), {}
    for layer in layers:
        rows, n = layer.matrix
        mask = np.zeros((rows, n), bool)
        if structure == "refill":
            mask[rng.permutation(rows)[: max(1, int(keep * rows))]] = True
        elif structure == "regroup":   # two groups and removed rows
            for part in np.array_split(rng.permutation(rows)[rows // 8:], 2):
                mask[part] = rng.random(n) < keep
        elif structure == "unstructured":
            mask = rng.random((rows, n)) < keep / 8
            mask[0] = False
        made[layer.name] = mask.reshape(layer.shape)
    return Masks.of(made)


def both(kind, structure, *, batch=2, **settings):
    """(ours, the masked dense network's logits in float64, the program)."""
    model = network(kind)
    layers = layers_of(model, IMAGE)
    masks = masks_of(structure, layers)
    structural = structure != "unstructured"
    dense = copy.deepcopy(model).double()
    Masked(dense, layers, masks, structural=structural).enforce()
    images = torch.randn(batch, *IMAGE, generator=torch.Generator().manual_seed(1))
    settings = {"executor": "blocks", **settings}
    program = gpu_program.build(model, layers, IMAGE, masks, structural=structural, batch=batch, device=DEVICE, **settings)
    with torch.no_grad():
        return program(images.to(DEVICE)).cpu().double(), dense(images.double()), program


def close(ours, exact, share=1e-4):
    assert ours.shape == exact.shape and ((ours - exact).abs().max() <= share * exact.abs().max())


def convolutions(program):
    """Who runs each of them."""
    return [c for c in program.choices if c.layer in {s.layer for s in program.convs}]


@pytest.mark.parametrize("structure", ["refill", "regroup", "unstructured", "empty"])
@pytest.mark.parametrize("kind", ["resnet", "vgg", "odd"])
def test_equals_the_masked_dense_network(kind, structure):
    ours, exact, program = both(kind, structure, batch=3 if kind == "vgg" else 1)
    close(ours, exact)
    assert {c.executor for c in convolutions(program) if c.layer != "conv1.weight"} == {"removed" if structure == "empty" else "blocks"}
    if kind == "odd":
        assert {"pool", "shuffle", "last"} & set(program.foreign) == {"shuffle", "last"}   # named; its other layers are blocks
    else:
        assert not program.foreign


@pytest.mark.parametrize("executor", ["blocks", "dense"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_precisions_and_executors(precision, executor):
    """A logit is the end of ten layers, each of which rounds to 2^-9 or 2^-11 of its scale."""
    ours, exact, program = both("resnet", "regroup", precision=precision, executor=executor)
    close(ours, exact, {"float32": 1e-4, "tf32": 0.01, "bfloat16": 0.05}[precision])
    assert {c.executor for c in convolutions(program)} == {executor}
    if precision == "bfloat16":
        assert (ours - exact).abs().max() > 1e-4 * exact.abs().max()   # it really is in use


def test_auto_runs_each_layer_as_the_clock_prefers(monkeypatch):
    """A clock for which blocks are slower in every second of four layers, and the mixture of both faster than either as a
    whole."""
    ran, layer = [], iter((-1.0, 1.0) * 2)
    forward = gpu_tune.BlockConv.forward
    monkeypatch.setattr(gpu_tune.BlockConv, "forward", lambda self, *a: ran.append(1) or forward(self, *a))
    monkeypatch.setattr(gpu_tune, "tiles", lambda found, precision: [])

    def clock(call):
        before = len(ran)
        call()
        count = len(ran) - before   # block convolutions that ran: one layer's, the mixture's two, or none in a dense layer or network
        return next(layer) if count == 1 else {0: 0.0, 2: -9.0, 4: 0.0}[count]

    ours, exact, program = both("vgg", "regroup", executor="auto", clock=clock)
    assert [(c.executor, c.blocks_ms, c.dense_ms) for c in program.choices] == [("blocks", -1.0, 0.0), ("dense", 1.0, 0.0)] * 2 + [("dense", None, 0.0)]
    close(ours, exact)


def test_the_cheapest_path_is_found():
    """Against every path there is."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        costs = [gpu_tune.Cost(*rng.random(4)) for _ in range(6)]

        def total(forms, costs=costs):
            time = sum(getattr(c, f) for c, f in zip(costs, forms, strict=True))
            return time + sum(getattr(c, f"to_{f}") for c, f, before in zip(costs[1:], forms[1:], forms, strict=False) if f != before)

        every = [["blocks" if i >> b & 1 else "dense" for b in range(6)] for i in range(64)]
        assert total(gpu_tune.choose(costs)) == pytest.approx(min(map(total, every)))


def test_bad_input_is_one_line():
    model = network("vgg")
    layers = layers_of(model, IMAGE)
    masks = masks_of("refill", layers)
    wrong = Masks.of({layer.name: np.ones(layer.shape[:2], bool) for layer in layers})
    for kind, settings, given, words in ((SpeedError, dict(batch=0), masks, "batch = 0"), (SpeedError, dict(precision="int8"), masks, "int8"),
                                         (SpeedError, dict(executor="fast"), masks, "fast"), (MaskError, {}, wrong, layers[0].name)):
        with pytest.raises(kind) as e:
            gpu_program.build(model, layers, IMAGE, given, structural=True, device=DEVICE, **settings)
        assert words in str(e.value) and "\n" not in str(e.value)
    program = gpu_program.build(model, layers, IMAGE, masks, structural=True, device=DEVICE, executor="blocks")
    for images, words in ((torch.zeros(1, 3, 9, 8), "(1, 3, 9, 8)"), (torch.zeros(0, 3, 8, 8), "(0, 3, 8, 8)")):
        with pytest.raises(SpeedError) as e:
            program(images.to(DEVICE))
        assert words in str(e.value)
