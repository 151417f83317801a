"""Named settings to start from, each with where they come from and what was shortened."""

from __future__ import annotations

from typing import Any, NamedTuple

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.errors import ConfigError, did_you_mean


class Preset(NamedTuple):
    """A configuration with its title, what to expect of it, and its source."""

    config: RunConfig
    title: str
    note: str
    source: str


_PAPER = "ICML 2022, section 4.1 and the appendix's table of settings"
_FAST = {"precision": "bfloat16", "memory_format": "channels_last"}
"""How, not what, is trained: the paper says nothing of it."""
_ORDER = "a study of the paper; days on a CPU, hours on a GPU"


def _paper(model: str, title: str, data: str, name: str, note: str = _ORDER, source: str = _PAPER, **settings: Any) -> Preset:
    """A column of the paper's table: its defaults are RunConfig's, the rest is said here."""
    return Preset(RunConfig(model=model, data=data, structures=(Refill(), Regroup()), **_FAST, **settings), f"{title}, {name}", note, source)


def shortened(base: Preset, epochs: int, rounds: int) -> Preset:
    """The preset with fewer epochs, their milestones in proportion, and fewer rounds; it says so, and by how much."""
    c = base.config
    milestones = tuple(max(1, round(m * epochs / c.epochs)) for m in c.milestones)
    note = (f"shortened: {epochs} of {c.epochs} epochs a training (milestones {', '.join(map(str, milestones))}), {rounds} of {c.rounds} rounds; "
            "for a look at the method, not for the paper's figures")
    return Preset(c.replace(epochs=epochs, rounds=rounds, milestones=milestones), f"{base.title}, short", note, f"{base.source}, shortened")


_SHORT = {"epochs": 16, "rounds": 5}
_TINY = {"epochs": 95, "milestones": (30, 60)}

PRESETS: dict[str, Preset] = {
    "digits": Preset(
        RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4, min_rows=8), Random()), rounds=12,
                  epochs=5, batch_size=50, lr=0.1, weight_decay=5e-4, schedule="cosine", warmup=1, augment="shift",
                  train_images=500, rewind=0.1, memory_format="channels_last", threads=1),
        "Handwritten digits", "a whole study in about a minute on two cores: dense and 12 rounds, four tickets each",
        "ours, for a first look: few images and five epochs, so that a mask has to be good to learn in time"),
    "resnet20-cifar10": Preset(
        RunConfig(model="resnet20", data="cifar10", structures=(Refill(), Regroup()), memory_format="channels_last"),
        "ResNet-20, CIFAR-10", "the small member of the family; below 65 channels no group forms at the default minimum",
        "ours, with the settings of ICML 2022, section 4.1"),
    "wrn32-cifar10": _paper("wrn32_2", "WRN-32-2", "cifar10", "CIFAR-10"),
    "wrn32-cifar100": _paper("wrn32_2", "WRN-32-2", "cifar100", "CIFAR-100", weight_decay=2e-4),
    "resnet18-cifar10": _paper("resnet18", "ResNet-18", "cifar10", "CIFAR-10"),
    "resnet18-cifar100": _paper("resnet18", "ResNet-18", "cifar100", "CIFAR-100", weight_decay=2e-4),
    "mobilenet-cifar10": _paper("mobilenet_v1", "MobileNet-v1", "cifar10", "CIFAR-10"),
    "mobilenet-cifar100": _paper("mobilenet_v1", "MobileNet-v1", "cifar100", "CIFAR-100", weight_decay=2e-4, batch_size=64),
    "vgg16-cifar10": _paper("vgg16", "VGG-16", "cifar10", "CIFAR-10", weight_decay=2e-4),
    "vgg16-cifar100": _paper("vgg16", "VGG-16", "cifar100", "CIFAR-100", weight_decay=5e-4),
    "resnet50-tiny": _paper("resnet50", "ResNet-50", "tiny-imagenet", "Tiny-ImageNet", weight_decay=5e-4, batch_size=32, augment="rotate-flip", **_TINY,
                            source=f"{_PAPER}; rotations from the released code"),
    "resnet50-imagenet": _paper("resnet50", "ResNet-50", "imagenet", "ImageNet", "weeks on one GPU; several with torchrun", augment="resized-crop",
                                batch_size=256, validation=0.02, **_TINY,
                                source=f"{_PAPER}, which leaves the batch open: 256, as is usual with this learning rate"),
    "resnet50-imagenet-released": _paper("resnet50", "ResNet-50", "imagenet", "ImageNet as in the released code", "weeks on one GPU; several with torchrun",
                                         "the released code's ImageNet script, which differs from section 4.1", augment="resized-crop", validation=0.02,
                                         epochs=90, batch_size=1024, lr=0.4, warmup=5, rewind=15 / 90, milestones=(30, 60), after_rewind="restart"),
}
PRESETS |= {f"{name}-short": shortened(PRESETS[name], **_SHORT) for name in (
    "resnet20-cifar10", "wrn32-cifar10", "resnet18-cifar10", "mobilenet-cifar10", "vgg16-cifar10")}


def preset(name: str) -> Preset:
    """The preset of that name; ConfigError names the near misses."""
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is not known; {did_you_mean(name, PRESETS)}")
    return PRESETS[name]
