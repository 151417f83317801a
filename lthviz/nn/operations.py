"""What the operations of a traced network do to channels: the one table that all readers of a network's graph share.

`topology` asks which removed channels arrive as zeros, `channels` and `compact` what the smaller network keeps, `speed.graph` what
there is to compute. What is not in these tables may do anything: none of them relies on it.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

KNOWN_CONVOLUTIONS = {"Conv2d", "Conv2dSame"}
"""Class names of convolutions that compute with their own weight as it is, whatever they do to the border."""

ADDS = {operator.add, operator.iadd, torch.add, "add", "add_"}
MULTIPLIES = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"}
IN_PLACE = {operator.iadd, operator.imul, F.relu_, torch.relu_, "relu_", "add_", "mul_"}
SAME = {"contiguous", "clone", F.dropout, F.dropout2d}
"""What hands on its input in evaluation mode."""
FLATTENS = {torch.flatten, "flatten"}
RESHAPES = {"view", "reshape"}
MEANS = {torch.mean, "mean"}

# What keeps a channel of zeros a channel of zeros, and never mixes channels.
KEEPS_ZERO = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.Tanh, nn.MaxPool2d, nn.AvgPool2d,
              nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Dropout2d, nn.ZeroPad2d, nn.Identity)
KEEPS_ZERO_CALLS = RELUS | SAME | {F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.gelu, F.silu, F.leaky_relu, F.relu6,
                                   F.elu, F.mish, F.hardswish, F.tanh, torch.tanh, "tanh"}
# What changes every channel for itself, one of zeros as well: gates of squeeze-and-excitation.
BY_CHANNEL = (nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)
BY_CHANNEL_CALLS = {torch.sigmoid, F.sigmoid, F.hardsigmoid, "sigmoid", "sigmoid_"}


class _Tracer(fx.Tracer):
    """Keeps convolutions, linear layers and BatchNorms of other libraries in one piece, as torch's own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (nn.Conv2d, nn.Linear, _BatchNorm)) or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> fx.Graph:
    """The network's graph, in the mode that it is in. fx raises errors of many kinds for control flow that it cannot follow."""
    return _Tracer().trace(model)


def calls(node: fx.Node, table: Collection) -> bool:
    """Whether a node calls a function or method of the table. (A module may have any name, also that of a method.)"""
    return node.op in ("call_function", "call_method") and node.target in table


def kind(node: fx.Node, modules: Mapping[str, nn.Module]) -> str:
    """What a node does to the channels of its first argument; '' for what is not known.

    convolution, norm, linear: a module of that kind. same: a channel of zeros stays one. by channel: each changes for itself.
    sum, product: of two feature maps. flat: (N, C, …) becomes (N, C·pixels). size: the number of images.
    """
    if node.op == "call_module":
        return _module_kind(modules[node.target])
    if node.op not in ("call_function", "call_method"):
        return ""
    rest, both = node.args[1:], len(node.args) == 2 and all(isinstance(a, fx.Node) for a in node.args) and not node.kwargs
    if calls(node, ADDS):
        return "sum" if both else ""
    if calls(node, MULTIPLIES):
        number = len(rest) == 1 and isinstance(rest[0], (int, float)) and not node.kwargs
        return "product" if both else "same" if number else ""
    if calls(node, KEEPS_ZERO_CALLS):
        return "same" if not node.kwargs.get("return_indices") else ""
    if calls(node, BY_CHANNEL_CALLS):
        return "by channel"
    if calls(node, FLATTENS):
        return "flat" if (*rest, *node.kwargs.values()) in ((1,), (1, -1)) else ""
    if calls(node, RESHAPES):   # x.view(x.size(0), -1)
        first = rest[0] if len(rest) == 2 and rest[1] == -1 else None
        return "flat" if isinstance(first, fx.Node) and kind(first, modules) == "size" and first.args[0] is node.args[0] else ""
    if calls(node, MEANS):
        return _mean_kind(rest, node.kwargs)
    return "size" if node.target == "size" and rest == (0,) else ""


def _module_kind(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        return "convolution" if type(module).__name__ in KNOWN_CONVOLUTIONS else ""
    if isinstance(module, _BatchNorm):
        return "norm" if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d) or _with_activation(module) else ""
    if is_linear(module):
        return "linear"
    if isinstance(module, nn.Flatten):
        return "flat" if (module.start_dim, module.end_dim) == (1, -1) else ""
    if isinstance(module, BY_CHANNEL):
        return "by channel"
    if isinstance(module, nn.PReLU):
        return "same" if module.num_parameters == 1 else ""
    return "same" if isinstance(module, KEEPS_ZERO) and not getattr(module, "return_indices", False) else ""


def is_linear(module: nn.Module | None) -> bool:
    """torch's own linear layer, or timm's of the same name, which differs in mixed precision alone."""
    return isinstance(module, nn.Linear) and type(module).__name__ == "Linear"


def _with_activation(module: nn.Module) -> bool:
    """timm's BatchNorm with an activation behind it that keeps zero."""
    return type(module).__name__ == "BatchNormAct2d" and isinstance(module.act, KEEPS_ZERO) and isinstance(module.drop, KEEPS_ZERO)


def _mean_kind(rest: tuple, kwargs: Mapping) -> str:
    """A mean over the pixels: of (N, C, h, w) the last two dimensions."""
    given = dict(zip(("dim", "keepdim"), rest)) | dict(kwargs)
    dims = given.get("dim")
    if set(given) - {"dim", "keepdim"} or not isinstance(dims, list | tuple) or {d % 4 for d in dims if isinstance(d, int)} != {2, 3}:
        return ""
    return "same" if given.get("keepdim") else "flat"
