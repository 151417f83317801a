"""A ticket's network: the masked one, and the one that is exported, which knows nothing of lthviz."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from lthviz.errors import ExchangeError, TrainingError
from lthviz.exchange.outgoing import written
from lthviz.exchange.parcel import Parcel
from lthviz.nn import models, operations, place
from lthviz.nn.compact import compact
from lthviz.nn.masking import Masked
from lthviz.nn.state import set_state

STRIPS = 8
"""Up to which maps are joined strip by strip, each an operation of its own; of more, channel by channel."""


def masked(parcel: Parcel) -> nn.Module:
    """The ticket's network in its full size, its removed weights zero; on the CPU, in evaluation mode. ExchangeError without kept weights."""
    weights = parcel.weights
    model = models.build(parcel.config.replace(device="cpu", memory_format="contiguous"), parcel.image_shape, len(parcel.classes)).eval()
    try:
        set_state(model, weights)
    except TrainingError as e:
        raise ExchangeError(f"the weights of run {parcel.address.run} do not fit {parcel.config.model!r} as it is built here: {e}") from None
    Masked(model, parcel.layers, parcel.masks, structural=parcel.ticket.structural).enforce()
    return model.requires_grad_(False)


def smaller(parcel: Parcel, model: nn.Module, *, multiple: int = 1) -> fx.GraphModule:
    """The network that computes what `model`, the masked one, does, without channels that are removed, of nothing but torch's operations.

    Modules keep their names. multiple: as in nn.compact. ExchangeError for a network that torch.fx cannot trace.
    """
    if why := untraceable(model):
        raise ExchangeError(f"{parcel.config.model!r} cannot be traced ({why}), so its smaller network cannot be made; "
                            "export its weights (state-dict, safetensors or torch-prune), or the whole network with torch-export or onnx")
    return _smaller(parcel, model, multiple)


def runnable(parcel: Parcel, model: nn.Module, *, multiple: int = 1) -> nn.Module:
    """`smaller`; of a network that torch.fx cannot trace the masked one, which torch.export may follow."""
    return model if untraceable(model) else _smaller(parcel, model, multiple)


def images(parcel: Parcel, n: int = 2) -> torch.Tensor:
    """Random images (n, c, h, w) for the network."""
    return torch.randn((n, *parcel.image_shape), generator=torch.Generator().manual_seed(0))


def by_convolution(network: fx.GraphModule, image: torch.Tensor, most: int) -> fx.GraphModule:
    """The same network, where maps are joined by 1×1 convolutions of zeros and ones as long as those read at most `most` channels together.

    It changes the network that it is given. The values are the same to the bit: each is one value times one, and zeros.
    """
    ShapeProp(network).propagate(image)
    joins = [(n, [m.meta["tensor_meta"].shape for m in n.args[1:]]) for n in network.graph.nodes if n.op == "call_function" and n.target in (written.place, written.gather)]
    for i, (node, maps) in enumerate(joins):
        index = node.args[0] if node.target is written.gather else _index(node.args[0], len(maps))
        whole = [numbers == tuple(range(shape[1])) for numbers, shape in zip(index, maps, strict=True)]
        if len(maps[0]) != 4 or sum(shape[1] for shape, same in zip(maps, whole, strict=True) if not same) > most:
            continue
        with network.graph.inserting_before(node):
            parts = []
            for k, (numbers, shape) in enumerate(zip(index, maps, strict=True)):
                if not whole[k]:
                    network.add_submodule(f"join_{i}_{k}", _picking(numbers, shape[1]))
                parts.append(node.args[1 + k] if whole[k] else network.graph.call_module(f"join_{i}_{k}", (node.args[1 + k],)))
            added = functools.reduce(lambda a, b: network.graph.call_function(operator.add, (a, b)), parts)
        node.replace_all_uses_with(added)
        network.graph.erase_node(node)
    network.recompile()
    return network


def _picking(numbers: Sequence[int], channels: int) -> nn.Conv2d:
    made = nn.Conv2d(channels, len(numbers), 1, bias=False).requires_grad_(False)
    made.weight.zero_()
    for row, number in enumerate(numbers):
        if number >= 0:
            made.weight[row, number] = 1
    return made


def untraceable(model: nn.Module) -> str:
    """Why torch.fx cannot trace the network, in a line; '' where it can."""
    try:
        operations.trace(model)
    except Exception as e:  # fx raises errors of many kinds for control flow it cannot follow
        return next(iter(str(e).splitlines()), type(e).__name__)[:160]
    return ""


def _smaller(parcel: Parcel, model: nn.Module, multiple: int) -> fx.GraphModule:
    if parcel.ticket.structural:
        return _plain(compact(model, parcel.layers, parcel.masks, multiple=multiple).eval())
    return _plain(fx.GraphModule(model, operations.trace(model), type(model).__name__).eval())


def _plain(network: fx.GraphModule) -> fx.GraphModule:
    """The same network without functions of ours, and without other libraries' modules as far as torch's compute the same."""
    graph, modules = network.graph, dict(network.named_modules())
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is place.place:
            node.target, node.args = _joining(node.args[0], node.args[1:])
        elif node.op == "call_function" and getattr(node.target, "__name__", "") == "stochastic_depth":   # torchvision's; nothing outside of training
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif node.op == "call_module":
            kind = type(modules[node.target])
            if not kind.__module__.startswith("torch.nn") and (change := _CHANGES.get(kind.__name__)):
                change(network, node, modules[node.target])
    network.recompile()
    network.delete_all_unused_submodules()
    return network


def _joining(strips: place.Pieces, maps: tuple[fx.Node, ...]) -> tuple[Callable, tuple]:
    """The written function that lays maps side by side, and its arguments."""
    short = tuple((n, *first) for _, n, first in strips)
    return (written.place, (short, *maps)) if len(strips) <= STRIPS else (written.gather, (_index(short, len(maps)), *maps))


def _index(strips: Sequence[Sequence[int]], maps: int) -> tuple[tuple[int, ...], ...]:
    """What `written.gather` takes for what `written.place` takes."""
    return tuple(tuple(-1 if first[i] < 0 else first[i] + k for n, *first in strips for k in range(n)) for i in range(maps))


def _linear(network: fx.GraphModule, node: fx.Node, old: nn.Linear) -> None:
    network.add_submodule(node.target, _with_tensors(nn.Linear(old.in_features, old.out_features, old.bias is not None), old))


def _convolution_same(network: fx.GraphModule, node: fx.Node, old: nn.Conv2d) -> None:
    """TensorFlow's border, which depends on the size of the map."""
    new = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, old.stride, 0, old.dilation, old.groups, old.bias is not None)
    network.add_submodule(node.target, _with_tensors(new, old))
    with network.graph.inserting_before(node):
        padded = network.graph.call_function(written.pad_same, (node.args[0], old.kernel_size, old.stride, old.dilation))
    node.args = (padded, *node.args[1:])


def _norm_with_activation(network: fx.GraphModule, node: fx.Node, old: nn.BatchNorm2d) -> None:
    new = nn.BatchNorm2d(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    network.add_submodule(node.target, _with_tensors(new, old))
    after = node
    for kind in ("drop", "act"):
        module = getattr(old, kind)
        if not isinstance(module, nn.Identity):
            network.add_submodule(f"{node.target}_{kind}", module)
            with network.graph.inserting_after(after):
                after = network.graph.call_module(f"{node.target}_{kind}", (node,))
            node.replace_all_uses_with(after, delete_user_cb=lambda user, mine=after: user is not mine)
            node = after


_CHANGES: dict[str, Callable[[fx.GraphModule, fx.Node, nn.Module], None]] = {
    "Linear": _linear, "Conv2dSame": _convolution_same, "BatchNormAct2d": _norm_with_activation}
"""timm's modules, by class name."""


def _with_tensors(new: nn.Module, old: nn.Module) -> nn.Module:
    for name, tensor in [*old.named_parameters(recurse=False), *old.named_buffers(recurse=False)]:
        setattr(new, name, tensor)
    return new.train(old.training)
