"""Where the weights are, round by round: a row a layer, a column a round, the shade its density.

Shades are logarithmic, because densities fall by a share each round; where there is room the numbers stand in the cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lthviz.figures import theme

SHADES = (100, 50, 20, 10, 5, 2, 1)
"""Densities in percent that stand beside the scale of shades."""
LEAST = 1.0
"""Percent; a layer with less has the shade of this."""
NUMBERS = 14, 26
"""So many rounds and layers have room for their numbers."""


@dataclass(frozen=True, eq=False)
class LayerRounds:
    """Densities of a method of a run. layers: short names, from the image on; rounds: numbers; density: (layers, rounds), 0..1, nan where a
    round has no such ticket."""

    run: str
    method: str
    layers: tuple[str, ...]
    rounds: tuple[int, ...]
    density: np.ndarray
    name: str = ""

    @property
    def title(self) -> str:
        return f"{self.method} of {self.name or self.run}"


def layer_rounds(of: LayerRounds, *, dark: bool = False) -> go.Figure:
    """The heat map of one method of one run."""
    p, fig = theme.palette(dark), go.Figure()
    n = len(of.layers)
    if n and of.rounds:
        percent = 100 * of.density
        numbers = len(of.rounds) <= NUMBERS[0] and n <= NUMBERS[1]
        said = [["" if math.isnan(v) else "0" if v == 0 else f"{v:.0f}" if v >= 9.5 else f"{v:.1f}" for v in row] for row in percent]
        hover = [["not trained" if math.isnan(v) else f"{v:.2f} % kept" for v in row] for row in percent]
        fig.add_heatmap(
            z=np.log10(np.maximum(percent, LEAST)).round(4).tolist(), x=[f"{k}" for k in of.rounds], y=list(of.layers), zmin=math.log10(LEAST), zmax=2,
            colorscale=[[0, p.paper], [0.5, theme.mix(p.paper, p.accent, 0.75)], [1, p.kept]], xgap=1, ygap=1, text=said, customdata=hover, hoverongaps=False,
            hovertemplate="<b>%{y}</b>, round %{x}<br>%{customdata}<extra></extra>",
            colorbar=dict(title=dict(text="kept (%)", side="right", font=dict(size=13, color=p.text)), tickvals=[math.log10(v) for v in SHADES],
                          ticktext=[f"{v}" if v > LEAST else f"≤ {v}" for v in SHADES], tickfont=dict(color=p.muted, size=12), outlinewidth=0, thickness=12, len=1))
    theme.apply(fig, dark, height=max(220, 96 + (22 if n <= NUMBERS[1] else 12) * n))
    if fig.data:
        fig.update_xaxes(title_text="round", type="category", showline=False, ticks="")
        fig.update_yaxes(title_text="layer, from the image on", title_standoff=18, ticklabelstandoff=4, type="category", autorange="reversed", showline=False, ticks="", tickfont=dict(color=p.muted, size=12))
        fig.update_layout(margin_t=12)
        if numbers:      # all at once: plotly checks every annotation anew with each that is added
            fig.update_layout(annotations=[
                dict(x=i, y=j, text=text, showarrow=False, font=dict(size=11, color=ink(_shade(p, shade))))      # an axis of categories counts them from 0
                for j, (line, shades) in enumerate(zip(said, np.log10(np.maximum(percent, LEAST)) / 2)) for i, (text, shade) in enumerate(zip(line, shades)) if text])
    else:
        theme.note(fig, "No ticket to show yet", dark)
    return theme.meta(fig, caption=layer_rounds_caption(of), alt=layer_rounds_alt(of), n=n, runs=[of.run])


def layer_rounds_table(of: Sequence[LayerRounds]) -> list[dict[str, Any]]:
    """A row a layer of each, a column a round: the share of its weights that is kept, in percent."""
    rounds = sorted({k for one in of for k in one.rounds})
    out = []
    for one in of:
        place = {k: i for i, k in enumerate(one.rounds)}
        for name, row in zip(one.layers, one.density):
            shares = {f"round {k} (%)": None if k not in place or math.isnan(v := float(row[place[k]])) else 100 * v for k in rounds}
            out.append({**({"of": one.title} if len(of) > 1 else {}), "layer": name, **shares})
    return out


def layer_rounds_alt(of: LayerRounds) -> str:
    """In spoken words: what the last round left of the layers."""
    if not of.layers or not of.rounds or np.isnan(of.density[:, -1]).all():
        return f"Density of every layer over the rounds, {of.title}: no ticket to show yet."
    last = of.density[:, -1]
    low, high = int(np.nanargmin(last)), int(np.nanargmax(last))
    return (f"Density of each of {len(of.layers)} layers over {len(of.rounds)} rounds, {of.title}: in round {of.rounds[-1]} it keeps from {100 * last[low]:.1f} percent "
            f"of {of.layers[low]} to {100 * last[high]:.1f} percent of {of.layers[high]}.")


def layer_rounds_caption(of: LayerRounds) -> str:
    return (f"Share of each layer's weights that {of.title} keeps, round by round (n = {len(of.layers)} layers, {len(of.rounds)} rounds; run {of.run}; "
            "shades are logarithmic).")


def ink(cell: str) -> str:
    """Black or white, whichever has the higher contrast on a cell of that colour (WCAG 2.2, relative luminance)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (int(cell[i:i + 2], 16) / 255 for i in (1, 3, 5))]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (y + 0.05) / 0.05 > 1.05 / (y + 0.05) else "#FFFFFF"


def _shade(p: theme.Palette, at: float) -> str:
    """The colour of a cell at 0..1 of the scale of shades."""
    middle = theme.mix(p.paper, p.accent, 0.75)
    return theme.mix(p.paper, middle, 2 * at) if at < 0.5 else theme.mix(middle, p.kept, 2 * at - 1)
