"""The networks, with module and parameter names as torchvision's, so that masks and weights travel."""

from __future__ import annotations

import torch
from torch import nn

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import ConfigError
from lthviz.nn import device
from lthviz.nn.models.convnet import ConvNet
from lthviz.nn.models.resnet import resnet18, resnet20
from lthviz.nn.models.vgg import vgg16

BUILDERS = {"convnet": ConvNet, "resnet20": resnet20, "resnet18": resnet18, "vgg16": vgg16}
SMALLEST = {"convnet": 4, "resnet20": 4, "resnet18": 8, "vgg16": 32}
"""Least height and width of an image that leaves a network something to look at."""


def build(config: RunConfig, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A fresh network on the run's device and in its memory format; equal seeds give equal weights.

    image_shape: (c, h, w). Convolutions start Kaiming normal (fan out), BatchNorm at 1 and 0, linear layers as torch's
    own. The global random state is left as it was. ConfigError when the images are too small for the network.
    """
    c, h, w = image_shape
    if min(h, w) < (least := SMALLEST[config.model]):
        raise ConfigError(f"model = {config.model!r} needs images of at least {least}×{least}; {config.data!r} has {h}×{w}")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seeds.derive(config.seed, "init"))
        model = BUILDERS[config.model](c, classes)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model.to(device=device.pick(config), memory_format=device.memory_format(config))
