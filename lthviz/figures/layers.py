"""Where the weights are: density of every layer, in network order, for the tickets of a round.

Global magnitude pruning empties some layers and spares others; each structure then moves every layer in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from lthviz.figures import theme
from lthviz.records import Layer, Ticket


def layer_density(tickets: Sequence[Ticket], layers: Sequence[Layer], *, titles: Mapping[str, str] | None = None,
                  current: str = "", dark: bool = False, height: int = 300) -> go.Figure:
    """A dot a layer and ticket; a thin line shows the `current` layer. titles: names for people by structure label.

    A point's `customdata` is (round, structure label, layer name).
    """
    p, fig = theme.palette(dark), go.Figure()
    styles = theme.styles([t.structure for t in tickets])
    place = list(range(1, len(layers) + 1))
    for t in tickets:
        s = styles[t.structure]
        fig.add_scatter(x=place, y=[100 * t.masks.density(la.name) for la in layers], name=_title(t, titles), mode="lines+markers",
                        line=dict(color=s.line(dark), width=1, dash=s.dash),
                        marker=dict(symbol=s.symbol, size=8, color=s.line(dark), line=dict(width=2 if "open" in s.symbol else 0,
                                                                                         color=s.line(dark))),
                        customdata=[(t.round, t.structure, la.name) for la in layers], text=[la.short for la in layers],
                        hovertemplate="<b>%{text}</b><br>" + _title(t, titles) + ": %{y:.1f} % kept<extra></extra>")
    theme.apply(fig, dark, height=height)
    if not tickets or not layers:
        theme.note(fig, "No ticket to show yet", dark)
    else:
        fig.update_xaxes(title_text="layer, from the image to the classifier", range=[0.5, len(layers) + 0.5], nticks=min(len(layers) + 1, 20),
                         tickformat="d")
        fig.update_yaxes(title_text="kept (%)", range=[-3, 106], tickvals=[0, 25, 50, 75, 100])
        at = next((i for i, la in zip(place, layers) if la.name == current), None)
        if at is not None:
            fig.add_vline(x=at, line=dict(color=p.accent, width=1.5), layer="below")
    return theme.meta(fig, caption=layer_density_caption(tickets, layers), alt=layer_density_alt(tickets, layers, titles=titles), n=len(layers))


def layer_density_table(tickets: Sequence[Ticket], layers: Sequence[Layer], *, titles: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """A row a layer, a column a ticket."""
    return [{"layer": la.name, "weights": la.size, **{f"{_title(t, titles)}, kept (%)": 100 * t.masks.density(la.name) for t in tickets}}
            for la in layers]


def layer_density_alt(tickets: Sequence[Ticket], layers: Sequence[Layer], *, titles: Mapping[str, str] | None = None) -> str:
    """The figure in spoken words: the sparsest and the densest layer of every ticket."""
    if not tickets or not layers:
        return "Density of each layer: no ticket to show yet."
    said = []
    for t in tickets:
        low, high = (f(layers, key=lambda la: t.masks.density(la.name)) for f in (min, max))
        said.append(f"{_title(t, titles)} keeps from {100 * t.masks.density(low.name):.1f} percent in {low.short} "
                    f"to {100 * t.masks.density(high.name):.1f} percent in {high.short}")
    return f"Density of each of {len(layers)} layers: " + "; ".join(said) + "."


def layer_density_caption(tickets: Sequence[Ticket], layers: Sequence[Layer]) -> str:
    which = f", round {tickets[0].round}" if tickets else ""
    return f"Share of each layer's weights that is kept (n = {len(layers)} layers{which})."


def _title(t: Ticket, titles: Mapping[str, str] | None) -> str:
    return (titles or {}).get(t.structure, t.structure.capitalize())
