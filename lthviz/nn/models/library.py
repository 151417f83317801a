"""Convolutional classifiers of torchvision and timm by name: `torchvision:mobilenet_v3_small`, `timm:resnet26`.

Always with fresh weights, as the library starts them: nothing is ever downloaded. timm is an optional requirement.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from lthviz.errors import ConfigError, did_you_mean
from lthviz.nn.modes import evaluating
from lthviz.nn.operations import KNOWN_CONVOLUTIONS

_WITHOUT_AUXILIARY = {"googlenet", "inception_v3"}
"""Of torchvision: what would return the outputs of auxiliary classifiers besides its own while it trains."""


def build(model: str, image_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network for images (c, h, w). ConfigError: a library that is not installed, a name that it does not know, a network
    that cannot take such images, is no classifier or has nothing to prune.
    """
    library, _, name = model.partition(":")
    made = {"torchvision": _torchvision, "timm": _timm}[library](model, name, image_shape[0], classes)
    convolutions = [m for m in made.modules() if isinstance(m, nn.Conv2d)]
    if strange := {type(m).__name__ for m in convolutions if type(m).__name__ not in KNOWN_CONVOLUTIONS}:
        raise ConfigError(f"model = {model!r} has convolutions of the kind {sorted(strange)[0]}, which compute other weights from their own: "
                          "a pruned weight would not stay zero; choose a network of plain convolutions")
    if len(convolutions) < 2:
        raise ConfigError(f"model = {model!r} has {'no convolution' if not convolutions else 'one convolution only, its stem'}: there is nothing "
                          "to prune; choose a convolutional network")
    _try(made, model, image_shape, classes)
    return made


def _torchvision(model: str, name: str, channels: int, classes: int) -> nn.Module:
    from torchvision import models as zoo

    names = zoo.list_models(module=zoo)
    if name not in names:
        raise ConfigError(f"model = {model!r} is not known to torchvision; {_few(did_you_mean, name, names, 'torchvision.models.list_models()')}")
    more = {"aux_logits": False, "init_weights": True} if name in _WITHOUT_AUXILIARY else {}
    made = zoo.get_model(name, weights=None, num_classes=classes, **more)
    if channels != 3:
        where, stem = next(((n, m) for n, m in made.named_modules() if isinstance(m, nn.Conv2d)), ("", None))
        if stem is not None:   # torchvision builds for three channels only
            owner, _, last = where.rpartition(".")
            setattr(made.get_submodule(owner), last, nn.Conv2d(
                channels, stem.out_channels, stem.kernel_size, stem.stride, stem.padding, stem.dilation, bias=stem.bias is not None))
    return made


def _timm(model: str, name: str, channels: int, classes: int) -> nn.Module:
    try:
        import timm
    except ModuleNotFoundError:
        raise ConfigError(f"model = {model!r} needs the package timm, which is not installed; pip install timm") from None
    if not timm.is_model(name):
        raise ConfigError(f"model = {model!r} is not known to timm; {_few(did_you_mean, name, timm.list_models())}")
    try:
        return timm.create_model(name, pretrained=False, num_classes=classes, in_chans=channels)
    except Exception as e:  # a few take no in_chans, or have none of the usual arguments
        raise ConfigError(f"model = {model!r} cannot be built for {channels} channels and {classes} classes: {_line(e)}") from None


def _few(tail: Callable, name: str, names: list[str], all_of: str = "timm.list_models()") -> str:
    """A thousand names are no help in a line."""
    said = tail(name, names)
    return said if len(said) < 500 else f"{all_of} names all"


def _try(made: nn.Module, model: str, image_shape: tuple[int, int, int], classes: int) -> None:
    """One image through a copy: what does not fit is known before a run begins."""
    trial = copy.deepcopy(made)
    try:
        with evaluating(trial), torch.no_grad():
            out = trial(torch.zeros((1, *image_shape)))
    except Exception as e:  # networks say in all ways that an image is too small or of another size than they are made for
        raise ConfigError(f"model = {model!r} cannot take images of {'×'.join(map(str, image_shape))}: {_line(e)}") from None
    if not isinstance(out, torch.Tensor) or tuple(out.shape) != (1, classes):
        raise ConfigError(f"model = {model!r} is no classifier of images: it makes {tuple(getattr(out, 'shape', ())) or type(out).__name__} "
                          f"of one image and {classes} classes")


def _line(error: Exception) -> str:
    return f"{' '.join(str(error).split())[:200] or type(error).__name__}"
