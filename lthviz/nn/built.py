"""What a run has before it begins: its images, its network with θ0, the layers that are pruned, and what trains them."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from lthviz.config import RunConfig
from lthviz.nn import data, device, models, topology
from lthviz.nn.source import Source
from lthviz.nn.train import Trainer
from lthviz.nn.world import ALONE, World
from lthviz.records import Layer


class Built(NamedTuple):
    images: Source
    model: nn.Module
    layers: tuple[Layer, ...]
    trainer: Trainer


def built(config: RunConfig, world: World = ALONE) -> Built:
    """On the run's device. DataError where its images are missing or broken, ConfigError for settings that do not fit them."""
    place = device.pick(config, world)
    images = world.in_turns(lambda lead: data.load(config, place, check=lead))   # what has to be fetched or looked through is so once
    model = models.build(config, images.shape, len(images.classes)).to(images.device, memory_format=device.memory_format(config))
    layers = topology.layers(model, images.shape, linear=config.linear)
    return Built(images, model, layers, Trainer(config, images, layers, world))
