"""The prunable layers of a network and how their channels hang together, without the network.

Prunable is every convolution except the stem and one that is itself the classifier; never BatchNorm (ICML 2022, section 3.1). Linear
layers are prunable where a run asks for it (`linear`), for which the paper has no counterpart.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from lthviz.nn import operations
from lthviz.nn.modes import evaluating
from lthviz.records import Layer

log = logging.getLogger(__name__)
STEM = "conv1"
"""The stem of a network that does not say which convolution is its own."""


class Alive(NamedTuple):
    """When a channel of a feature map can be non-zero: where one of the `sources`, or'ed, has it. width: channels of the map."""

    sources: frozenset[str]
    width: int


def layers(model: nn.Module, image_shape: tuple[int, int, int], *, linear: str = "none", names: Collection[str] | None = None) -> tuple[Layer, ...]:
    """Every prunable layer in the order they run. image_shape: (c, h, w). linear: as in RunConfig. names: exactly the layers with these
    weights instead, the stem and the classifier among them where they are named.

    The stem is what `model.lthviz_stem` says: a name, '' for none, None for the first convolution that runs; without it a convolution
    called `conv1`. Sources come from a torch.fx trace. A network that cannot be traced is still described, with every input taken as
    alive and no BatchNorm known; that is logged as a warning.
    """
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        graph, maps, out = _run(model, image_shape)
    modules = dict(model.named_modules())
    convolutions = [n for n in maps if isinstance(modules[n], nn.Conv2d)]
    stem = getattr(model, "lthviz_stem", STEM)
    stem = next(iter(convolutions), "") if stem is None else stem
    ends = _classifiers(graph, modules, out) if graph else _last(maps, modules, out)
    rest = ends if linear != "all" else set()
    prunable = [n for n in maps if n not in rest and (n != stem if n in convolutions else linear != "none")] if names is None else \
        [n for n in maps if f"{n}.weight" in names]
    inputs, norms = _channels(graph, modules, set(prunable)) if graph else (dict.fromkeys(prunable), {})
    at = {name: i for i, name in enumerate(maps)}

    def sources(name: str) -> tuple[str, ...] | None:
        found = inputs.get(name)
        return None if found is None else tuple(f"{s}.weight" for s in sorted(found, key=at.__getitem__))

    return tuple(Layer(name=f"{name}.weight", shape=tuple(modules[name].weight.shape), out_hw=maps[name], bn=norms.get(name, ""),
                       sources=sources(name), groups=getattr(modules[name], "groups", 1), classifier=name in ends) for name in prunable)


def _run(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[fx.Graph | None, dict[str, tuple[int, int]], torch.Size]:
    """(graph with the shapes of one image, None where there is none; height and width of what each layer makes, in the order they
    run; shape of the output)."""
    like = next(model.parameters())
    image = torch.zeros((1, *image_shape), dtype=like.dtype, device=like.device)
    try:
        graph = operations.trace(model)
        with _watched(model) as maps:
            out = ShapeProp(fx.GraphModule(model, graph)).propagate(image)
        return graph, maps, out.shape
    except Exception as e:  # fx raises errors of many kinds for control flow it cannot follow
        log.warning("%s cannot be traced (%s): every input channel counts as alive, no BatchNorm as a channel's own",
                    type(model).__name__, next(iter(str(e).splitlines()), type(e).__name__))
    with _watched(model) as maps:
        return None, maps, model(image).shape


@contextlib.contextmanager
def _watched(model: nn.Module) -> Iterator[dict[str, tuple[int, int]]]:
    """(height, width) of each convolution's and linear layer's output as they run; (1, 1) of a flat one."""
    maps: dict[str, tuple[int, int]] = {}

    def hook(name: str):
        def seen(module: nn.Module, args: tuple, out: torch.Tensor) -> None:
            positions = tuple(out.shape[2:] if isinstance(module, nn.Conv2d) else out.shape[1:-1])
            maps.setdefault(name, (1, 1, *positions)[-2:])
        return seen

    handles = [module.register_forward_hook(hook(name)) for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _classifiers(graph: fx.Graph, modules: Mapping[str, nn.Module], out: torch.Size) -> set[str]:
    """The layers whose rows are the classes: the first that are met on the way back from the output."""
    found, seen = set(), set()
    ahead = [n for node in graph.nodes if node.op == "output" for n in node.all_input_nodes]
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        module = modules.get(node.target) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d | nn.Linear):
            if len(out) == 2 and len(module.weight) == out[1]:
                found.add(node.target)
        else:
            ahead += node.all_input_nodes
    return found


def _last(maps: Mapping[str, tuple[int, int]], modules: Mapping[str, nn.Module], out: torch.Size) -> set[str]:
    """The same where there is no graph: the last layer that runs, if it has as many rows as there are classes."""
    last = next(reversed(maps), None)
    return {last} if last is not None and len(out) == 2 and len(modules[last].weight) == out[1] else set()


def _channels(graph: fx.Graph, modules: Mapping[str, nn.Module], prunable: set[str]) -> tuple[dict[str, frozenset[str] | None], dict[str, str]]:
    """Sources of each prunable layer's input, and the BatchNorm that reads its output alone."""
    calls = Counter(n.target for n in graph.nodes if n.op == "call_module")
    norms: dict[str, str] = {}
    for node in graph.nodes:
        if operations.kind(node, modules) == "norm" and isinstance(before := node.args[0], fx.Node) and before.op == "call_module" \
                and before.target in prunable and calls[node.target] == calls[before.target] == 1:
            norms.setdefault(before.target, node.target)
    inputs: dict[str, frozenset[str] | None] = {}
    alive: dict[fx.Node, Alive | None] = {}
    for node in graph.nodes:
        kind, args = operations.kind(node, modules), [a for a in node.args if isinstance(a, fx.Node)]
        fed, known = (alive[args[0]] if args else None), None
        if kind in ("convolution", "linear") and node.target in prunable:
            module, once, shape = modules[node.target], calls[node.target] == 1, _shape(args[0])
            reads = module.in_channels if kind == "convolution" else module.in_features
            whole = fed is not None and (fed.width == reads if kind == "convolution" else len(shape) == 2 and reads % fed.width == 0)
            inputs[node.target] = fed.sources if once and whole else None
            if once and (kind == "convolution" or len(shape) == 2):
                known = Alive(frozenset({node.target}), len(module.weight))
        elif kind == "norm":
            # Only the BatchNorm that is removed with its layer's channels maps a removed channel to zero.
            known = fed if args[0].op == "call_module" and norms.get(args[0].target) == node.target else None
        elif kind in ("same", "flat"):
            known = fed
        elif kind in ("sum", "product"):
            known = _joined(kind, node, *args, alive)
        alive[node] = known
    return inputs, norms


def _joined(kind: str, node: fx.Node, a: fx.Node, b: fx.Node, alive: Mapping[fx.Node, Alive | None]) -> Alive | None:
    """A sum is zero where both maps are, a product where one is; of a product the first that is known must do."""
    whole = [alive[x] for x in (a, b) if alive[x] is not None and len(_shape(x)) == len(_shape(node)) and _shape(x)[1] == _shape(node)[1]]
    if kind == "product":
        return whole[0] if whole else None
    return Alive(whole[0].sources | whole[1].sources, whole[0].width) if len(whole) == 2 and whole[0].width == whole[1].width else None


def _shape(node: fx.Node) -> tuple[int, ...]:
    return tuple(getattr(node.meta.get("tensor_meta"), "shape", ()))
