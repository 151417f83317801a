"""The networks, with module and parameter names as torchvision's, so that masks and weights travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import ConfigError
from lthviz.nn import device
from lthviz.nn.models import library
from lthviz.nn.models.convnet import ConvNet
from lthviz.nn.models.mobilenet import mobilenet_v1
from lthviz.nn.models.resnet import resnet8, resnet18, resnet20, resnet50, wrn32_2
from lthviz.nn.models.vgg import vgg16


class Backbone(NamedTuple):
    """build: (channels, classes, form) to a network. stem: the convolution that is never pruned, '' where all of them are prunable
    (section 3.1: VGG's first is). smallest: by form, the least height and width of an image that leaves something to look at."""

    build: Callable[[int, int, str], nn.Module]
    stem: str
    smallest: Mapping[str, int]


def _each(small: int, large: int) -> dict[str, int]:
    return {"cifar": small, "tiny": small, "imagenet": large}


BACKBONES = {
    "convnet": Backbone(lambda channels, classes, form: ConvNet(channels, classes), "conv1", {"cifar": 4}),
    "resnet8": Backbone(resnet8, "conv1", _each(8, 16)),
    "resnet20": Backbone(resnet20, "conv1", _each(4, 16)),
    "wrn32_2": Backbone(wrn32_2, "conv1", _each(4, 16)),
    "resnet18": Backbone(resnet18, "conv1", _each(8, 32)),
    "resnet50": Backbone(resnet50, "conv1", _each(8, 32)),
    "vgg16": Backbone(vgg16, "", _each(32, 32)),
    "mobilenet_v1": Backbone(mobilenet_v1, "conv1", _each(16, 32)),
}


def form(config: RunConfig, image_shape: tuple[int, int, int]) -> str:
    """The form that `config.form` means for images (c, h, w): under `auto` cifar below 48 pixels, tiny below 112, else imagenet."""
    if config.form != "auto":
        return config.form
    least = min(image_shape[1:])
    known = BACKBONES[config.model].smallest
    return "cifar" if least < 48 or len(known) == 1 else "tiny" if least < 112 else "imagenet"


def smallest(config: RunConfig, image_shape: tuple[int, int, int]) -> int:
    """Least height and width of an image for the run's network; 1 for a library's, which says so itself."""
    if config.model not in BACKBONES:
        return 1
    return BACKBONES[config.model].smallest[form(config, image_shape)]


def build(config: RunConfig, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A fresh network on the run's device and in its memory format; equal seeds give equal weights.

    image_shape: (c, h, w). Convolutions start Kaiming normal (fan out), BatchNorm at 1 and 0, linear layers as torch's
    own; a library's network starts as the library starts it. The global random state is left as it was. ConfigError when the images
    are too small for the network, or a library's network is not there.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seeds.derive(config.seed, "init"))
        if config.model in BACKBONES:
            model = _own(config, image_shape, classes)
        else:
            model = library.build(config.model, image_shape, classes)
            model.lthviz_stem = None   # the first that reads the image; see topology.layers
    return model.to(device=device.pick(config), memory_format=device.memory_format(config))


def _own(config: RunConfig, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    (c, h, w), backbone, which = image_shape, BACKBONES[config.model], form(config, image_shape)
    if min(h, w) < (least := smallest(config, image_shape)):
        raise ConfigError(f"model = {config.model!r} needs images of at least {least}×{least}"
                          + (f" in form {which!r}" if len(set(backbone.smallest.values())) > 1 else "") + f"; {config.data!r} has {h}×{w}")
    model = backbone.build(c, classes, which)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    model.lthviz_stem = backbone.stem
    return model
