"""What is faster on this GPU is measured on it, once, while a network is built: tile sizes, and a layer's blocks against its
dense form."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from lthviz.errors import SpeedError
from lthviz.speed import gpu_pack
from lthviz.speed.triton_blocks import EXTRA, TOO_LARGE, BlockConv, Tile

Clock = Callable[[Callable[[], object]], float]
"""Milliseconds of a call."""


def milliseconds(call: Callable[[], object], repeats: int = 15, together: int = 10) -> float:
    """Median GPU time of a call by CUDA events. Ten calls run as one CUDA graph, so that launching from Python costs nothing.

    Nothing is flushed between calls: inputs that fit the second-level cache are read from it, as a layer finds what the one
    before has just written.
    """
    def several() -> None:
        for _ in range(together):
            call()

    graph, _ = capture(several)
    found = []
    for _ in range(repeats + 2):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end) / together)
    return statistics.median(found[2:])


def capture(call: Callable[[], object]) -> tuple[torch.cuda.CUDAGraph, object]:
    """A CUDA graph of a call and what the call returned, which every replay writes again. Warm-up compiles what is not
    compiled."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call()
    return graph, result


class Replayed:
    """A function of one tensor as CUDA graphs, one for each shape it is called with; the newest `most` are kept."""

    def __init__(self, call: Callable[[torch.Tensor], torch.Tensor], most: int = 4) -> None:
        self.call, self.most = call, most
        self._graphs: dict[tuple, tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]] = {}

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():   # part of a larger graph
            return self.call(x)
        key = (tuple(x.shape), x.dtype, x.device)
        if key not in self._graphs:
            while len(self._graphs) >= self.most:
                self._graphs.pop(next(iter(self._graphs)))
            image = x.clone()
            self._graphs[key] = (*capture(lambda: self.call(image)), image)
        graph, result, image = self._graphs[key]
        image.copy_(x)
        graph.replay()
        return result.clone()


def tiles(found: Sequence[gpu_pack.Piece], precision: str) -> list[Tile]:
    """The tiles worth trying for some pieces: the two heights with the least estimated work, two widths, shallow and deep
    chunks."""
    tallest = max(p.rows.size for p in found)
    if tallest <= gpu_pack.TALLEST_VECTOR:
        height = 1 << (tallest - 1).bit_length()
        return [Tile(pixels, height, 1, warps) for pixels, warps in ((128, 1), (256, 2), (512, 4), (1024, 4))]
    usual, other = (16, 32) if precision == "float32" else (32, 64)
    made = []
    for height in gpu_pack.heights(found, EXTRA[precision])[:2]:
        for pixels, chunk in ((32, usual), (64, usual), (128, usual), (128, other)):
            made.append(Tile(pixels, height, chunk, 8 if pixels * height > 8192 else 4, 3 if chunk > 16 else 4))
    return made


def tune(conv: BlockConv, x: torch.Tensor, residual: torch.Tensor | None = None, clock: Clock = milliseconds) -> float:
    """Give each launch of a convolution the fastest tile for these inputs; returns the convolution's milliseconds."""
    best = float("inf")
    for which, found in enumerate(conv.pieces):
        times = {}
        for tile in dict.fromkeys([conv.launches[which].tile, *tiles(found, conv.precision)]):
            conv.retile(which, tile)
            with contextlib.suppress(TOO_LARGE):   # a smaller GPU has less shared memory
                times[tile] = clock(lambda: conv(x, residual))
        if not times:
            raise SpeedError("no tile of the block kernel fits this GPU; use device = 'cpu'")
        conv.retile(which, min(times, key=times.__getitem__))
        best = min(times.values())
    return best


class Cost(NamedTuple):
    """Milliseconds of a layer's two forms, and of bringing its input into either's memory order from the other's."""

    blocks: float
    dense: float
    to_blocks: float
    to_dense: float


def choose(costs: Sequence[Cost]) -> list[str]:
    """`blocks` or `dense` for each layer, the least sum with the conversions where two that follow each other differ."""
    paths = {"blocks": (0.0, []), "dense": (0.0, [])}
    for i, cost in enumerate(costs):
        own, turn = {"blocks": cost.blocks, "dense": cost.dense}, {"blocks": cost.to_blocks, "dense": cost.to_dense}
        paths = {form: min((time + own[form] + (turn[form] if i and before != form else 0), [*path, form])
                           for before, (time, path) in paths.items()) for form in own}
    return min(paths.values())[1]
