"""The steps of a network on the GPU: what a program runs for each operation of the graph, on the channels that are stored.

Maps are torch tensors of logical shape (N, channels, h, w). Pooling and sums keep the memory order of what they are given.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from lthviz.errors import SpeedError
from lthviz.records import Blocks
from lthviz.speed import gpu_pack, gpu_tune
from lthviz.speed.graph import Conv, Op, Opaque, Pool
from lthviz.speed.live import Plan
from lthviz.speed.triton_blocks import PRECISIONS, BlockConv, innermost


def step(plan: Plan, op: Op, precision: str) -> nn.Module:
    """A module from the operation's input maps to its output map."""
    if isinstance(op, Conv):
        return Linear(plan, op, precision) if op.linear else Convolution(plan, op, precision)
    if isinstance(op, Opaque):
        return Foreign(plan, op, precision)
    return Pooling(plan, op) if isinstance(op, Pool) else Sum(plan, op)


class Channels(nn.Module):
    """A map with the channels that a step wants: some dropped, those that are not stored put back as zeros. have, want:
    ascending."""

    def __init__(self, have: np.ndarray, want: np.ndarray) -> None:
        super().__init__()
        self.same, self.empty = np.array_equal(have, want), not have.size
        place = np.minimum(np.searchsorted(have, want), max(0, have.size - 1))
        missing = np.flatnonzero(have[place] != want) if have.size else np.arange(want.size)
        self.register_buffer("place", torch.from_numpy(place))
        self.register_buffer("missing", torch.from_numpy(missing))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.same:
            return x
        if self.empty:
            return x.new_zeros((x.shape[0], len(self.place), *x.shape[2:]))
        return innermost(x).permute(1, 2, 3, 0).index_select(0, self.place).index_fill_(0, self.missing, 0).permute(3, 0, 1, 2)


class Convolution(nn.Module):
    """A convolution in both forms, over stored channels alone. form: the one that runs. blocks is None where the kernel
    cannot."""

    def __init__(self, plan: Plan, op: Conv, precision: str) -> None:
        super().__init__()
        rows, channels = plan.channels[op.output], plan.channels[op.inputs[0]]
        weight, bias = _weight(op, rows, channels), op.bias[rows]
        geometry = dict(stride=op.stride, padding=op.padding, dilation=op.dilation)
        self.layer, self.form, self.kept = op.layer, "blocks", plan.kept(op)
        self.blocks_ms = self.dense_ms = None
        source = None
        if len(op.inputs) > 1:
            have = plan.channels[op.inputs[1]]
            self.residual = Channels(have, rows)
            source = np.where(np.isin(rows, have), np.searchsorted(have, rows), -1)
        self.blocks = None
        if weight.shape[2] * weight.shape[3] <= gpu_pack.MOST_TAPS:
            blocks = _stored(plan.blocks[op], rows, channels, weight.shape[2] * weight.shape[3])
            self.blocks = BlockConv(blocks, weight, bias, **geometry, precision=precision, relu=op.relu, residual=source)
        whole = op.groups > 1 and rows.size == len(op.weight) and channels.size == op.groups * op.weight.shape[1]
        self.dense = Dense(op.weight if whole else weight, bias, **geometry, groups=op.groups if whole else 1, relu=op.relu, precision=precision)

    @property
    def executor(self) -> str:
        """`blocks` or `dense`: what really runs."""
        return self.form if self.blocks is not None else "dense"

    def forward(self, x: torch.Tensor, *residual: torch.Tensor) -> torch.Tensor:
        if self.executor == "blocks":
            return self.blocks(x, *residual)
        return self.dense(x, *(self.residual(r) for r in residual))

    def measure(self, x: torch.Tensor, *residual: torch.Tensor, clock: gpu_tune.Clock) -> gpu_tune.Cost:
        """Tune the blocks for these inputs and time both forms, each with inputs in its own memory order."""
        near, last = innermost(x), x.contiguous(memory_format=torch.channels_last)
        beside = [self.residual(r).contiguous(memory_format=torch.channels_last) for r in residual]
        self.dense_ms = clock(lambda: self.dense(last, *beside))
        self.blocks_ms = gpu_tune.tune(self.blocks, near, *map(innermost, residual), clock=clock) if self.blocks is not None else float("inf")
        return gpu_tune.Cost(self.blocks_ms, self.dense_ms, clock(lambda: innermost(last)),
                             clock(lambda: near.contiguous(memory_format=torch.channels_last)))

    def settle(self) -> None:
        """Forget the form that does not run."""
        if self.executor == "blocks":
            self.dense = None
        else:
            self.blocks = None


class Dense(nn.Module):
    """A dense convolution by torch, channels-last, with bias, residual sum and ReLU; pruned weights are zeros in it."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, *, relu: bool, precision: str, **geometry) -> None:
        super().__init__()
        self.relu, self.geometry = relu, geometry
        weight = torch.from_numpy(np.ascontiguousarray(weight)).to(PRECISIONS[precision])
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", torch.from_numpy(np.ascontiguousarray(bias)).to(PRECISIONS[precision]))

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        if self.weight.numel():
            out = F.conv2d(x.contiguous(memory_format=torch.channels_last), self.weight, self.bias, **self.geometry)
        else:   # no channel is left on one side: torch has no such convolution, so one of a zero is taken
            out = F.conv2d(x.new_zeros(x.shape[0], 1, *x.shape[2:]), self.weight.new_zeros((max(1, len(self.bias)), 1, *self.weight.shape[2:])),
                           **{**self.geometry, "groups": 1})[:, :len(self.bias)] + self.bias[:, None, None]
        out = out if residual is None else out.add_(residual)
        return out.relu_() if self.relu else out


class Linear(nn.Module):
    """A linear layer over its whole input map: dense, on the rows and columns that are left."""

    executor, blocks_ms = "dense", None

    def __init__(self, plan: Plan, op: Conv, precision: str) -> None:
        super().__init__()
        self.layer, self.kept, self.dense_ms = op.layer, plan.kept(op), None
        rows = plan.channels[op.output]
        weight = op.weight[rows][:, plan.channels[op.inputs[0]]]
        weight = weight.reshape(rows.size, int(np.prod(weight.shape[1:])))   # -1 would not do where no row is left
        self.relu = op.relu
        self.register_buffer("weight", torch.from_numpy(weight).to(PRECISIONS[precision]))
        self.register_buffer("bias", torch.from_numpy(op.bias[rows]).to(PRECISIONS[precision]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = F.linear(x.flatten(1), self.weight, self.bias)
        return (out.relu_() if self.relu else out)[:, :, None, None]

    def measure(self, x: torch.Tensor, *, clock: gpu_tune.Clock) -> None:
        self.dense_ms = clock(lambda: self(x))


class Pooling(nn.Module):
    def __init__(self, plan: Plan, op: Pool) -> None:
        super().__init__()
        self.op = op
        self.channels = Channels(plan.channels[op.inputs[0]], plan.channels[op.output])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.channels(x)
        # torch pools no map without channels
        return self.pool(x) if x.shape[1] else self.pool(x.new_zeros((len(x), 1, *x.shape[2:])))[:, :0]

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        op = self.op
        if op.average and (op.kernel, op.kernel) == tuple(x.shape[2:]) and not op.padding:
            return x.mean((2, 3), keepdim=True)
        if op.average:
            return F.avg_pool2d(x, op.kernel, op.stride, op.padding, count_include_pad=op.whole)
        if op.kernel != op.stride or op.padding or x.stride(0) != 1:
            return F.max_pool2d(x, op.kernel, op.stride, op.padding)
        # Windows that do not overlap, batch innermost: a reduction of a view, where torch's pooling would copy to its own order and back.
        k, h, w = op.kernel, x.shape[2] // op.kernel, x.shape[3] // op.kernel
        return x.permute(1, 2, 3, 0)[:, :h * k, :w * k].unflatten(1, (h, k)).unflatten(3, (w, k)).amax((2, 4)).permute(3, 0, 1, 2)


class Sum(nn.Module):
    def __init__(self, plan: Plan, op) -> None:
        super().__init__()
        self.relu = op.relu
        self.channels = nn.ModuleList(Channels(plan.channels[v], plan.channels[op.output]) for v in op.inputs)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        maps = [channels(x) for channels, x in zip(self.channels, inputs, strict=True)]
        out = maps[0] + maps[1] if len(maps) > 1 else maps[0]
        return out.relu() if self.relu else out


class Foreign(nn.Module):
    """What no step is known for: the traced node itself, in plain torch and float32, on all channels."""

    def __init__(self, plan: Plan, op: Opaque, precision: str) -> None:
        super().__init__()
        self.node, self.shape, self.dtype = op.node, op.output.shape, PRECISIONS[precision]
        held = [a for a in op.node.all_input_nodes if a.op == "get_attr"]
        self.held = nn.ParameterDict({a.name: nn.Parameter(_attribute(op.traced, a.target).detach().clone(), requires_grad=False) for a in held})
        self.fed = [a for a in op.node.all_input_nodes if a not in held]
        if len(self.fed) != len(op.inputs) or not op.inputs:
            raise SpeedError(f"{op.name}: it reads no feature map; the network runs in plain torch only")
        self.module = copy.deepcopy(op.traced.get_submodule(self.node.target)) if self.node.op == "call_module" else None
        self.shapes = [tuple(a.meta["tensor_meta"].shape[1:]) for a in self.fed]
        self.channels = nn.ModuleList(Channels(plan.channels[v], np.arange(v.shape[0])) for v in op.inputs)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        values = {name: value.data for name, value in self.held.items()}
        for node, x, channels, shape in zip(self.fed, inputs, self.channels, self.shapes, strict=True):
            values[node.name] = channels(x).float().reshape(len(x), *shape).clone()   # it may work in place
        args, kwargs = fx.node.map_arg((self.node.args, self.node.kwargs), lambda a: values[a.name])
        if self.module is not None:
            out = self.module(*args, **kwargs)
        elif self.node.op == "call_method":
            out = getattr(args[0], self.node.target)(*args[1:], **kwargs)
        else:
            out = self.node.target(*args, **kwargs)
        return out.reshape(len(inputs[0]), *self.shape).to(self.dtype)


def _attribute(module: nn.Module, path: str) -> torch.Tensor:
    for part in path.split("."):
        module = getattr(module, part)
    return module


def _weight(op: Conv, rows: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """float32 (rows, channels, kh, kw) of the stored channels, zero where a row's group does not read a channel."""
    own = op.weight.shape[1]
    local = channels[None, :] - (rows // max(1, len(op.weight) // op.groups) * own)[:, None]
    inside = (local >= 0) & (local < own)
    return op.weight[rows[:, None], np.clip(local, 0, own - 1)] * inside[..., None, None].astype(np.float32)


def _stored(blocks: Blocks, rows: np.ndarray, channels: np.ndarray, taps: int) -> Blocks:
    """The blocks with rows and input channels numbered as they are stored."""
    return Blocks((rows.size, channels.size * taps), tuple(np.searchsorted(rows, r).astype(np.int32) for r in blocks.rows),
                  tuple((np.searchsorted(channels, c // taps) * taps + c % taps).astype(np.int32) for c in blocks.cols))
