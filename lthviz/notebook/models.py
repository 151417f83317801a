"""A user's own network as the rest of lthviz wants it: unwrapped, its prunable layers known, its weights and masks as numpy arrays."""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from lthviz.choices import LINEAR
from lthviz.errors import ConfigError, MaskError, did_you_mean
from lthviz.nn import topology
from lthviz.nn.modes import evaluating
from lthviz.notebook.given import clear, full_name
from lthviz.records import Layer, Masks

SIDES = (32, 64, 224, 28, 8, 96, 128, 256, 299)
"""Heights and widths that are tried where only the names of the layers are wanted, which do not depend on them."""
Shape = tuple[int, int, int]


@clear
def layers(model: nn.Module, image_shape: Shape | None = None, *, linear: str = "none", names: Iterable[str] | None = None) -> tuple[Layer, ...]:
    """The prunable layers of a network, in the order in which they run: every convolution but the stem (one called `conv1`) and the classifier.

    model: any nn.Module that takes images (N, c, h, w); wrappers of DataParallel and torch.compile are looked through. It is left as it was.
    image_shape: (c, h, w) of one image; decides the size of every layer's map, and with it its multiply-adds.
    linear: which linear layers are pruned as well: `none`, `hidden` (all but the classifier) or `all`.
    names: exactly these layers instead, by parameter or module name, the stem and the classifier too where they are named.

    Returns: one Layer each: name, shape of its weight, size of its map, the BatchNorm behind it, the layers that feed it, whether its rows are the
    classes. Of a network that torch.fx cannot trace, what feeds what is not known: a warning says so, and every input counts as alive.
    Errors: ConfigError where there is nothing to prune, image_shape is missing or the network does not run on such images; AddressError for an unknown name.
    Source: ICML 2022, section 3.1, prunes the convolutions alone.
    Example:
        layers = lt.layers(model, (3, 32, 32))
        print(layers[0].name, layers[0].matrix, layers[0].macs)
    """
    model = unwrapped(model)
    if image_shape is None:
        raise ConfigError("image_shape is missing: the size of every layer's map depends on it; give (channels, height, width), as in lt.layers(model, (3, 32, 32))")
    return described(model, image_shape, linear=linear, names=None if names is None else named(model, names))


@clear
def weights(model: nn.Module, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Copies of the weights of a network's convolutions and linear layers, as arrays.

    model: any nn.Module. Under torch.nn.utils.prune a weight is `weight_orig` times its mask.
    names: of which layers, by parameter or module name; None: of all.

    Returns: float32 arrays by parameter name, of the weights' shapes (C_out, C_in/groups, kh, kw) or (out, in).
    Errors: AddressError for a layer that is not there; MaskError for a weight that is no tensor of numbers.
    Source: what `lt.prune` and `lt.magnitude_scores` read; ICML 2022, section 3.1.
    Example:
        big = lt.magnitude_scores(masks, lt.weights(model))
    """
    model = unwrapped(model)
    return {name: _array(_weight(model, name)) for name in (named(model, names) if names is not None else list(_weighted(model)))}


@clear
def masks_of(model: nn.Module, *, linear: str = "none", image_shape: Shape | None = None) -> Masks:
    """The masks that a network already carries: the buffers of torch.nn.utils.prune, else the zeros in its prunable weights.

    model: any nn.Module. Where one layer or more are pruned by torch.nn.utils.prune, those are the masks, whichever layers they are.
    linear: without such buffers, which linear layers count as prunable: `none`, `hidden` or `all`.
    image_shape: (c, h, w), needed only where the layers cannot be found by trying some; see `lt.magnitude`.

    Returns: Masks, one bit a weight, 1 where it is kept; all 1 for a dense network.
    Errors: ConfigError for a network without prunable layers.
    Source: torch.nn.utils.prune; zeros as in ICML 2022, section 3.1.
    Example:
        same = lt.masks_of(model)
    """
    model = unwrapped(model)
    buffers = {name: module.weight_mask for name, module in ((n, m) for n, m in model.named_modules()) if _is_pruned(module)}
    if buffers:
        return Masks.of({f"{name}.weight": mask.detach().cpu().numpy() != 0 for name, mask in buffers.items()})
    return Masks.of({layer.name: _array(_weight(model, layer.name)) != 0 for layer in described(model, image_shape, linear=linear)})


# Beneath ---------------------------------------------------------------------------------------------------------------


def unwrapped(model: nn.Module) -> nn.Module:
    """The network inside what DataParallel, DistributedDataParallel and torch.compile put around it. ConfigError for what is no network."""
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model should be a torch.nn.Module; this is a {type(model).__name__}")
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            break
    if isinstance(model, nn.Conv2d | nn.Linear):
        raise ConfigError(f"model is a single {type(model).__name__}; put it into an nn.Sequential, so that its weight has a name")
    return model


def plain(model: nn.Module) -> nn.Module:
    """A copy whose weights are parameters again, where torch.nn.utils.prune holds them."""
    model = unwrapped(model)
    for module in model.modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, torch_prune.BasePruningMethod):   # a product that autograd made cannot be copied
                setattr(module, hook._tensor_name, getattr(module, hook._tensor_name).detach())
    out = copy.deepcopy(model)
    for module in out.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, torch_prune.BasePruningMethod):
                torch_prune.remove(module, hook._tensor_name)
    return out


def described(model: nn.Module, image_shape: Shape | None, *, linear: str = "none", names: Collection[str] | None = None) -> tuple[Layer, ...]:
    """The layers as `layers` gives them; without a shape, with sizes of maps that mean nothing."""
    if linear not in LINEAR:
        raise ConfigError(f"linear = {linear!r} is not known; {did_you_mean(str(linear), LINEAR)}")
    if not any(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()):
        raise ConfigError(f"{type(model).__name__} has no prunable layer: there is neither a convolution (nn.Conv2d) nor a linear layer in it")
    shape = checked_shape(image_shape) if image_shape is not None else guessed_shape(model)
    if any(_is_pruned(m) for m in model.modules()):
        model = plain(model)
    if why := _fails(model, shape):
        raise ConfigError(f"{type(model).__name__} does not run on images of shape {shape}: {why}")
    found = topology.layers(model, shape, linear=linear, names=names)
    if not found:
        has = "its one convolution is its stem or its classifier" if any(isinstance(m, nn.Conv2d) for m in model.modules()) else "no convolution (nn.Conv2d) runs"
        raise ConfigError(f"{type(model).__name__} has no prunable layer: {has}; linear = 'hidden' prunes its linear layers; lt.layers takes any by names = [...], lt.magnitude by layers = [...]")
    return found


def of_masks(model: nn.Module, masks: Masks, image_shape: Shape | None = None) -> tuple[Layer, ...]:
    """The prunable layers and whatever else has a mask. MaskError for a mask that fits no layer."""
    known = _weighted(model)
    for name in masks:
        if name not in known:
            raise MaskError(f"there is a mask for {name!r}, but no such convolution or linear layer in the network; {did_you_mean(name, known)}")
        if masks.shape(name) != known[name]:
            raise MaskError(f"mask {name!r} has shape {masks.shape(name)}; the network's weight has {known[name]}")
    try:
        usual = described(model, image_shape)
    except ConfigError:
        if image_shape is not None and _fails(model, checked_shape(image_shape)):
            raise
        usual = ()    # only what the masks name is pruned
    if set(masks) <= {x.name for x in usual}:
        return usual
    found = described(model, image_shape, names={*masks, *(x.name for x in usual)})
    if idle := [name for name in masks if name not in {x.name for x in found}]:
        raise MaskError(f"mask {idle[0]!r} is of a layer that does not run when the network is called")
    return found


def checked_shape(shape: Sequence[int]) -> Shape:
    if not isinstance(shape, Sequence) or len(shape) != 3 or any(type(x) is not int or x < 1 for x in shape):
        raise ConfigError(f"image_shape = {shape!r} should be (channels, height, width), without the batch, as in (3, 32, 32)")
    return tuple(shape)


def guessed_shape(model: nn.Module) -> Shape:
    """A shape on which the network runs: of no use but to find its layers."""
    first = next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    for channels in dict.fromkeys((first, 3, 1)):
        for side in SIDES:
            if channels and not _fails(model, (channels, side, side)):
                return channels, side, side
    raise ConfigError(f"image_shape is missing, and {type(model).__name__} runs on no square image of the usual sizes; give image_shape = (channels, height, width)")


def named(model: nn.Module, names: Iterable[str]) -> list[str]:
    known = _weighted(model)
    return [full_name(name.name if isinstance(name, Layer) else name, known) for name in ([names] if isinstance(names, str) else names)]


def _fails(model: nn.Module, shape: Shape) -> str:
    """Why the network does not run on one image of that shape, in a line; '' where it does."""
    like = next(model.parameters())
    try:
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            model(torch.zeros((1, *shape), dtype=like.dtype, device=like.device))
    except Exception as e:   # what a stranger's forward raises can be anything
        logging.getLogger(__name__).debug("does not run on %s", shape, exc_info=True)
        return next((x for x in str(e).splitlines() if x.strip()), type(e).__name__)[:200]
    return ""


def _is_pruned(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d | nn.Linear) and isinstance(getattr(module, "weight_mask", None), torch.Tensor) and hasattr(module, "weight_orig")


def _weighted(model: nn.Module) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the weights of all convolutions and linear layers by parameter name."""
    return {f"{name}.weight": tuple(module.weight.shape) for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}


def _weight(model: nn.Module, name: str) -> torch.Tensor:
    module = model.get_submodule(name.removesuffix(".weight"))
    return module.weight_orig * module.weight_mask if _is_pruned(module) else module.weight


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.array(tensor.detach().float().cpu().numpy(), order="C")


def check_own_weights(model: nn.Module, names: Iterable[str]) -> None:
    """MaskError for a weight that something else computes at every call, so that zeros in it would not last."""
    own = dict(model.named_parameters(remove_duplicate=False))
    for name in names:
        if name not in own:
            by = "torch.nn.utils.prune" if f"{name}_orig" in own else "a parametrization"
            raise MaskError(f"{name} is computed by {by} at every call; make it permanent first, as torch.nn.utils.prune.remove does, or mask a copy with copy=True")
