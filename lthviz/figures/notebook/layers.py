"""How much each layer keeps, a line a ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from lthviz.errors import MaskError
from lthviz.figures import theme
from lthviz.figures.notebook.dress import masks_of, titled
from lthviz.records import Masks, Structured, Ticket

LOOKS = ("unstructured", "refill", "regroup", "refill+", "omp", "snip", "synflow", "filters", "nm")
"""Styles in the order in which tickets are drawn."""


def densities(masks: Any, *, dark: bool = False) -> go.Figure:
    """The share of its weights that every layer keeps, from the image on.

    masks: one ticket (Masks, what refill or regroup gave, a stored ticket), or several by name: `{"pruned": masks, "Refill": channel}`.
    dark: for a dark page.

    Returns: a plotly Figure; a row a layer, kept weights in percent.
    Errors: MaskError for what are no masks, or tickets that have no layer in common.
    Source: ICML 2022, section 3.1: pruned over all layers at once, they keep different shares.
    Example:
        lt.figures.densities({"pruned": masks, "Refill": channel})
    """
    single = isinstance(masks, Masks | Structured | Ticket) or not isinstance(masks, Mapping) or not all(isinstance(v, Masks | Structured | Ticket) for v in masks.values())
    tickets = {"kept": masks_of(masks)[0]} if single else {str(name): masks_of(of)[0] for name, of in masks.items()}
    if not tickets:
        raise MaskError("there are no masks to draw")
    names = list(dict.fromkeys(name for of in tickets.values() for name in of))
    if not set.intersection(*(set(of) for of in tickets.values())):
        raise MaskError(f"{' and '.join(tickets)} have no layer in common; they are masks of different networks")
    fig, place = go.Figure(), {name: i for i, name in enumerate(names)}
    for i, (title, of) in enumerate(tickets.items()):
        s = theme.STYLES[LOOKS[i % len(LOOKS)]]
        fig.add_scatter(x=[100 * of.density(n) for n in of], y=[place[n] for n in of], mode="lines+markers", name=f"{title}, {100 * of.density():.1f} % in all",
                        line=dict(color=s.line(dark), dash=s.dash, width=1.5), marker=dict(symbol=s.symbol, size=9, color=s.line(dark)),
                        customdata=[(n.removesuffix(".weight"), of.nnz(n), of.size(n)) for n in of],
                        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]:,} of %{customdata[2]:,} weights, %{x:.2f} %<extra></extra>")
    said = "; ".join(f"{title} keeps {100 * of.density():.1f} percent" for title, of in tickets.items())
    titled(fig, "Kept weights by layer", f"{len(names)} layers, from the image on", caption=f"Share of each layer's weights that is kept (n = {len(names)} layers).",
           alt=f"Kept weights of {len(names)} layers: {said}.", dark=dark, height=max(300, 170 + 24 * len(names)), n=len(names))
    fig.update_xaxes(title_text="kept weights (%)", rangemode="tozero")
    fig.update_yaxes(title_text="layer, from the image on", tickvals=list(place.values()), ticktext=[n.removesuffix(".weight") for n in names], range=[len(names) - 0.5, -0.5],
                     showline=False, ticks="", ticklabelstandoff=6)
    fig.update_layout(showlegend=True)
    return fig
