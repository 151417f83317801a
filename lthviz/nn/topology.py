"""The prunable convolutions of a network and how their channels hang together, without the network.

Prunable is every Conv2d except a stem called `conv1`; never BatchNorm, never the classifier (ICML 2022, section 3.1).
"""

from __future__ import annotations

import logging
import operator

import torch
from torch import fx, nn
from torch.nn import functional as F

from lthviz.nn.modes import evaluating
from lthviz.records import Layer

log = logging.getLogger(__name__)
STEM = "conv1"

# What keeps a channel of zeros a channel of zeros, and never mixes channels.
_KEEPS_ZERO = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Hardswish, nn.MaxPool2d, nn.AvgPool2d,
               nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Dropout2d, nn.Identity)
_KEEPS_ZERO_CALLS = {F.relu, F.relu_, torch.relu, torch.relu_, F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d,
                     F.dropout, F.dropout2d, F.gelu, F.silu, F.leaky_relu, F.relu6, "relu", "relu_", "contiguous", "clone"}
_ADDS = {operator.add, operator.iadd, torch.add, "add", "add_"}

Sources = frozenset[str] | None
"""The layers whose channels, or'ed, decide whether a channel can be non-zero; None: it always can."""


def layers(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """Every prunable convolution in forward order. image_shape: (c, h, w).

    Sources come from a torch.fx trace. A network that cannot be traced is still described, with every input taken as
    alive and no BatchNorm known; that is logged as a warning.
    """
    maps = _output_maps(model, image_shape)
    convs = {name: module for name, module in model.named_modules() if name in maps}
    try:
        sources, norms = _trace(model, set(convs))
    except Exception as e:  # fx raises errors of many kinds for control flow it cannot follow
        log.warning("%s cannot be traced (%s): every input channel counts as alive, no BatchNorm as a channel's own",
                    type(model).__name__, e)
        sources, norms = dict.fromkeys(convs), {}
    at = {name: i for i, name in enumerate(maps)}
    return tuple(Layer(
        name=f"{name}.weight", shape=tuple(convs[name].weight.shape), out_hw=hw, bn=norms.get(name, ""),
        sources=None if sources[name] is None else tuple(f"{s}.weight" for s in sorted(sources[name], key=at.__getitem__)),
        groups=convs[name].groups) for name, hw in maps.items())


def _output_maps(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, tuple[int, int]]:
    """(height, width) of each prunable convolution's output, in the order they run."""
    maps: dict[str, tuple[int, int]] = {}

    def hook(name: str):
        return lambda module, args, out: maps.setdefault(name, (out.shape[2], out.shape[3])) and None

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules()
               if isinstance(module, nn.Conv2d) and name != STEM]
    like = next(model.parameters())
    try:
        with evaluating(model), torch.no_grad():
            model(torch.zeros((1, *image_shape), dtype=like.dtype, device=like.device))
    finally:
        for handle in handles:
            handle.remove()
    return maps


def _trace(model: nn.Module, prunable: set[str]) -> tuple[dict[str, Sources], dict[str, str]]:
    """Sources of each prunable convolution's input, and the BatchNorm that reads its output alone."""
    graph = fx.Tracer().trace(model)
    modules = dict(model.named_modules())
    calls = [str(n.target) for n in graph.nodes if n.op == "call_module"]
    norms: dict[str, str] = {}
    for node in graph.nodes:
        if node.op == "call_module" and isinstance(modules[node.target], nn.BatchNorm2d) and isinstance(node.args[0], fx.Node):
            before = node.args[0]
            if before.op == "call_module" and before.target in prunable and calls.count(node.target) == 1:
                norms.setdefault(before.target, node.target)

    inputs: dict[str, Sources] = {}
    alive: dict[fx.Node, Sources] = {}
    for node in graph.nodes:
        args = [a for a in node.args if isinstance(a, fx.Node)]
        fed = alive[args[0]] if args else None
        alive[node] = None
        if node.op == "call_module":
            module = modules[node.target]
            if node.target in prunable:
                once = calls.count(node.target) == 1
                inputs[node.target] = fed if once else None
                alive[node] = frozenset({node.target}) if once else None
            elif isinstance(module, nn.BatchNorm2d):
                # Only the BatchNorm that is removed with its convolution's channels maps a removed channel to zero.
                own = args[0].op == "call_module" and norms.get(args[0].target) == node.target
                alive[node] = fed if own else None
            elif isinstance(module, _KEEPS_ZERO):
                alive[node] = fed
        elif node.op in ("call_function", "call_method"):
            if node.target in _ADDS and len(args) == 2 and all(alive[a] is not None for a in args):
                alive[node] = alive[args[0]] | alive[args[1]]
            elif node.target in _KEEPS_ZERO_CALLS:
                alive[node] = fed
    return inputs, norms
