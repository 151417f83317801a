"""Where feature maps lie in memory, and in which vectors the kernel goes over them.

With 16 images and more the images of a batch are the lanes of the vectors: `[H+2p, W+2p, C, N]`, so that the window of a
pixel is a few contiguous runs and strides cost nothing. With fewer the pixels of a row take their place: `[C, H+2p, W+2p, N]`. Either
way column (c, kh, kw) of a layer's matrix is one constant offset, and nothing is gathered or unfolded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lthviz.speed.registers import NV, VL

LANES = 64
"""Images a pass: four vectors of 16, the width of a tile."""


def lanes(batch: int) -> int:
    """Floats a pixel and channel takes for a batch of at most LANES images."""
    return batch if batch < VL else -(-batch // VL) * VL


@dataclass(frozen=True)
class Map:
    """A feature map of `channels` stored channels in the arena. origin: index of channel 0, pixel (0, 0), lane 0.

    sc, sh, sp: distance of neighbouring channels, rows and pixels. A border of `pad` zeros is around every plane.
    """

    origin: int
    channels: int
    height: int
    width: int
    pad: int
    lanes: int
    sc: int
    sh: int
    sp: int

    @property
    def strides(self) -> tuple[int, int, int]:
        return self.sc, self.sh, self.sp


def shape(channels: int, height: int, width: int, pad: int, count: int) -> tuple[int, tuple[int, int, int], int]:
    """(floats, (sc, sh, sp), distance of pixel (0, 0) from the start) of a map for `count` lanes."""
    rows, cols = height + 2 * pad, width + 2 * pad
    if count >= VL:
        sp = channels * count
        strides = count, cols * sp, sp
    else:
        strides = rows * cols * count, cols * count, count
    return rows * cols * channels * count, strides, pad * (strides[1] + strides[2])


def vectors(out: Map, xh: int, xp: int, residual: Map | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Offsets of the output's vectors in input, output and residual, and their lanes as bits (None: all, always).

    xh, xp: what a step down or right in the output moves in the input. Rows of fewer than VL floats are gone over in one
    run with the border between them, whose lanes are not stored, where input and output lie alike.
    """
    h, w = np.arange(out.height)[:, None, None], np.arange(out.width)[None, :, None]
    r = residual or out
    if out.lanes >= VL:
        j = np.arange(0, out.lanes, VL)[None, None, :]
        x, y, z = ((h * rows + w * pixels + j).ravel() for rows, pixels in ((xh, xp), (out.sh, out.sp), (r.sh, r.sp)))
        return x, y, z, None
    run = out.width * out.lanes
    together = xh == out.sh == r.sh
    by_row, at_once = out.height * -(-run // VL), -(-((out.height - 1) * out.sh + run) // VL)
    if together and at_once < by_row:
        f = np.arange(at_once) * VL
        lane = f[:, None] + np.arange(VL)
        real = (lane % out.sh < run) & (lane < (out.height - 1) * out.sh + run)
        x = y = z = f
    else:
        start = np.arange(0, run, VL)
        x, y, z = ((np.arange(out.height)[:, None] * s + start).ravel() for s in (xh, out.sh, r.sh))
        real = np.tile(start[:, None] + np.arange(VL) < run, (out.height, 1))
    if real.all():
        return x, y, z, None
    return x, y, z, (real.astype(np.int64) << np.arange(VL)).sum(axis=1)


def pixels(out: Map, xh: int, xp: int, residual: Map | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets of every single output value of a channel, in input, output and residual. xh, xp: as in `vectors`."""
    h, w, n = np.arange(out.height)[:, None, None], np.arange(out.width)[None, :, None], np.arange(out.lanes)[None, None, :]
    r = residual or out
    return tuple((h * rows + w * step + n).ravel() for rows, step in ((xh, xp), (out.sh, out.sp), (r.sh, r.sp)))


def groups(count: int, threads: int, weights: int) -> int:
    """Vectors a task takes: more where all weights go by for each, fewer where threads would have nothing to do."""
    per = NV
    while weights * 4 > 1 << 20 and per < 4 * NV and -(-count // (2 * per)) >= 2 * threads:
        per *= 2
    return per
