"""What a mask view is given and made of: one byte string a layer, a few elements, the scripts and the style that draw it.

Bits, orders and blocks go in once; whatever is turned afterwards is answered in JavaScript. The picture itself is drawn by
paint.js, by the same rule as `figures.mask_png`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lthviz.figures import order as orders
from lthviz.figures import theme
from lthviz.figures.masks import mask_text
from lthviz.maskview.levels import levels_of
from lthviz.records import Blocks, Layer

MODES = {"before": "Before", "after": "After", "pair": "Both", "diff": "Difference"}
LARGEST = 32_000_000
"""Weights of a layer: on the smallest picture a pixel then stands for fewer than 1,024, all that its counts can hold."""
ORDERS = {"original": "Original", "grouped": "Grouped"}
CELLS = {"weights": "Weights", "kernels": "Kernels"}
KEYS = "Arrow keys move from weight to weight, plus and minus zoom, 0 shows all, D the difference, G the other order, Shift K kernels, W sizes; S saves the picture."


class Picked(NamedTuple):
    """What was selected in the picture. kind: "row", "column" or "block"; row, column: of the weight that was clicked, in the
    mask's own order; block: the number of its block, -1 in none."""

    layer: str
    kind: str
    row: int
    column: int
    block: int


BAR = """<div class="bar"><span class="title"></span>
<div class="seg modes" role="group" aria-label="Which mask is shown"></div><div class="seg kinds" role="group" aria-label="What a cell stands for" hidden></div><div class="seg orders" role="group" aria-label="Order of rows and columns"></div>
<div class="seg shades" role="group" aria-label="Size of weights" hidden></div>
<div class="seg zoom push" role="group" aria-label="Zoom"></div><div class="seg save"></div></div>"""
STAGE = """<div class="stage"><canvas class="cells" aria-hidden="true"></canvas><canvas class="marks" tabindex="0" role="application"></canvas>
<span class="name" aria-hidden="true"></span><span class="name" aria-hidden="true"></span><div class="tip" aria-hidden="true" hidden></div><div class="hint" aria-hidden="true"></div></div>"""
FOOT = """<div class="under"><div class="read" aria-live="polite"></div><label class="window">Window <input class="field" spellcheck="false" autocomplete="off"></label></div>
<div class="legend" role="group" aria-label="Weights in each state"></div><div class="how" aria-hidden="true"></div><div class="ramp" aria-live="polite" hidden></div>"""
PARTS = tuple(Path(__file__).parent / f"{name}.js" for name in (
    "cells", "kernels", "weights", "shape", "window", "zoom", "paint", "motion", "marks", "words", "views", "selection", "link", "controls", "save", "hands", "view"))
"""What the mask view and the live view of Tune share; each adds its own default export."""
STYLE = Path(__file__).parent / "view.css"


def joined(*files: Path) -> str:
    """The text of these files as one module or style sheet."""
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def payload(after: np.ndarray, before: np.ndarray | None = None, *, layer: Layer | None = None, blocks: Blocks | None = None,
            row_order: np.ndarray | None = None, col_order: np.ndarray | None = None, title: str = "", mode: str = "after",
            order: str = "original", cells: str = "weights", shade: bool = False, weights: np.ndarray | None = None, why: str = "",
            window: str = "", height: int = 420, picked: Picked | None = None, reports: bool = False) -> bytes:
    """What the browser is given: uint32 length, a JSON head, then sections of raw bytes (read by `readLayer`)."""
    if after.dtype != bool or after.ndim != 2 or (before is not None and (before.dtype != bool or before.shape != after.shape)):
        raise ValueError("a mask should be a bool array (C, n), and the mask before of the same shape")
    if after.size > LARGEST:
        raise ValueError(f"a mask of {after.shape[0]} × {after.shape[1]} weights is too large to draw; at most {LARGEST:,}")
    if mode not in MODES or order not in ORDERS or cells not in CELLS:
        raise ValueError(f"mode {mode!r}, order {order!r} and cells {cells!r} should be one of {', '.join(MODES)}; {', '.join(ORDERS)}; {', '.join(CELLS)}")
    if weights is not None and weights.shape != after.shape:
        raise ValueError(f"weights have shape {weights.shape}; the mask has {after.shape}")
    arranged = orders.given(after.shape, row_order, col_order) or orders.grouped(after, before, blocks)
    parts: dict[str, np.ndarray] = {"after": np.packbits(after)}
    if before is not None:
        parts["before"] = np.packbits(before)
    index = "<u2" if max(after.shape) <= 1 << 16 else "<i4"
    few = blocks if blocks is not None and len(blocks) <= orders.MAX_BANDS else None
    for b in range(len(few) if few else 0):
        parts |= {f"rows{b}": few.rows[b].astype(index), f"cols{b}": few.cols[b].astype(index)}
    if arranged:
        parts |= {"order": arranged.rows.astype(index), **{f"band{b}": x.cols.astype(index) for b, x in enumerate(arranged.bands)}}
    shades = levels_of(weights, after, sum(p.nbytes for p in parts.values())) if weights is not None and shade else None
    if shades:
        parts["levels"] = shades[0]
    return packed(
        parts, after.shape, layer, paired=before is not None, title=title, mode=mode, order=order, cells=cells, shade=shade, window=window,
        height=height, shades=shades and shades[1], shadable=weights is not None or bool(why), why=why or "No |w|: nothing is kept in this layer.",
        convolution=layer is not None and layer.convolution, index=np.dtype(index).itemsize,
        blocks=[0] * (len(few) if few else 0), bands=[(b.start, b.stop) for b in arranged.bands] if arranged else [],
        spoken=mask_text(after, before, layer) + " " + KEYS, picked=picked and {k: v for k, v in picked._asdict().items() if k != "layer"}, reports=reports)


def packed(parts: dict[str, np.ndarray], shape: tuple[int, int], layer: Layer | None, loose: Mapping[str, np.ndarray] | None = None,
           **head: Any) -> bytes:
    """Arrays and a head as one byte string: uint32 length, JSON, then the sections, each four bytes aligned (`readHead`).

    Two with the same digest hold the same arrays, but for those in `loose`; what else is in the head may differ.
    """
    sections, body, at, digest = {}, [], 0, ""
    for name, part in [*parts.items(), ("", None), *(loose or {}).items()]:
        if part is None:
            digest = hashlib.blake2b(b"".join(body) + repr(sections).encode() + repr(shape).encode(), digest_size=12).hexdigest()
            continue
        raw = part.tobytes()
        sections[name] = (at, at + len(raw))
        body.append(raw + bytes(-len(raw) % 4))
        at += len(body[-1])
    colours = {name: {k: v for k, v in dataclasses.asdict(p).items() if k in ("paper", "kept", "added", "removed", "text", "accent")}
               for name, p in (("light", theme.LIGHT), ("dark", theme.DARK))}
    text = json.dumps(dict(
        rows=shape[0], cols=shape[1], layer=layer.name if layer else "", kernel=(*layer.shape[1:], 1, 1)[:3] if layer else None,
        groups=layer.groups if layer else 1, sections=sections, colours=colours, digest=digest) | head).encode()
    text += b" " * (-(len(text) + 4) % 4)
    return len(text).to_bytes(4, "little") + text + b"".join(body)

