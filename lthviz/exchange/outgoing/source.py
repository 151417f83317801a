"""A traced network as Python source that people read: modules under their names in `__init__`, one line an operation in `forward`."""

from __future__ import annotations

import builtins
import inspect
import keyword
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from lthviz.errors import ExchangeError
from lthviz.exchange.outgoing import written

_SPACES = (("torch", torch), ("F", F), ("math", math), ("operator", operator), ("", builtins))
_OPERATORS = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//", operator.mod: "%", operator.pow: "**",
              operator.matmul: "@", operator.eq: "==", operator.ne: "!=", operator.lt: "<", operator.gt: ">", operator.le: "<=", operator.ge: ">="}
_NAMES = ("x", "y", "z", "u", "v", "w", "p", "q", "r", "s")

_PART = '''class Part(nn.Module):
    """Layers and tensors under their names."""

    def __init__(self, **members):
        super().__init__()
        for name, member in members.items():
            if isinstance(member, nn.Module):
                self.add_module(name, member)
            elif isinstance(member, nn.Parameter):
                self.register_parameter(name, member)
            else:
                self.register_buffer(name, member)
'''

_LOAD = '''def load(folder=None):
    """The network with its weights, in evaluation mode. folder: of weights.safetensors; None: where this file is."""
    folder = pathlib.Path(folder or pathlib.Path(__file__).parent)
    network = Network()
    network.load_state_dict(read_weights(folder / "weights.safetensors"))
    return network.eval()
'''


def source(network: fx.GraphModule, about: str) -> str:
    """The text of a file with a class `Network` that is the network, and `load`. about: what the file says of itself, for its docstring.

    It imports torch and the standard library. ExchangeError for a module or function that is neither torch's nor written out.
    """
    modules, body = _Modules(network), list(_forward(network))
    used = {n.target for n in network.graph.nodes if n.op == "call_function"}
    helpers = [inspect.getsource(f) for f in (written.place, written.gather, written.pad_same) if f in used] + [inspect.getsource(written.read_weights)]
    inside = list(modules.lines())
    head = [f"import {name}" for name in ("json", "math", "operator", "pathlib") if any(f"{name}." in text for text in (*body, *helpers))]
    parts = ['"""' + about.replace("\\", "/").replace('"""', "'''").strip() + '\n"""', "\n".join(head) + "\n\nimport torch\nfrom torch import nn" + "\nfrom torch.nn import functional as F" * any("F." in text for text in (*body, *helpers)),
             *helpers, *([_PART] if any("Part(" in line for line in inside) else []),
             "\n".join(["class Network(nn.Module):", "    def __init__(self):", "        super().__init__()", *(f"        {x}" for x in inside), "", *(f"    {x}" for x in body)]), _LOAD]
    return "\n\n\n".join(x.strip("\n") for x in parts).replace('"""\n\n\nimport', '"""\n\nimport', 1) + "\n"


class _Modules:
    """What the network holds, as a tree by name: {name: tree, module or tensor}."""

    def __init__(self, network: fx.GraphModule) -> None:
        self.tree: dict[str, Any] = {}
        wanted = dict.fromkeys(n.target for n in network.graph.nodes if n.op in ("call_module", "get_attr"))
        for target in wanted:
            if not any(other != target and target.startswith(f"{other}.") for other in wanted):
                self._add(target.split("."), operator.attrgetter(target)(network))

    def _add(self, path: Sequence[str], value: nn.Module | torch.Tensor) -> None:
        here = self.tree
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here[path[-1]] = value

    def lines(self) -> Iterator[str]:
        for name, value in self.tree.items():
            if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
                yield f"self.register_buffer({name!r}, {_tensor(value)})"
            else:
                head, *rest = self._text(value)
                yield from (f"self.{name} = {head}", *rest)

    def _text(self, value: Any) -> list[str]:
        if isinstance(value, torch.Tensor):
            return [_tensor(value)]
        if isinstance(value, nn.Module):
            return [_module(value)]
        begin, keys, end = {"list": ("nn.ModuleList([", [""] * len(value), "])"), "dict": ("nn.ModuleDict({", [f"{k!r}: " for k in value], "})"),
                            "part": ("Part(", [f"{k}=" for k in value], ")")}[kind_of(value)]
        out = [begin]
        for key, child in zip(keys, (value[k] for k in sorted(value, key=int)) if kind_of(value) == "list" else value.values()):
            head, *rest = self._text(child)
            lines = [key + head, *rest]
            out += [f"    {line}" for line in lines[:-1]] + [f"    {lines[-1]},"]
        return [*out, end]


def kind_of(tree: dict[str, Any]) -> str:
    """What holds the members of a branch: `list` where their names count from 0, `part` where they are Python's names, else `dict`."""
    if sorted(tree) == sorted(map(str, range(len(tree)))):
        return "list"
    return "part" if all(k.isidentifier() and not keyword.iskeyword(k) for k in tree) else "dict"


def _module(module: nn.Module) -> str:
    """The call that makes such a module: what differs from the defaults of its class."""
    kind = type(module)
    if getattr(nn, kind.__name__, None) is not kind:
        raise ExchangeError(f"the network has a {kind.__module__}.{kind.__name__}, which is not torch's: it cannot be written as a file of its own; export it as onnx or torch-export")
    words, first = [], True
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        if name in ("self", "device", "dtype") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(module, name):
            first = first and name == "self"
            continue
        value = getattr(module, name)
        value = value is not None if name == "bias" else value
        if isinstance(value, tuple) and value and all(x == value[0] for x in value) and isinstance(module, _SQUARE):
            value = value[0]
        if parameter.default is parameter.empty and first:
            words.append(_text(value, {}))
        elif parameter.default is parameter.empty or value != parameter.default:
            first = False
            words.append(f"{name}={_text(value, {})}")
    return f"nn.{kind.__name__}({', '.join(words)})"


_SQUARE = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
"""Whose pairs of equal numbers may be one number."""


def _tensor(value: torch.Tensor) -> str:
    made = f"torch.empty({tuple(value.shape)}, dtype={value.dtype})" if value.dtype != torch.float32 else f"torch.empty({tuple(value.shape)})"
    return f"nn.Parameter({made})" if isinstance(value, nn.Parameter) else made


# forward ----------------------------------------------------------------------------------------------------------------


def _forward(network: fx.GraphModule) -> Iterator[str]:
    """A variable is used again for what is made of it, once nobody else reads it: so maps are freed as in the network's own code."""
    tree, names = _Modules(network).tree, {}
    last = {read: node for node in network.graph.nodes for read in node.all_input_nodes}
    nodes = [n for n in network.graph.nodes if n.op == "placeholder"]
    names.update({n: _NAMES[0] if len(nodes) == 1 else n.name for n in nodes})
    yield f"def forward(self, {', '.join(names[n] + (f'={n.args[0]!r}' if n.args else '') for n in nodes)}):"
    for node in network.graph.nodes:
        if node.op == "placeholder":
            continue
        if node.op == "output":
            yield f"    return {_text(node.args[0], names)}"
            continue
        text = _expression(node, names, tree)
        ended = [names.pop(read) for read in node.all_input_nodes if last[read] is node]
        if node not in last:
            yield f"    {text}"
            continue
        names[node] = ended[0] if ended else next(x for x in (*_NAMES, *(f"x{i}" for i in range(len(names) + 1))) if x not in names.values())
        yield f"    {names[node]} = {text}"


def _expression(node: fx.Node, names: dict[fx.Node, str], tree: dict[str, Any]) -> str:
    args = [_text(a, names) for a in node.args]
    every = ", ".join([*args, *(f"{k}={_text(v, names)}" for k, v in node.kwargs.items())])
    if node.op == "call_module":
        return f"{_access(node.target, tree)}({every})"
    if node.op == "get_attr":
        return _access(node.target, tree)
    if node.op == "call_method":
        return f"{args[0]}.{node.target}({', '.join([*args[1:], *(f'{k}={_text(v, names)}' for k, v in node.kwargs.items())])})"
    if node.target in _OPERATORS and len(args) == 2:
        return f"{args[0]} {_OPERATORS[node.target]} {args[1]}"
    if node.target is operator.getitem:
        return f"{args[0]}[{args[1]}]"
    if node.target is getattr and isinstance(node.args[1], str):
        return f"{args[0]}.{node.args[1]}"
    return f"{_function(node.target)}({every})"


def _access(target: str, tree: dict[str, Any]) -> str:
    first, *rest = target.split(".")
    text, here = f"self.{first}", tree[first]
    for part in rest:
        kind = kind_of(here) if isinstance(here, dict) else "part"
        text += f"[{part}]" if kind == "list" else f"[{part!r}]" if kind == "dict" else f".{part}"
        here = here[part] if isinstance(here, dict) else None
    return text


def _function(target: Any) -> str:
    name = getattr(target, "__name__", "")
    if getattr(written, name, None) is target:
        return name
    for prefix, space in _SPACES:
        if name and getattr(space, name, None) is target:
            return f"{prefix}.{name}".lstrip(".")
    raise ExchangeError(f"the network calls {getattr(target, '__module__', '')}.{name or target}, which is not torch's: it cannot be written as a file of its own; export it as onnx or torch-export")


def _text(value: Any, names: dict[fx.Node, str]) -> str:
    if isinstance(value, fx.Node):
        return names[value]
    if isinstance(value, slice):
        return f"slice({_text(value.start, names)}, {_text(value.stop, names)}, {_text(value.step, names)})"
    if isinstance(value, tuple | list):
        inside = ", ".join(_text(x, names) for x in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_text(v, names)}" for k, v in value.items()) + "}"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or value is Ellipsis or isinstance(value, bool | int | float | str):
        return "..." if value is Ellipsis else repr(value)
    if isinstance(value, torch.dtype | torch.memory_format):
        return str(value)
    if isinstance(value, torch.device):
        return f"torch.device({str(value)!r})"
    raise ExchangeError(f"the network's graph holds a {type(value).__name__}, which cannot be written as Python; export it as onnx or torch-export")
