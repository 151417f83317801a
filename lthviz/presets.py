"""Named settings to start from, each with where they come from and what was shortened."""

from __future__ import annotations

from typing import NamedTuple

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.errors import ConfigError, did_you_mean

_BRANCHES = (Refill(), Regroup())


class Preset(NamedTuple):
    """A configuration with its title, what to expect of it, and its source."""

    config: RunConfig
    title: str
    note: str
    source: str


PRESETS: dict[str, Preset] = {
    "digits": Preset(
        RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4, min_rows=8), Random()), rounds=12,
                  epochs=5, batch_size=50, lr=0.1, weight_decay=5e-4, schedule="cosine", warmup=1, augment="shift",
                  train_images=500, rewind=0.1, memory_format="channels_last", threads=1),
        "Handwritten digits", "a whole study in about a minute on two cores: dense and 12 rounds, four tickets each",
        "ours, for a first look: few images and five epochs, so that a mask has to be good to learn in time"),
    "resnet20-cifar10": Preset(
        RunConfig(model="resnet20", data="cifar10", structures=_BRANCHES, memory_format="channels_last"),
        "ResNet-20, CIFAR-10", "the small member of the family; below 65 channels no group forms at the default minimum",
        "ICML 2022, section 4.1 settings"),
    "resnet18-cifar10": Preset(
        RunConfig(model="resnet18", data="cifar10", structures=_BRANCHES, precision="bfloat16", memory_format="channels_last"),
        "ResNet-18, CIFAR-10", "a study of the paper; days on a CPU, hours on a GPU", "ICML 2022, section 4.1 and appendix"),
    "vgg16-cifar10": Preset(
        RunConfig(model="vgg16", data="cifar10", structures=_BRANCHES, weight_decay=2e-4, precision="bfloat16",
                  memory_format="channels_last"),
        "VGG-16, CIFAR-10", "a study of the paper; days on a CPU, hours on a GPU", "ICML 2022, section 4.1 and appendix"),
}


def preset(name: str) -> Preset:
    """The preset of that name; ConfigError names the near misses."""
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is not known; {did_you_mean(name, PRESETS)}")
    return PRESETS[name]
