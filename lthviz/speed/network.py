"""A network as it is timed: masked, in evaluation mode, its BatchNorm with statistics that belong to its weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import ConfigError, MaskError, SpeedError, did_you_mean
from lthviz.nn import models
from lthviz.nn.masking import Masked
from lthviz.records import Layer, Masks
from lthviz.speed import machine

Shape = tuple[int, int, int]


def build(name: str, image_shape: Shape, classes: int, *, form: str = "auto", weights: Mapping[str, np.ndarray] | None = None,
          seed: int = 0) -> nn.Module:
    """One of the project's networks, or of a library's, on the CPU, its random weights replaced by those given (parameters and
    buffers by name). form: as in RunConfig.

    SpeedError for a network that is unknown or cannot be built for such images, MaskError for weights that do not belong to it.
    """
    try:
        config = RunConfig(model=name, form=form, seed=seed, device="cpu")
        least = models.smallest(config, image_shape)
        if min(image_shape[1:]) < least:
            raise SpeedError(f"image {'x'.join(map(str, image_shape))} is too small for {name}; it needs at least {least} pixels in height and width")
        model = models.build(config, image_shape, classes)
    except ConfigError as e:
        raise SpeedError(str(e)) from None
    state = model.state_dict()
    for key, value in (weights or {}).items():
        if key not in state:
            raise MaskError(f"the weights name {key!r}, which {name} does not have; {did_you_mean(key, state)}")
        value = torch.tensor(np.asarray(value))
        if value.shape != state[key].shape:
            raise MaskError(f"weight {key!r} has shape {tuple(value.shape)}; that of {name} has {tuple(state[key].shape)}")
        state[key].copy_(value)   # a tensor of state_dict shares the parameter's memory
    return model.eval()


def fit(masks: Masks, layers: Sequence[Layer]) -> tuple[Masks, list[str]]:
    """Masks for every layer, and the names of those that had none and stay dense. MaskError for a mask that does not fit."""
    known = {layer.name: layer.shape for layer in layers}
    for name in masks:
        if name not in known:
            raise MaskError(f"there is a mask for {name!r}, but no such prunable layer in the network; {did_you_mean(name, known)}")
        if masks.shape(name) != known[name]:
            raise MaskError(f"mask {name!r} has shape {masks.shape(name)}; the network's weight has {known[name]}")
    whole = [name for name in known if name not in masks]
    return Masks.of({n: masks[n] if n in masks else np.ones(shape, bool) for n, shape in known.items()}), whole


def masked(model: nn.Module, layers: Sequence[Layer], masks: Masks, image_shape: Shape, *, structural: bool, seed: int = 0) -> nn.Module:
    """A copy of the network with what is masked set to zero, in evaluation mode.

    Where its BatchNorms are as they were born they get scales, shifts and the statistics of random images, by seed: an identity
    would hide mistakes in folding them.
    """
    out = copy.deepcopy(model)
    laid = Masked(out, layers, masks, structural=structural)
    laid.enforce()
    norms = [m for m in out.modules() if isinstance(m, nn.BatchNorm2d)]
    if norms and all(m.running_mean is not None and not m.running_mean.any() and bool((m.running_var == 1).all()) for m in norms):
        _give_statistics(out, norms, laid, image_shape, seed)
    return out.eval().requires_grad_(False)


@torch.no_grad()
def _give_statistics(model: nn.Module, norms: Sequence[nn.BatchNorm2d], laid: Masked, image_shape: Shape, seed: int) -> None:
    random = torch.Generator().manual_seed(seeds.derive(seed, "speed"))
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5, generator=random)
        norm.bias.normal_(0, 0.1, generator=random)
        norm.momentum = None   # the statistics become those of the one batch
    laid.enforce()
    model.train()
    images = max(2, min(16, 16 * 64 * 64 // math.prod(image_shape[1:])))   # of a large one a few are as many pixels
    model(torch.randn((images, *image_shape), generator=random))
    # A channel that is zero everywhere has no variance; as a divisor that would be unlike anything that training leaves.
    for norm in norms:
        norm.running_var.clamp_(min=1e-3)


@torch.no_grad()
def inputs(model: nn.Module, image: torch.Tensor) -> dict[str, torch.Size]:
    """Shape of what each convolution and linear layer reads, by parameter name, for that batch of images."""
    seen: dict[str, torch.Size] = {}

    def hook(name: str):
        return lambda module, args: seen.setdefault(f"{name}.weight", args[0].shape) and None

    handles = [m.register_forward_pre_hook(hook(name)) for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    try:
        model(image[:1])
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.Size((len(image), *shape[1:])) for name, shape in seen.items()}


def check_memory(model: nn.Module, image_shape: Shape, batch: int, device: str = "cpu") -> None:
    """SpeedError instead of starting what does not fit into the memory that is free. Nothing is run for it, and nothing allocated."""
    an_image = 8 * largest_map(model, image_shape)   # a layer's input and output, and what the forms keep for themselves
    fixed = 10 * sum(4 * p.numel() for p in model.parameters())
    free = machine.free_bytes() if device == "cpu" else torch.cuda.mem_get_info(device)[0]
    if free is None or fixed + batch * an_image <= free:
        return
    most, gib = max(0, (free - fixed) // an_image), 2**30
    image = "x".join(map(str, image_shape))
    raise SpeedError(f"batch = {batch} of images {image} needs about {(fixed + batch * an_image) / gib:,.1f} GiB of memory, and {free / gib:,.1f} GiB are free; "
                     + (f"use at most {most}" if most else "there is too little even for one image; use smaller ones"))


@torch.no_grad()
def largest_map(model: nn.Module, image_shape: Shape) -> int:
    """Bytes of the largest feature map of one image, by shapes alone: no map is computed."""
    bare = copy.deepcopy(model).eval().to("meta")
    sizes = [math.prod(image_shape)]
    for module in bare.modules():
        module.register_forward_hook(lambda module, args, out: sizes.append(out[0].numel()) if isinstance(out, torch.Tensor) else None)
    bare(torch.empty((1, *image_shape), device="meta"))
    return 4 * max(sizes)
