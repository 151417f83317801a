from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn

from lthviz.config import MODELS, RunConfig
from lthviz.errors import ConfigError
from lthviz.nn import models


def build(name: str, shape=(3, 32, 32), classes: int = 10, **settings) -> nn.Module:
    return models.build(RunConfig(model=name, **settings), shape, classes)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("name", "classes", "parameters"), [
    ("resnet20", 10, 272_474), ("resnet18", 10, 11_173_962), ("resnet18", 100, 11_220_132), ("vgg16", 10, 14_724_042)])
def test_parameter_counts(name, classes, parameters):
    assert size(build(name, classes=classes)) == parameters


def test_convnet_has_three_layers_of_128_channels():
    wide = [m for n, m in build("convnet", (1, 8, 8)).named_modules() if isinstance(m, nn.Conv2d) and n != "conv1"]
    assert [m.out_channels for m in wide] == [128, 128, 128]


def test_every_known_model_can_be_built():
    assert set(models.BUILDERS) == set(MODELS) == set(models.SMALLEST)
    for name, least in models.SMALLEST.items():
        model = build(name, (3, least, least)).train()
        assert model(torch.randn(2, 3, least, least)).shape == (2, 10)


def test_resnet18_computes_what_torchvisions_does():
    ours, theirs = build("resnet18", classes=7).eval(), torchvision.models.resnet18(num_classes=7).eval()
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_vgg16_features_are_torchvisions_without_the_biases():
    ours, theirs = build("vgg16").eval(), torchvision.models.vgg16_bn(weights=None).features.eval()
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d):
            module.bias = None
    theirs.load_state_dict(ours.features.state_dict())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours.features(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_weights_come_from_the_seed_alone_and_leave_the_global_state():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a = build("resnet20", seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    b, c = build("resnet20", seed=3).state_dict(), build("resnet20", seed=4).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["conv1.weight"], c["conv1.weight"]) and not torch.equal(a["fc.weight"], c["fc.weight"])


def test_convolutions_start_kaiming_normal_by_fan_out():
    for name, p in build("vgg16").named_parameters():
        if p.dim() == 4 and p.numel() > 100_000:
            assert p.std().item() == pytest.approx(math.sqrt(2 / (p.shape[0] * 9)), rel=0.02), name


def test_memory_format_is_the_runs():
    assert build("resnet20", memory_format="channels_last").layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_too_small_images_are_refused():
    with pytest.raises(ConfigError, match="'vgg16' needs images of at least 32×32; 'digits' has 8×8"):
        build("vgg16", (1, 8, 8), data="digits")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device = 'cuda'"):
        build("convnet", (1, 8, 8), device="cuda")
