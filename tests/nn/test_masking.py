from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lthviz.errors import Diverged, MaskError, TrainingError
from lthviz.nn import models, topology
from lthviz.nn.masking import Masked
from lthviz.nn.train import Trainer
from lthviz.records import Layer, Masks


@pytest.fixture
def network(config, images):
    model = models.build(config, images.shape, 10)
    return model, topology.layers(model, images.shape)


def random_masks(layers, density=0.4, rows=()) -> Masks:
    """Random masks; the channels `rows` of every layer without weights."""
    rng = np.random.default_rng(0)
    arrays = {x.name: rng.random(x.shape) < density for x in layers}
    for a in arrays.values():
        a[list(rows)] = False
    return Masks.of(arrays)


@pytest.mark.parametrize("structural", [False, True])
def test_masks_hold_after_every_step_of_a_training(config, images, network, structural):
    model, layers = network
    masks = random_masks(layers, rows=(3, 77))
    with torch.no_grad():
        for layer in layers:
            model.get_submodule(layer.bn).bias += 0.1    # where it starts, at zero, a removed channel's would stay by chance
    masked = Masked(model, layers, masks, structural=structural)
    for _ in Trainer(config, images).train(model, masked):
        for layer in layers:
            weight = model.get_parameter(layer.name).detach().numpy()
            assert not weight[~masks[layer.name]].any()
            norm = model.get_submodule(layer.bn)
            for t in (norm.weight, norm.bias):
                assert (not t[[3, 77]].any()) is structural
                assert t[[2, 78]].all()
    weight = model.get_parameter(layers[1].name).detach().numpy()
    assert weight[masks[layers[1].name]].all()    # what is kept was trained, and is there


def test_without_enforcing_momentum_and_weight_decay_revive_weights(config, images, network):
    model, layers = network
    masked = Masked(model, layers, random_masks(layers), structural=True)
    masked.enforce()
    masked.enforce = lambda: None
    with pytest.raises(TrainingError, match=r"features\.0\.weight: \d+ masked values are not zero"):
        list(Trainer(config, images).train(model, masked))


def test_a_revived_batchnorm_is_found(network):
    model, layers = network
    masked = Masked(model, layers, random_masks(layers, rows=(5,)), structural=True)
    masked.enforce()
    masked.assert_exact()
    with torch.no_grad():
        model.features[4].bias[5] = 1e-30
    with pytest.raises(TrainingError, match=r"features\.4\.bias: 1 masked"):
        masked.assert_exact()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(network, bad):
    model, layers = network
    masked = Masked(model, layers, random_masks(layers), structural=False)
    masked.enforce()
    with torch.no_grad():
        model.features[3].weight[0, 0, 0, 0] = bad
    with pytest.raises(Diverged, match=r"features\.3\.weight"):
        masked.assert_exact()


def test_masks_that_do_not_fit_are_refused(network):
    model, layers = network
    good = dict(random_masks(layers))
    with pytest.raises(MaskError, match=r"features\.6\.weight' is missing"):
        Masked(model, layers, Masks.of({k: v for k, v in good.items() if k != "features.6.weight"}), structural=False)
    with pytest.raises(MaskError, match=r"features\.0\.weight' has shape \(128, 32, 9\)"):
        Masked(model, layers, Masks.of(good | {"features.0.weight": good["features.0.weight"].reshape(128, 32, 9)}), structural=False)


def test_memory_format_changes_nothing(config, images):
    model = models.build(config.replace(memory_format="channels_last"), images.shape, 10)
    layers = topology.layers(model, images.shape)
    masks = random_masks(layers)
    before = {x.name: model.get_parameter(x.name).detach().numpy().copy() for x in layers}
    Masked(model, layers, masks, structural=False).enforce()
    for layer in layers:
        np.testing.assert_array_equal(model.get_parameter(layer.name).detach().numpy(), before[layer.name] * masks[layer.name])


def chain(inner: int, bias: bool) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, inner, 3, padding=1, bias=bias), nn.BatchNorm2d(inner), nn.ReLU(), nn.Conv2d(inner, 5, 3))


@pytest.mark.parametrize("bias", [False, True])
def test_a_masked_network_trains_and_computes_as_the_physically_smaller_one(bias):
    """The released code leaves BatchNorm alone: a removed channel then still sends its shift on."""
    torch.manual_seed(0)
    big = chain(8, bias)
    with torch.no_grad():
        big[1].bias += 0.7                # so that a forgotten shift shows
        big[1].weight.uniform_(0.5, 1.5)
    kept, gone = [0, 2, 3, 7], [1, 4, 5, 6]
    mask = np.zeros((8, 3, 3, 3), bool)
    mask[kept] = True
    layers = (Layer("0.weight", (8, 3, 3, 3), (6, 6), bn="1"),)
    small = chain(4, bias)
    state = {k: v for k, v in big.state_dict().items()}
    small.load_state_dict({k: v[:, kept] if k == "3.weight" else v[kept] if v.dim() and not k.startswith("3") else v
                           for k, v in copy.deepcopy(state).items()})
    masked = Masked(big, layers, Masks.of({"0.weight": mask}), structural=True)
    masked.enforce()
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2) for m in (big, small)]
    for _ in range(10):
        x, y = torch.randn(16, 3, 6, 6), torch.randint(0, 5, (16, 4, 4))
        for model, optimizer in zip((big, small), optimizers, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        masked.enforce()
    masked.assert_exact()
    torch.testing.assert_close(big[0].weight[kept], small[0].weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(big[3].bias, small[3].bias, rtol=1e-4, atol=1e-5)
    assert not big[0].weight[gone].any() and (not bias or not big[0].bias[gone].any())
    x = torch.randn(16, 3, 6, 6)
    torch.testing.assert_close(big.eval()(x), small.eval()(x), rtol=1e-4, atol=1e-5)
