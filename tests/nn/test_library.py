"""Networks of torchvision and timm by name: channels, classes, stem, and what is said of those that will not do."""

from __future__ import annotations

import sys

import pytest
import timm
import torch
from torch import nn

from lthviz.config import RunConfig
from lthviz.errors import ConfigError
from lthviz.nn import models, topology
from lthviz.store.folders import valid


def build(name: str, shape=(3, 32, 32), classes: int = 7, **settings) -> nn.Module:
    return models.build(RunConfig(model=name, **settings), shape, classes)


@pytest.mark.parametrize(("name", "shape", "stem"), [
    ("torchvision:mobilenet_v3_small", (1, 40, 40), "features.0.0"), ("torchvision:squeezenet1_1", (3, 48, 48), "features.0"),
    ("timm:resnet10t", (2, 33, 33), "conv1.0"), ("timm:test_efficientnet", (1, 32, 32), "conv_stem")])
def test_channels_classes_and_stem(name, shape, stem):
    model = build(name, shape)
    first = model.get_submodule(stem)
    assert first.in_channels == shape[0]
    with torch.no_grad():
        assert model.eval()(torch.zeros(2, *shape)).shape == (2, 7)
    convolutions = {n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    classifier = {"classifier.1"} if "squeezenet" in name else set()     # a 1×1 convolution whose rows are the classes
    assert {x.short for x in topology.layers(model, shape)} == convolutions - {stem} - classifier
    assert topology.layers(model, shape, linear="all")[-1].classifier


def test_weights_come_from_the_seed_alone_and_leave_the_global_state():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a = build("torchvision:squeezenet1_1", (3, 48, 48), seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    b, c = (build("torchvision:squeezenet1_1", (3, 48, 48), seed=s).state_dict() for s in (3, 4))
    assert all(torch.equal(a[k], b[k]) for k in a) and not all(torch.equal(a[k], c[k]) for k in a)


def test_nothing_is_downloaded(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network reached for the net")

    monkeypatch.setattr("socket.socket.connect", refuse)
    build("timm:test_resnet")
    build("torchvision:squeezenet1_1", (3, 48, 48))


@pytest.mark.parametrize(("name", "shape", "said"), [
    ("torchvision:mobilenet_v3_smal", (3, 32, 32), r"not known to torchvision; did you mean mobilenet_v3_small"),
    ("torchvision:fcn_resnet50", (3, 32, 32), "not known to torchvision"),      # no classifier
    ("timm:resnet62", (3, 32, 32), r"not known to timm; did you mean .*resnet26"),
    ("timm:xyzzy", (3, 32, 32), "not known to timm; timm.list_models"),
    ("torchvision:vit_b_32", (3, 224, 224), "one convolution only, its stem"),
    ("torchvision:alexnet", (3, 32, 32), "cannot take images of 3×32×32"),
    ("timm:test_vit", (3, 160, 160), "one convolution only"),
    ("timm:test_nfnet", (3, 96, 96), "ScaledStdConv2d(Same)?, which compute other weights from their own"),
])
def test_what_will_not_do_is_said_in_a_line(name, shape, said):
    with pytest.raises(ConfigError, match=said) as caught:
        build(name, shape)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_without_timm_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match="'timm:resnet26' needs the package timm, which is not installed; pip install timm"):
        build("timm:resnet26")


def test_the_name_is_checked_with_the_settings_and_the_id_is_a_folder():
    ids = set()
    for name in ("torchvision:mobilenet_v3_small", "timm:resnet26", "timm:resnet26t.ra2_in1k"):
        config = RunConfig(model=name)
        assert valid(config.run_id) and config.run_id.startswith(name.replace(":", "-") + "-cifar10-")
        ids.add(config.run_id)
    assert len(ids) == 3
    for name in ("timm", "timm:", "timm:a/b", "keras:resnet50", "timm:hf-hub:x", "timm:../x"):
        with pytest.raises(ConfigError, match="model = "):
            RunConfig(model=name)
    with pytest.raises(ConfigError, match="form = 'cifar' does nothing for model = 'timm:resnet26'"):
        RunConfig(model="timm:resnet26", form="cifar")


def test_known_convolutions_are_timms_that_use_their_weight_as_it_is():
    """Those that are refused give another output with a weight's zeros left alone: a pruned weight that comes back."""
    from timm import layers

    from lthviz.nn.operations import KNOWN_CONVOLUTIONS

    kinds = {c for c in vars(layers).values() if isinstance(c, type) and issubclass(c, nn.Conv2d)}
    assert timm.__version__ and "Conv2dSame" in {c.__name__ for c in kinds}
    for kind in kinds:
        torch.manual_seed(0)
        conv = kind(3, 4, 3, bias=False)
        with torch.no_grad():
            conv.weight[:, 0] = 0     # what reads channel 0 is pruned
            x, other = torch.randn(1, 3, 9, 9), torch.randn(1, 9, 9)
            changed = x.clone()
            changed[:, 0] = other
            assert torch.equal(conv(x), conv(changed)) == (kind.__name__ in KNOWN_CONVOLUTIONS), kind
