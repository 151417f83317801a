"""Feature maps of few channels side by side in one: what a residual sum is when its branches lost different channels.

Channels are ordered so that those of a branch lie together: adding them is then a few contiguous strips, which costs what a plain
addition of the same size does. (`index_add` over single channels costs five times that in channels_last.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Pieces = tuple[tuple[int, int, tuple[int, ...]], ...]
"""Strips of the result, (first channel, channels, the strip's first channel in each map or -1 where the map has none of it)."""


def order(sets: Sequence[np.ndarray]) -> np.ndarray:
    """All channels in an order that leaves those of each set in few runs: the first two in one run each, the next in two, in four …

    sets: bool (C,), in the order the sums meet them. Inside what the sets cannot tell apart channels ascend.
    """
    parts = [np.arange(sets[0].size)]
    for has in sets:
        split, inside = [], False
        for part in parts:
            for wanted in (inside, not inside):   # start as the part before ended, as a Gray code does
                some = part[has[part] == wanted]
                if some.size:
                    split.append(some)
                    inside = wanted
        parts = split
    return np.concatenate(parts)


def pieces(wanted: np.ndarray, maps: Sequence[np.ndarray]) -> Pieces:
    """The strips that lay `maps` into a map of the channels `wanted`. All arrays: channel numbers as they lie in memory."""
    size = 1 + max(int(c.max()) for c in (wanted, *maps))
    at = np.full((len(maps), size), -1)
    for where, channels in zip(at, maps, strict=True):
        where[channels] = np.arange(channels.size)
    found: list[tuple[int, int, tuple[int, ...]]] = []
    for i, channel in enumerate(wanted):
        here = tuple(int(x) for x in at[:, channel])
        if found:
            start, length, first = found[-1]
            if all(h == (f + length if f >= 0 else -1) for h, f in zip(here, first, strict=True)):
                found[-1] = start, length + 1, first
                continue
        found.append((i, 1, here))
    return tuple(found)


def place(strips: Pieces, *maps: Tensor) -> Tensor:
    """The sum of maps (N, C_i, …) laid into one of all the strips' channels; a channel that no map has is zero."""
    if len({m.shape[2:] for m in maps}) > 1:   # the addition broadcasts: each map in full, then as it was
        whole = [place(tuple((s, n, (f[i],)) for s, n, f in strips), m) for i, m in enumerate(maps)]
        return sum(whole[1:], whole[0])
    return _Place.apply(strips, *maps)


class _Place(torch.autograd.Function):
    @staticmethod
    def forward(ctx, strips: Pieces, *maps: Tensor) -> Tensor:
        ctx.strips, ctx.like = strips, [(m.shape, m.dtype, _format(m)) for m in maps]
        shape = (maps[0].shape[0], strips[-1][0] + strips[-1][1], *maps[0].shape[2:])
        dtype = maps[0].dtype
        for m in maps[1:]:
            dtype = torch.promote_types(dtype, m.dtype)
        out = torch.empty(shape, dtype=dtype, device=maps[0].device, memory_format=_format(maps[0]))
        for start, length, first in strips:
            here = out.narrow(1, start, length)
            parts = [m.narrow(1, f, length) for m, f in zip(maps, first, strict=True) if f >= 0]
            if not parts:
                here.zero_()
            elif len(parts) == 1:
                here.copy_(parts[0])
            else:
                torch.add(parts[0], parts[1], out=here)
                for more in parts[2:]:
                    here.add_(more)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(_part(ctx.strips, i, grad, *like) for i, like in enumerate(ctx.like))


def _part(strips: Pieces, i: int, grad: Tensor, shape: torch.Size, dtype: torch.dtype, memory_format: torch.memory_format) -> Tensor:
    """The gradient of map i: its channels of `grad`, zero for those that were not laid down."""
    runs: list[tuple[int, int, int]] = []
    for start, length, first in strips:
        if first[i] < 0:
            continue
        if runs and runs[-1][0] + runs[-1][1] == start and runs[-1][2] + runs[-1][1] == first[i]:
            runs[-1] = runs[-1][0], runs[-1][1] + length, runs[-1][2]
        else:
            runs.append((start, length, first[i]))
    if runs == [(0, shape[1], 0)] and shape == grad.shape:
        return grad.to(dtype)
    out = torch.empty(shape, dtype=dtype, device=grad.device, memory_format=memory_format)
    if sum(length for _, length, _ in runs) < shape[1]:
        out.zero_()
    for start, length, at in runs:
        out.narrow(1, at, length).copy_(grad.narrow(1, start, length))
    return out


def _format(m: Tensor) -> torch.memory_format:
    channels_last = m.dim() == 4 and m.is_contiguous(memory_format=torch.channels_last) and not m.is_contiguous()
    return torch.channels_last if channels_last else torch.contiguous_format
