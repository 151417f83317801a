"""A network as the few operations that inference needs: BatchNorm folded, ReLU and residual sums part of the convolution before them.

torch.fx gives the graph. What it holds besides convolutions, linear layers, BatchNorm, ReLU, pooling and sums is kept as an
`Opaque` operation that plain torch runs, named so that nobody takes it for ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F

from lthviz.errors import SpeedError
from lthviz.nn import operations
from lthviz.nn.modes import evaluating


@dataclass(eq=False)
class Value:
    """A feature map between operations. shape: (C, h, w), (C, 1, 1) once it is flat."""

    shape: tuple[int, int, int]


@dataclass(eq=False)
class Op:
    """name: what the network calls it. inputs, output: the feature maps it reads and makes."""

    name: str
    inputs: list[Value]
    output: Value


@dataclass(eq=False)
class Conv(Op):
    """weight: float32 (C_out, C_in/groups, kh, kw), BatchNorm folded in; a linear layer is one over its whole input map.

    layer: the parameter's name. A second input is a residual, added before the ReLU.
    """

    layer: str
    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    relu: bool = False
    linear: bool = False


@dataclass(eq=False)
class Pool(Op):
    """kernel, stride and padding of a square window; average: else the maximum. whole: the border counts in the average."""

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    average: bool = False
    whole: bool = True


@dataclass(eq=False)
class Sum(Op):
    """Sum of its one or two inputs, ReLU where asked."""

    relu: bool = False


@dataclass(eq=False)
class Opaque(Op):
    """What this project has no kernel for: plain torch runs it. node: of the module `traced`."""

    node: fx.Node
    traced: fx.GraphModule

    def run(self, inputs: list[np.ndarray], output: np.ndarray) -> None:
        """inputs: float32 (N, C, h, w) each; output: the same of the result, written."""
        given = iter(inputs)
        known = {n: _attribute(self.traced, n.target) if n.op == "get_attr"
                 else torch.from_numpy(x := next(given)).reshape(len(x), *n.meta["tensor_meta"].shape[1:]) for n in self.node.all_input_nodes}
        args, kwargs = fx.node.map_arg((self.node.args, self.node.kwargs), lambda n: known[n])
        with torch.inference_mode():
            if self.node.op == "call_module":
                made = self.traced.get_submodule(self.node.target)(*args, **kwargs)
            elif self.node.op == "call_method":
                made = getattr(args[0], self.node.target)(*args[1:], **kwargs)
            else:
                made = self.node.target(*args, **kwargs)
        output[...] = made.detach().numpy().reshape(output.shape)


@dataclass(eq=False)
class Graph:
    """ops in the order they run; image: the input; output: the logits."""

    ops: list[Op]
    image: Value
    output: Value


def trace(model: nn.Module, image_shape: tuple[int, int, int]) -> Graph:
    """The graph of a network in evaluation mode for images (c, h, w). SpeedError when torch.fx cannot follow it."""
    with evaluating(model), torch.no_grad():
        try:
            traced = _constants_folded(fx.GraphModule(model, operations.trace(model)))
        except Exception as e:  # fx raises errors of many kinds for control flow it cannot follow
            raise SpeedError(f"{type(model).__name__} cannot be traced ({str(e).splitlines()[0]}); it runs in plain torch only") from None
        like = next(model.parameters())
        ShapeProp(traced).propagate(torch.zeros((1, *image_shape), dtype=like.dtype, device=like.device))
        return _Reader(traced).read()


def _constants_folded(traced: fx.GraphModule) -> fx.GraphModule:
    """What depends on no image (`gamma.reshape(1, -1, 1, 1)`) becomes a buffer, so that no operation has to be computed without a batch."""
    for node in list(traced.graph.nodes):
        fed = node.all_input_nodes
        if node.op in ("call_function", "call_method") and fed and all(n.op == "get_attr" for n in fed):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: _attribute(traced, n.target))
            made = getattr(args[0], node.target)(*args[1:], **kwargs) if node.op == "call_method" else node.target(*args, **kwargs)
            if isinstance(made, torch.Tensor):
                name = f"_constant_{node.name}"
                traced.register_buffer(name, made.detach().clone())
                with traced.graph.inserting_before(node):
                    node.replace_all_uses_with(traced.graph.get_attr(name))
                traced.graph.erase_node(node)
    return traced


class _Reader:
    def __init__(self, traced: fx.GraphModule) -> None:
        self.traced, self.modules = traced, dict(traced.named_modules())
        self.values: dict[fx.Node, Value] = {}
        self.maker: dict[Value, Op] = {}
        self.shared: set[Value] = set()   # values that more than one node reads, under whatever name: nothing is folded into them
        self.ops: list[Op] = []

    def read(self) -> Graph:
        image = output = None
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                image = self.values[node] = Value(_shape(node))
            elif node.op == "output":
                if not isinstance(node.args[0], fx.Node):
                    raise SpeedError("the network returns more than one tensor; only a classifier's logits can be measured")
                output = self.values[node.args[0]]
            elif node.op != "get_attr" and hasattr(node.meta.get("tensor_meta"), "shape"):   # else a size or the like
                self.values[node] = made = self._node(node)
                if self._in_place(node):   # whoever reads the old value from here on reads the new one
                    old = self.values[node.args[0]]
                    self.values = {n: made if v is old else v for n, v in self.values.items()}
            if node in self.values and len(node.users) > 1:
                self.shared.add(self.values[node])
        return Graph(self.ops, image, output)

    def _in_place(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return bool(getattr(self.modules[node.target], "inplace", False)) and node.args[0] in self.values
        return operations.calls(node, operations.IN_PLACE) and bool(node.args) and node.args[0] in self.values

    def _node(self, node: fx.Node) -> Value:
        inputs = [self.values[a] for a in node.all_input_nodes if a in self.values]
        module = self.modules.get(node.target) if node.op == "call_module" else None
        name = str(node.target) if node.op == "call_module" else node.name
        if type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            bias = np.zeros(module.out_channels, np.float32) if module.bias is None else _array(module.bias)
            return self._append(Conv(name, inputs, Value(_shape(node)), f"{name}.weight", _array(module.weight), bias, module.stride,
                                     module.padding, module.dilation, module.groups))
        if operations.is_linear(module) and len(node.args[0].meta["tensor_meta"].shape) == 2:
            shape = inputs[0].shape
            bias = np.zeros(module.out_features, np.float32) if module.bias is None else _array(module.bias)
            return self._append(Conv(name, inputs, Value(_shape(node)), f"{name}.weight",
                                     _array(module.weight).reshape(module.out_features, *shape), bias, linear=True))
        if (act := _folds(module)) and (conv := self._alone(node, Conv)) and not conv.relu and len(conv.inputs) == 1:
            self._fold(conv, module)
            conv.relu = act is nn.ReLU
            return conv.output
        if isinstance(module, nn.ReLU) or operations.calls(node, operations.RELUS):
            if (before := self._alone(node, (Conv, Sum))) and not before.relu:
                before.relu = True
                return before.output
            return self._append(Sum(name, inputs, Value(_shape(node)), relu=True))
        if operations.calls(node, operations.ADDS) and len(inputs) == len(node.args) == 2 and not node.kwargs and inputs[0].shape == inputs[1].shape:
            return self._sum(node, name, inputs)
        if isinstance(module, (nn.Identity, nn.Dropout, nn.Dropout2d)) or operations.calls(node, operations.SAME):
            return inputs[0]
        if _flattens(node, module):
            return self._flat(node, inputs[0])
        pool = _pool(module, node, inputs[0].shape) if inputs else None
        if pool:
            return self._append(Pool(name, inputs, Value(_shape(node)), *pool))
        return self._opaque(name, inputs, node)

    def _opaque(self, name: str, inputs: list[Value], node: fx.Node) -> Value:
        for other in node.all_input_nodes:
            if other.op != "get_attr" and other not in self.values:
                raise SpeedError(f"operation {name!r} reads {other.name!r}, which is no tensor; the network runs in plain torch only")
        return self._append(Opaque(name, inputs, Value(_shape(node)), node, self.traced))

    def _append(self, op: Op) -> Value:
        self.ops.append(op)
        self.maker[op.output] = op
        return op.output

    def _alone(self, node: fx.Node, kind) -> Op | None:
        """The operation that makes the node's input, when nothing else reads it."""
        source = node.args[0]
        if not isinstance(source, fx.Node) or source not in self.values:
            return None
        value = self.values[source]
        op = self.maker.get(value)
        if not isinstance(op, kind) or value in self.shared or getattr(op, "linear", False):
            return None
        return op

    @staticmethod
    def _fold(conv: Conv, norm: nn.BatchNorm2d) -> None:
        scale = 1 / np.sqrt(_array(norm.running_var).astype(np.float64) + norm.eps)
        if norm.affine:
            scale = scale * _array(norm.weight)
        shift = (conv.bias - _array(norm.running_mean).astype(np.float64)) * scale + (_array(norm.bias) if norm.affine else 0)
        conv.weight = (conv.weight * scale[:, None, None, None]).astype(np.float32)
        conv.bias = shift.astype(np.float32)

    def _sum(self, node: fx.Node, name: str, inputs: list[Value]) -> Value:
        """Into the later of two convolutions that only the sum reads; an operation of its own else."""
        for value in sorted(inputs, key=lambda v: -self.ops.index(self.maker[v]) if v in self.maker else 1):
            op = self.maker.get(value)
            other = inputs[1] if value is inputs[0] else inputs[0]
            if (isinstance(op, Conv) and not op.relu and not op.linear and len(op.inputs) == 1 and value not in self.shared and other is not value
                    and (other not in self.maker or self.ops.index(self.maker[other]) < self.ops.index(op))):
                op.inputs.append(other)
                return value
        return self._append(Sum(name, inputs, Value(_shape(node))))

    def _flat(self, node: fx.Node, value: Value) -> Value:
        """A linear layer reads a map as it is; for other readers a larger one is really flattened."""
        if value.shape[1:] == (1, 1) or self._only_linear(node):
            return value
        return self._opaque(node.name, [value], node)

    def _only_linear(self, node: fx.Node) -> bool:
        """Whether linear layers alone read it, dropout between them or not."""
        readers = [(u, self.modules[u.target] if u.op == "call_module" else None) for u in node.users]
        return all(operations.is_linear(m) or (isinstance(m, (nn.Identity, nn.Dropout)) and self._only_linear(u)) for u, m in readers)


def _attribute(module: nn.Module, path: str) -> torch.Tensor:
    """A parameter or buffer by its dotted name."""
    for name in path.split("."):
        module = getattr(module, name)
    return module


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).contiguous().numpy()


def _shape(node: fx.Node) -> tuple[int, int, int]:
    meta = node.meta.get("tensor_meta")
    if meta is None or not hasattr(meta, "shape"):
        raise SpeedError(f"operation {node.name!r} makes no single tensor; the network runs in plain torch only")
    shape = tuple(meta.shape[1:])
    return (*shape, 1, 1)[:3] if len(shape) <= 3 else shape


def _folds(module: nn.Module | None) -> type[nn.Module] | None:
    """What is left of a BatchNorm that can be folded: nothing (Identity), or the ReLU that timm's has inside; None for others."""
    if not isinstance(module, nn.BatchNorm2d) or not module.track_running_stats:
        return None
    if type(module) is nn.BatchNorm2d:
        return nn.Identity
    inside = {type(getattr(module, x, None)) for x in ("drop", "act")}
    known = type(module).__name__ == "BatchNormAct2d" and inside <= {nn.Identity, nn.ReLU}
    return (nn.ReLU if nn.ReLU in inside else nn.Identity) if known else None


def _flattens(node: fx.Node, module: nn.Module | None) -> bool:
    if isinstance(module, nn.Flatten):
        return module.start_dim == 1
    if operations.calls(node, operations.RESHAPES):   # x.view(x.size(0), -1)
        first, *rest = node.args[1:]
        return isinstance(first, fx.Node) and rest == [-1]
    return operations.calls(node, operations.FLATTENS) and (node.args[1:] or (node.kwargs.get("start_dim", 0),))[0] == 1


def _pool(module: nn.Module | None, node: fx.Node, shape: tuple[int, int, int]) -> tuple[int, int, int, bool, bool] | None:
    """(kernel, stride, padding, average, whole) of a square pooling, None for what is not one."""
    if isinstance(module, nn.AdaptiveAvgPool2d) or operations.calls(node, {F.adaptive_avg_pool2d}):
        size = module.output_size if module is not None else node.args[1]
        size = size if isinstance(size, tuple) else (size, size)
        if size == (1, 1):   # a window as large as the longer side, of which only what is there counts
            return max(shape[1:]), max(shape[1:]), 0, True, False
        return (1, 1, 0, True, True) if size == shape[1:] else None
    if isinstance(module, nn.MaxPool2d):
        kernel, stride, padding = (_square(v) for v in (module.kernel_size, module.stride, module.padding))
        plain = module.dilation in (1, (1, 1)) and not module.ceil_mode and not module.return_indices
        return (kernel, stride, padding, False, True) if plain and None not in (kernel, stride, padding) else None
    if isinstance(module, nn.AvgPool2d):
        kernel, stride, padding = (_square(v) for v in (module.kernel_size, module.stride, module.padding))
        plain = not module.ceil_mode and module.divisor_override is None
        return (kernel, stride, padding, True, module.count_include_pad) if plain and None not in (kernel, stride, padding) else None
    return None


def _square(value: int | tuple[int, int]) -> int | None:
    if isinstance(value, tuple):
        return value[0] if value[0] == value[1] else None
    return value
