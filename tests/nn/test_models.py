from __future__ import annotations

import math

import pytest
import timm
import torch
import torchvision
from torch import nn

from lthviz.config import FORMS, MODELS, RunConfig
from lthviz.errors import ConfigError
from lthviz.nn import models


def build(name: str, shape=(3, 32, 32), classes: int = 10, **settings) -> nn.Module:
    return models.build(RunConfig(model=name, **settings), shape, classes)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("name", "side", "classes", "parameters", "millions"), [
    ("resnet20", 32, 10, 272_474, 0.27), ("wrn32_2", 32, 10, 1_860_522, 1.86), ("resnet18", 32, 10, 11_173_962, 11.17),
    ("resnet18", 32, 100, 11_220_132, 11.22), ("vgg16", 32, 10, 14_724_042, 14.72), ("mobilenet_v1", 32, 10, 3_217_226, 3.21),
    ("mobilenet_v1", 224, 1000, 4_231_976, 4.23), ("resnet50", 224, 1000, 25_557_032, 25.56)])
def test_parameter_counts(name, side, classes, parameters, millions):
    """millions: of the paper's table, rounded or cut there; 4,231,976 is what timm's mobilenetv1_100 has."""
    assert size(build(name, (3, side, side), classes)) == parameters
    assert abs(parameters / 1e6 - millions) < 0.01


def test_convnet_has_three_layers_of_128_channels():
    wide = [m for n, m in build("convnet", (1, 8, 8)).named_modules() if isinstance(m, nn.Conv2d) and n != "conv1"]
    assert [m.out_channels for m in wide] == [128, 128, 128]


CASES = [(name, form) for name, backbone in models.BACKBONES.items() for form in backbone.smallest]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_every_form_of_every_model_learns_from_its_smallest_image(name, form):
    least = models.BACKBONES[name].smallest[form]
    settings = {} if name == "convnet" else {"form": form}
    model = build(name, (3, least, least), **settings).train()
    out = model(torch.randn(2, 3, least, least))
    out.logsumexp(1).sum().backward()
    assert out.shape == (2, 10) and all(p.grad is not None for p in model.parameters())
    with pytest.raises(ConfigError, match=f"{name!r} needs images of at least {least}×{least}"):
        build(name, (3, least - 1, least + 9), **settings)


def test_the_tables_name_the_same_models():
    assert set(models.BACKBONES) == set(MODELS)
    assert all(set(b.smallest) <= set(FORMS) - {"auto"} for b in models.BACKBONES.values())


@pytest.mark.parametrize(("side", "form"), [(32, "cifar"), (64, "tiny"), (224, "imagenet")])
def test_the_form_follows_the_images(side, form):
    def state(**settings):
        return {k: v.shape for k, v in build("resnet18", (3, side, side), **settings).state_dict().items()}

    assert models.form(RunConfig(), (3, side, side + 50)) == form
    assert state() == state(form=form)
    assert models.form(RunConfig(form="imagenet"), (3, 32, 32)) == "imagenet"


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnets_for_large_images_are_torchvisions(name):
    ours, theirs = build(name, (3, 224, 224), classes=9).eval(), getattr(torchvision.models, name)(num_classes=9).eval()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 65, 71)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "form"), [("resnet18", "cifar"), ("resnet18", "tiny"), ("resnet50", "tiny")])
def test_resnets_for_small_images_are_torchvisions_with_another_stem(name, form):
    ours, theirs = build(name, classes=7, form=form).eval(), getattr(torchvision.models, name)(num_classes=7).eval()
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_wrn_is_resnet32_with_twice_the_channels():
    """6n + 2 layers with n = 5, and of ResNet-20 each stage twice as wide."""
    wide, thin = (dict(build(name).named_parameters()) for name in ("wrn32_2", "resnet20"))
    assert sum(p.dim() == 4 and "downsample" not in n for n, p in wide.items()) + 1 == 32
    for name in thin.keys() - {"conv1.weight", "fc.weight", "fc.bias"}:
        assert wide[name].shape[0] == 2 * thin[name].shape[0]


def test_mobilenet_computes_what_timms_does():
    """timm's names differ, its order does not."""
    ours, theirs = build("mobilenet_v1", (3, 224, 224), 6).eval(), timm.create_model("mobilenetv1_100", num_classes=6).eval()
    for act in [m for m in theirs.modules() if isinstance(m, nn.ReLU6)]:
        act.max_val = float("inf")   # ReLU in the paper
    state = theirs.state_dict()
    assert [v.shape for v in state.values()] == [v.shape for v in ours.state_dict().values()]
    theirs.load_state_dict(dict(zip(state, ours.state_dict().values())))
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_vgg16_for_large_images_is_torchvisions():
    ours, theirs = build("vgg16", (3, 224, 224), 3), torchvision.models.vgg16_bn(weights=None, num_classes=3, init_weights=False)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    x, ours, theirs = torch.randn(1, 3, 40, 40), ours.eval(), theirs.eval()
    theirs.load_state_dict(ours.state_dict())
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
