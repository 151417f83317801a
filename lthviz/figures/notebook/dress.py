"""What the notebook's figures share: masks in any form, a layer by either of its names, and the title."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lthviz.errors import AddressError, MaskError, did_you_mean
from lthviz.figures import theme
from lthviz.records import Blocks, Masks, Structured, Ticket


def masks_of(value: Any) -> tuple[Masks, Mapping[str, Blocks]]:
    """Masks and their blocks, of Masks, a structure's result or a stored ticket."""
    if isinstance(value, Structured | Ticket):
        return value.masks, value.blocks
    if isinstance(value, Masks):
        return value, {}
    if isinstance(value, Mapping):
        return Masks.of({str(k): np.asarray(v) != 0 for k, v in value.items()}), {}
    raise MaskError(f"masks should be Masks, what refill or regroup gave, or arrays by parameter name; this is a {type(value).__name__}")


def full_name(layer: str, masks: Mapping[str, Any]) -> str:
    """A layer's parameter name from that or its module's; AddressError with the near misses."""
    for name in (layer, f"{layer}.weight"):
        if name in masks:
            return name
    raise AddressError(f"there is no mask of a layer {layer!r}; {did_you_mean(str(layer), [n.removesuffix('.weight') for n in masks])}")


def titled(fig: go.Figure, title: str, under: str = "", *, caption: str, alt: str, dark: bool, height: int, n: int) -> go.Figure:
    """Dressed as all figures are, with a title and a quiet line under it, and free to be zoomed."""
    theme.apply(fig, dark, height=height)
    p = theme.palette(dark)
    said = f"<b>{html.escape(title)}</b>" + (f"<br><span style='font-size:13px;color:{p.muted}'>{html.escape(under)}</span>" if under else "")
    fig.update_layout(title=dict(text=said, x=0, xref="container", xanchor="left", y=1, yref="container", yanchor="top", pad=dict(l=12, t=22), font=dict(size=16, color=p.text)),
                      margin_t=112 if under else 84, dragmode="zoom", modebar=dict(remove=["lasso", "select"]))
    fig.update_xaxes(fixedrange=False)
    fig.update_yaxes(fixedrange=False)
    return theme.meta(fig, caption=caption, alt=alt, n=n)
