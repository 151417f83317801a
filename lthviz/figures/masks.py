"""Pictures of one layer's mask: a small PNG for strips and thumbnails, its counts, and what is said of it aloud.

A mask is a bool matrix (C, n). With a mask from before, each weight is kept, added, removed or never there. Where a pixel
covers several weights it shows all of them: their colours mixed in proportion, over paper by INK of the share that is there,
so that a lone weight in a large block stays visible. The live view in the browser draws by the same rule.
"""

from __future__ import annotations

import base64
import io
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lthviz.figures import theme
from lthviz.records import Layer

INK = 0.7
"""A pixel's opacity is its occupied share to this power: order is kept, and 1 weight in 30 is seen (9 % instead of 3 %)."""


class Counts(NamedTuple):
    """How many weights are in each state. Without a mask from before, `added` and `removed` are 0."""

    kept: int
    added: int
    removed: int
    never: int

    @property
    def total(self) -> int:
        return sum(self)


def mask_counts(after: np.ndarray, before: np.ndarray | None = None) -> Counts:
    """Counts of a (C, n) mask, against the mask `before` it where there is one."""
    on = int(np.count_nonzero(after))
    if before is None:
        return Counts(on, 0, 0, after.size - on)
    kept, was = int(np.count_nonzero(after & before)), int(np.count_nonzero(before))
    return Counts(kept, on - kept, was - kept, after.size - on - was + kept)


def mask_text(after: np.ndarray, before: np.ndarray | None = None, layer: Layer | None = None) -> str:
    """One or two spoken sentences about a mask, with its numbers."""
    c, (rows, cols) = mask_counts(after, before), after.shape
    empty = int(rows - np.count_nonzero(after.any(1)))
    name = f"Mask of {layer.short}" if layer else "Mask"
    said = (f"{name}: {rows:,} output channels by {cols:,} weights each, {c.kept + c.added:,} of {c.total:,} kept "
            f"({100 * (c.kept + c.added) / max(1, c.total):.1f} percent)")
    said += f"; {empty:,} output channel{'s are' if empty != 1 else ' is'} removed whole." if empty else "."
    if before is not None:
        said += f" Against the mask before, {c.kept:,} weights stay, {c.added:,} are added and {c.removed:,} removed."
    return said


def mask_table(after: np.ndarray, before: np.ndarray | None = None, layer: Layer | None = None) -> list[dict[str, Any]]:
    """The same as rows: state, weights, share (%)."""
    c = mask_counts(after, before)
    named = c._asdict() if before is not None else {"kept": c.kept, "pruned": c.never}
    return [{"layer": layer.short if layer else "", "state": k, "weights": v, "share (%)": 100 * v / max(1, c.total)} for k, v in named.items()]


def mask_block(shape: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of the block of weights one pixel stands for, so that a (C, n) mask fits width × height pixels."""
    return -(-shape[0] // height), -(-shape[1] // width)


def mask_png(after: np.ndarray, before: np.ndarray | None = None, *, width: int = 320, height: int = 96, dark: bool = False) -> bytes:
    """A PNG of a (C, n) mask of at most width × height pixels; a small one is magnified by whole numbers.

    Without `before`: kept weights on paper. With it: kept, added and removed in their colours. When a pixel covers several
    weights, the file's comment says how many (see `mask_block`).
    """
    p = theme.palette(dark)
    states = [(after, p.kept)] if before is None else [(after & before, p.kept), (after & ~before, p.added), (before & ~after, p.removed)]
    by, bx = mask_block(after.shape, width, height)
    inks = np.array([_rgb(colour) for _, colour in states])
    shares = np.stack([_share(m, by, bx) for m, _ in states])
    there = shares.sum(0)
    mixed = np.tensordot(shares, inks, ((0,), (0,))) / np.maximum(there, 1e-12)[..., None]
    alpha = (there ** INK)[..., None]
    pixels = np.rint(_rgb(p.paper) * (1 - alpha) + mixed * alpha).astype(np.uint8)
    up = max(1, height // pixels.shape[0]), max(1, width // pixels.shape[1])
    up = (min(up[0], 12), min(up[1], 12))
    image = Image.fromarray(pixels.repeat(up[0], 0).repeat(up[1], 1))
    few = image.getcolors(256)
    if few is not None:         # a palette is a fraction of the size
        image = image.quantize(len(few), dither=Image.Dither.NONE)
    info = PngInfo()
    info.add_text("Comment", "one pixel is one weight" if by == bx == 1 else f"one pixel stands for {by} × {bx} weights (output channels × columns)")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, pnginfo=info)
    return out.getvalue()


def data_url(png: bytes) -> str:
    """A PNG as an address that an image column or an <img> takes."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _share(mask: np.ndarray, by: int, bx: int) -> np.ndarray:
    """Share of set cells in each by × bx block; blocks at the right and lower edge may be smaller."""
    if by == bx == 1:
        return mask.astype(np.float64)
    ys, xs = np.arange(0, mask.shape[0], by), np.arange(0, mask.shape[1], bx)
    hits = np.add.reduceat(np.add.reduceat(mask.astype(np.int64), ys, 0), xs, 1)
    area = np.diff(np.append(ys, mask.shape[0]))[:, None] * np.diff(np.append(xs, mask.shape[1]))
    return hits / area


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)], np.float64)
