"""The block kernel on a GPU: one convolution over dense blocks, in Triton.

Layout. Activations are `[C, H, W, N]`, batch innermost (batch 1: the pixels of a row take its place). Output pixels are numbered
as they lie in memory, p = (oh·OW + ow)·N + n, so column (c, kh, kw) of the weight matrix is, for a whole tile of pixels, one
offset: each gathered column is a run of neighbours in memory however scattered the columns are. Channels-last would need
neighbouring *channels*, which a sparse column list has not (at 20 % a 32-byte sector would carry 1.6 useful floats); NCHW has
runs no longer than a row of the map, two to four pixels in the deep layers. Tensors keep torch's logical shape (N, C, H, W); only
their strides are those of `[C, H, W, N]`, so every other torch operation works on them as they are.

Work. A program instance makes a tile of pixels × a tile of a block's rows: for each chunk of the block's columns it gathers the
inputs, a matrix (pixels, chunk), and multiplies them by the packed weights, accumulating in float32. Pixels are the tall side of
the product, so a block of eight rows already fills a tensor core instruction. Blocks of one to four rows (unstructured masks,
depthwise) go a column at a time without matrix units. The border is a bit per kernel position and pixel, made once per tile.
Tiles of all blocks form one flat list, the heaviest first and those of one pixel tile next to each other, so that they share its
inputs in the second-level cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from lthviz.errors import EnvironmentFault, SpeedError
from lthviz.records import Blocks
from lthviz.speed import gpu_pack

try:
    import triton
    import triton.language as tl
except ImportError:   # macOS and Windows have no wheel of it
    triton = tl = None

TOO_LARGE = triton.OutOfResources if triton else ()
"""What a launch raises whose tile needs more shared memory or registers than the GPU has."""
PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
"""What a product is made of: float32; float32 with its factors rounded to tf32 (10 bits); bfloat16 activations. Sums are
float32."""


def _jit(function: Callable) -> Callable:
    return triton.jit(function) if triton else function


@_jit
def block_conv(x, weights, columns, rows, sources, tiles, bias, residual, out, N, H, W, OW, P, TILES,
               KH: tl.constexpr, KW: tl.constexpr, SH: tl.constexpr, SW: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
               DH: tl.constexpr, DW: tl.constexpr, PIXELS: tl.constexpr, HEIGHT: tl.constexpr, CHUNK: tl.constexpr,
               PRECISION: tl.constexpr, RELU: tl.constexpr, RESIDUAL: tl.constexpr, WIDE: tl.constexpr):
    """out[rows, p] = relu(bias + residual + Σ weights · x). Tables as in gpu_pack; `sources`: the residual's channel of each row.

    P: output pixels, N·OH·OW. CHUNK 1: a column at a time. WIDE: addresses need 64 bits.
    """
    tile = tl.program_id(0) % TILES
    p = (tl.program_id(0) // TILES) * PIXELS + tl.arange(0, PIXELS)
    inside = p < P
    n, q = p % N, p // N
    top, left = (q // OW) * SH - PH, (q % OW) * SW - PW
    bits = tl.int32 if KH * KW <= 31 else tl.int64
    line = tl.zeros((PIXELS,), bits)   # bit kw: this kernel column is inside the map
    for i in tl.static_range(KW):
        line |= (inside & (left + i * DW >= 0) & (left + i * DW < W)).to(bits) << i
    seen = tl.zeros((PIXELS,), bits)   # bit kh·KW + kw
    for i in tl.static_range(KH):
        seen |= tl.where((top + i * DH >= 0) & (top + i * DH < H), line, 0) << (i * KW)
    base = top * W + left
    if WIDE:
        base = base.to(tl.int64)
    base = base * N + n
    first, count, start = tl.load(tiles + tile * 3), tl.load(tiles + tile * 3 + 1), tl.load(tiles + tile * 3 + 2)
    r = tl.arange(0, HEIGHT)
    total = tl.zeros((PIXELS, HEIGHT), tl.float32)
    if CHUNK > 1:
        start = tl.multiple_of(start, 16)
        k = tl.arange(0, CHUNK)
        for i in range(0, count, CHUNK):
            column = tl.load(columns + first + i + k)
            tap = column & 63
            place = ((column >> 6) * H + (tap // KW) * DH) * W + (tap % KW) * DW
            if WIDE:
                place = place.to(tl.int64)
            here = (seen[:, None] >> tap[None, :].to(bits)) & 1
            xs = tl.load(x + (base[:, None] + (place * N)[None, :]), mask=here != 0, other=0.0)
            ws = tl.load(weights + start + i * HEIGHT + r[None, :] * CHUNK + k[:, None])
            total = tl.dot(xs, ws, total, input_precision=PRECISION)
    else:
        for i in tl.range(0, count, loop_unroll_factor=4):
            column = tl.load(columns + first + i)
            tap = column & 63
            place = ((column >> 6) * H + (tap // KW) * DH) * W + (tap % KW) * DW
            if WIDE:
                place = place.to(tl.int64)
            here = (seen[:, None] >> tap.to(bits)) & 1
            xs = tl.load(x + (base[:, None] + place * N), mask=here != 0, other=0.0).to(tl.float32)
            ws = tl.load(weights + start + i * HEIGHT + r).to(tl.float32)
            total += xs * ws[None, :]
    row = tl.load(rows + tile * HEIGHT + r)
    total += tl.load(bias + row, mask=row >= 0, other=0.0)[None, :]
    if RESIDUAL:
        source = tl.load(sources + tile * HEIGHT + r)
        there = source[None, :].to(tl.int64) * P + p[:, None] if WIDE else source[None, :] * P + p[:, None]
        total += tl.load(residual + there, mask=inside[:, None] & (source >= 0)[None, :], other=0.0).to(tl.float32)
    if RELU:
        total = tl.maximum(total, 0.0, propagate_nan=tl.PropagateNan.ALL)
    there = row[None, :].to(tl.int64) * P + p[:, None] if WIDE else row[None, :] * P + p[:, None]
    tl.store(out + there, total.to(out.dtype.element_ty), mask=inside[:, None] & (row >= 0)[None, :])


class Tile(NamedTuple):
    """How a launch is cut: output pixels × rows of a program instance, columns a step, warps, and steps loaded ahead."""

    pixels: int
    height: int
    chunk: int
    warps: int = 4
    stages: int = 3


def check_device(device: str | torch.device) -> None:
    """SpeedError where there is no such GPU, EnvironmentFault where there is no Triton; silent under Triton's interpreter."""
    if triton is not None and not isinstance(block_conv, triton.JITFunction):
        return
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        seen = "torch sees no GPU here" if not torch.cuda.is_available() else "the block kernel for GPUs runs on 'cuda' alone"
        raise SpeedError(f"device = {str(device)!r}, but {seen}; use device = 'cpu'")
    if triton is None:
        raise EnvironmentFault("Triton is not installed, and the GPU kernel is written in it (its wheels are for Linux); use device = 'cpu'")


def innermost(x: torch.Tensor) -> torch.Tensor:
    """The same (N, C, H, W) tensor with its memory in the order [C, H, W, N]; copied only if it is not yet."""
    return x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)


class BlockConv(nn.Module):
    """A convolution with bias, residual sum and ReLU over the blocks of a mask; what is outside the blocks is not there.

    blocks: of the matrix (C_out, C_in/groups·kh·kw). weight: (C_out, C_in/groups, kh, kw). A row in no block is its bias alone.
    residual: for each output channel the residual's, -1 for none; its own number where nothing is said. Called with x (N, C_in,
    H, W) and perhaps a residual (N, channels, OH, OW); returns (N, C_out, OH, OW) in the precision's type, batch innermost in
    memory.
    """

    def __init__(self, blocks: Blocks, weight: np.ndarray | torch.Tensor, bias: np.ndarray | torch.Tensor | None = None, *,
                 stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1, groups: int = 1,
                 precision: str = "float32", relu: bool = False, residual: np.ndarray | None = None,
                 tile: Tile | None = None) -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise SpeedError(f"precision = {precision!r} is not one the GPU kernel has: {', '.join(PRECISIONS)}")
        self.blocks, self.groups, self.precision, self.relu = blocks, groups, precision, relu
        self.weight = np.asarray(torch.as_tensor(weight).detach().float().cpu(), np.float32)
        if blocks.shape != (len(self.weight), math.prod(self.weight.shape[1:])):
            raise SpeedError(f"blocks over a matrix of {blocks.shape} do not fit a weight of shape {self.weight.shape}")
        self.geometry = tuple(v for pair in (self.weight.shape[2:], stride, padding, dilation)
                              for v in (pair if isinstance(pair, tuple) else (pair, pair)))
        bias = torch.zeros(len(self.weight)) if bias is None else torch.as_tensor(bias).detach().float()
        self.register_buffer("bias", bias.cpu().clone())
        self.residual = np.arange(len(self.weight)) if residual is None else np.asarray(residual)
        self.pieces = [p for p in gpu_pack.pieces(blocks, self.weight.shape[1], groups) if p]
        self.launches = nn.ModuleList(_Launch(self, p, tile or default_tile(p, precision)) for p in self.pieces)

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        check_device(x.device)
        dtype, (kh, kw, sh, sw, ph, pw, dh, dw) = PRECISIONS[self.precision], self.geometry
        n, channels, h, w = x.shape
        oh, ow = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
        if channels != self.weight.shape[1] * self.groups or oh < 1 or ow < 1 or n < 1:
            raise SpeedError(f"images of shape {tuple(x.shape)} do not fit a weight of shape {self.weight.shape} with {self.groups} groups")
        x = innermost(x.to(dtype))
        out = torch.empty((len(self.weight), oh, ow, n), dtype=dtype, device=x.device).permute(3, 0, 1, 2)
        if residual is not None:
            if residual.shape[0] != n or residual.shape[2:] != (oh, ow) or residual.shape[1] <= self.residual.max(initial=-1):
                raise SpeedError(f"a residual of shape {tuple(residual.shape)} does not fit an output of shape {tuple(out.shape)}")
            residual = innermost(residual.to(dtype))
        with torch.cuda.device_of(x):
            for launch in self.launches:
                launch(x, residual, out)
        return out

    def retile(self, which: int, tile: Tile) -> None:
        """Pack the pieces of a launch anew for another tile."""
        self.launches[which] = _Launch(self, self.pieces[which], tile).to(self.bias.device)


class _Launch(nn.Module):
    """One launch of the kernel: the tables of some pieces, cut by one tile."""

    def __init__(self, conv: BlockConv, found: list[gpu_pack.Piece], tile: Tile) -> None:
        super().__init__()
        self.tile, self.geometry, self.relu, self.precision = tile, conv.geometry, conv.relu, conv.precision
        packed = gpu_pack.pack(found, conv.weight, tile.height, tile.chunk)
        sources = np.where(packed.rows >= 0, conv.residual[packed.rows], -1).astype(np.int32)
        for name, table in (*packed._asdict().items(), ("sources", sources)):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)))
        self.weights = self.weights.to(PRECISIONS[conv.precision])
        self.register_buffer("bias", conv.bias)

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None, out: torch.Tensor) -> None:
        (n, channels, h, w), (oh, ow) = x.shape, out.shape[2:]
        pixels, tile = n * oh * ow, self.tile
        if pixels + tile.pixels >= gpu_pack.LIMIT or channels * h * w >= gpu_pack.LIMIT:
            raise SpeedError(f"batch = {n}: {pixels} output pixels of a channel are more than the GPU kernel addresses; use a smaller batch")
        grid = (len(self.tiles) * math.ceil(pixels / tile.pixels),)
        if pixels and len(self.tiles):
            block_conv[grid](
                x, self.weights, self.columns, self.rows, self.sources, self.tiles, self.bias, x if residual is None else residual, out,
                n, h, w, ow, pixels, len(self.tiles), *self.geometry, tile.pixels, tile.height, tile.chunk,
                "tf32" if self.precision == "tf32" else "ieee", self.relu, residual is not None,
                wide(x.shape, out.shape, self.geometry, tile.pixels, 0 if residual is None else residual.shape[1]),
                num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True)


def wide(x: tuple[int, ...], out: tuple[int, ...], geometry: tuple[int, ...], pixels: int, residual: int = 0) -> bool:
    """Whether an address, reached or masked, passes 32 bits. x, out: shapes (N, C, H, W); residual: its channels."""
    n, channels, h, w = x
    kh, kw, _, _, _, _, dh, dw = geometry
    reads = ((channels * h + kh * dh) * w + kw * dw + h * w) * n
    return max(reads, (max(out[1], residual) * out[2] * out[3] + 1) * n + pixels) >= gpu_pack.LIMIT


def default_tile(found: list[gpu_pack.Piece], precision: str) -> Tile:
    """A fair tile where nothing is measured; `gpu_program.tune` measures."""
    tallest = max(p.rows.size for p in found)
    if tallest <= gpu_pack.TALLEST_VECTOR:
        height = 1 << (tallest - 1).bit_length()
        return Tile(512, height, 1)
    height = gpu_pack.heights(found, EXTRA[precision])[0]
    if precision == "float32":
        return Tile(64 if height > 64 else 128, height, 16, 8 if height > 32 else 4)
    return Tile(128, height, 32, 8 if height > 64 else 4)


EXTRA = {"float32": 16, "tf32": 64, "bfloat16": 64}
"""Rows' worth of work that fetching a column's inputs costs: more where the product itself is cheap."""
