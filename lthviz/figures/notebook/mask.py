"""A layer's mask as a picture in a notebook: before and after, in the network's order or with the rows of a block together."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from lthviz.errors import ConfigError, MaskError, did_you_mean
from lthviz.figures import masks as pictures
from lthviz.figures import order as ordering
from lthviz.figures import theme
from lthviz.figures.notebook.dress import full_name, masks_of, titled

ORDERS = {"auto": "grouped where there are blocks to show", "grouped": "rows of a block together, its columns first", "original": "as in the weight"}
PIXELS = 1200, 480
"""Width and height of the picture at most; where a layer has more weights, a pixel stands for several."""


def mask(masks: Any, layer: str, *, before: Any = None, order: str = "auto", dark: bool = False, height: int = 420) -> go.Figure:
    """One layer's mask, a row an output channel, a column one of its weights; against the mask before it, where that is given.

    masks: Masks, what refill or regroup gave, or a stored ticket.
    layer: its parameter or module name, `layer1.0.conv1`.
    before: masks of the same network before; weights then are kept, added or removed.
    order: `original`, `grouped` (rows of a block together, and in each band its own columns first, blocks outlined) or `auto` (grouped where there are blocks).
    dark: for a dark page.
    height: of the figure, in pixels.

    Returns: a plotly Figure; axes count rows (C) and columns (n = C_in·kh·kw). Where a pixel stands for several weights, the line under the title says so.
    Errors: AddressError for an unknown layer; MaskError for masks of another network; ConfigError for an unknown order, or `grouped` without blocks.
    Source: ICML 2022, sections 3.2 and 3.3.
    Example:
        lt.figures.mask(channel, "layer1.0.conv1", before=masks)
    """
    if order not in ORDERS:
        raise ConfigError(f"order = {order!r} is not known; {did_you_mean(str(order), ORDERS)}")
    (now, blocks), p = masks_of(masks), theme.palette(dark)
    name = full_name(layer, now)
    after, was = now.matrix(name), None
    if before is not None:
        earlier = masks_of(before)[0]
        was = earlier.matrix(full_name(layer, earlier))
        if was.shape != after.shape:
            raise MaskError(f"the masks of {layer!r} have {was.shape[0]}×{was.shape[1]} and {after.shape[0]}×{after.shape[1]} weights: they are of different networks")
    found = ordering.grouped(after, was, blocks.get(name)) if order != "original" else None
    if order == "grouped" and found is None:
        raise ConfigError(f"layer {layer!r} has no blocks to group by; use order = 'original'")
    shown, then = (after, was) if found is None else (found.permute(after), None if was is None else found.permute(was))
    (rows, cols), fig = shown.shape, go.Figure()
    fig.add_layout_image(source=pictures.data_url(pictures.mask_png(shown, then, width=PIXELS[0], height=PIXELS[1], dark=dark)), xref="x", yref="y", x=0, y=0,
                         sizex=cols, sizey=rows, sizing="stretch", layer="below", xanchor="left", yanchor="top")
    counts = pictures.mask_counts(after, was)
    inks = [("kept", counts.kept, p.kept)] + ([("added", counts.added, p.added), ("removed", counts.removed, p.removed)] if was is not None else [])
    for what, number, colour in inks:
        fig.add_scatter(x=[None], y=[None], mode="markers", name=f"{what} {number:,}", marker=dict(symbol="square", size=11, color=colour))
    outlined = [b for b in found.bands if b.block >= 0] if found is not None else []
    for band in outlined:
        fig.add_shape(type="rect", x0=0, x1=blocks[name].cols[band.block].size, y0=band.start, y1=band.stop, line=dict(color=p.accent, width=1.5), fillcolor="rgba(0,0,0,0)")
    by, bx = pictures.mask_block(shown.shape, *PIXELS)
    under = f"{rows:,} × {cols:,} weights, {100 * np.count_nonzero(after) / after.size:.1f} % kept" + (f"; {len(outlined)} block{'s' * (len(outlined) != 1)} outlined" if outlined else "") + (
        f"; a pixel stands for {by} × {bx} weights" if by * bx > 1 else "")
    short = name.removesuffix(".weight")
    titled(fig, f"Mask of {short}", under, caption=f"Mask of {short}, a row an output channel (n = {after.size:,} weights).", alt=pictures.mask_text(after, was), dark=dark, height=height, n=after.size)
    order_said = ", rows of a block together" if found is not None else ""
    fig.update_xaxes(title_text="weight of the channel (column)" if found is None else "weights (columns), a block's own first", range=[0, cols])
    fig.update_yaxes(title_text=f"output channel (row{order_said})", range=[rows, 0])
    return fig
