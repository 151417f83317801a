"""The curves behind the two structures: channel scores with K marked (Refill), and what a group's cut leaves out (Regroup)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from lthviz.config import Refill, Regroup
from lthviz.core import partition, refill
from lthviz.core import regroup as core
from lthviz.errors import ConfigError, did_you_mean
from lthviz.figures import theme
from lthviz.figures.notebook.dress import full_name, masks_of, titled


def channels(masks: Any, scores: Mapping[str, np.ndarray], layer: str, settings: Refill | None = None, *, rho: float | None = None, dark: bool = False, height: int = 380) -> go.Figure:
    """The scores of a layer's output channels, the best first, and K, how many of them Refill keeps whole.

    masks: the unstructured masks, whose weights decide K.
    scores: (C,) a layer, as `lt.scores` gives them.
    layer: its parameter or module name.
    settings: lt.Refill(…) with its ρ, as for `lt.refill`.
    rho: ρ instead, 0 to 1.
    dark: for a dark page.
    height: of the figure, in pixels.

    Returns: a plotly Figure; score against rank, the kept channels filled.
    Errors: AddressError for an unknown layer; ConfigError for a ρ out of range; MaskError for scores that do not fit.
    Source: ICML 2022, section 3.2: K = ceil(x + (C − x)·ρ), x = nnz/n.
    Example:
        lt.figures.channels(masks, lt.scores(model, masks), "layer1.0.conv1", rho=0.2)
    """
    given, p, s = masks_of(masks)[0], theme.palette(dark), theme.STYLES["refill"].line(dark)
    name = full_name(layer, given)
    rows, n = given.shape(name)[0], given.size(name) // given.shape(name)[0]
    own = (settings or Refill()) if rho is None else dataclasses.replace(settings or Refill(), rho=rho)
    values = refill.layer_scores(scores, name, rows)
    best, x = refill.ranking(values), given.nnz(name) / n
    k = refill.channels(given.nnz(name), (rows, n), own.of(name).rho)
    fig, ranks = go.Figure(), np.arange(1, rows + 1)
    for title, part, fill in ((f"kept, {k} channels", slice(0, k), s), (f"removed, {rows - k}", slice(k, rows), "rgba(0,0,0,0)")):
        fig.add_bar(x=ranks[part], y=values[best[part]], name=title, marker=dict(color=fill, line=dict(color=s, width=1)), customdata=best[part],
                    hovertemplate="channel %{customdata}, rank %{x}<br>score %{y:.4g}<extra></extra>")
    short = name.removesuffix(".weight")
    fig.add_vline(x=k + 0.5, line=dict(color=p.accent, width=1.5, dash="6px,3px"), annotation=dict(text=f"K = {k}", font=dict(color=p.accent, size=13), yanchor="top"))
    titled(fig, f"Channels of {short}", f"x = {x:.2f} channels' worth of weights are left of {rows}; ρ = {own.of(name).rho:g} keeps K = {k}",
           caption=f"Scores of the output channels of {short}, the best first (n = {rows} channels).",
           alt=f"Scores of {rows} output channels of {short} from {values.max():.3g} down to {values.min():.3g}; Refill keeps the best {k}.", dark=dark, height=height, n=rows)
    fig.update_xaxes(title_text="rank of the output channel", range=[0.2, rows + 0.8])
    fig.update_yaxes(title_text="score (as lt.scores gives it)")
    fig.update_layout(bargap=0.15)
    return fig


def threshold(masks: Any, layer: str, settings: Regroup | None = None, *, seed: int = 0, dark: bool = False, height: int = 420, **knobs: Any) -> go.Figure:
    """Where Regroup cuts each group of a layer: L(i), the most weights that any of its rows has outside the group's first i columns, and the line i/t1.

    masks: the unstructured masks.
    layer: its parameter or module name.
    settings: lt.Regroup(…); or its settings as keywords, as for `lt.regroup`.
    seed: of the partitioner.
    dark: for a dark page.
    height: of the figure, in pixels.

    Returns: a plotly Figure; a curve a group, its cut marked: the smallest i with i > t1·L(i). Hollow: too few rows for a block.
    Errors: AddressError for an unknown layer; ConfigError for unknown or impossible settings, or the variant `paper`, which has no such curve.
    Source: ICML 2022, section 3.3, as in the released code.
    Example:
        lt.figures.threshold(masks, "layer1.0.conv1", groups=4, min_rows=4)
    """
    fields = [f.name for f in dataclasses.fields(Regroup)]
    for key in knobs:
        if key not in fields:
            raise ConfigError(f"{key!r} is not a setting of regroup; {did_you_mean(key, [*fields, 'seed', 'dark', 'height'])}")
    whole = dataclasses.replace(settings or Regroup(), **knobs)
    given, p = masks_of(masks)[0], theme.palette(dark)
    name = full_name(layer, given)
    own = whole.of(name)
    if own.variant == "paper":
        raise ConfigError("variant = 'paper' searches with absolute thresholds and has no such curve; use variant = 'code'")
    partition.check_groups(own, [given.shape(name)[0]])
    matrix = given.matrix(name)
    parts = core.parts(matrix, partition.one(given, name, whole, seed))
    fig, colour, widths = go.Figure(), theme.STYLES["regroup"].line(dark), []
    for i, part in enumerate(parts, 1):
        width, block = core.cut(part, own.t1), part.rows.size > own.min_rows
        widths.append(width)
        columns = np.arange(1, part.left.size + 1)
        fig.add_scatter(x=columns, y=part.left, mode="lines", line=dict(color=colour, width=1.4, shape="hv"), opacity=0.35 + 0.6 * block, showlegend=False, name=f"group {i}",
                        hovertemplate=f"group {i}, {part.rows.size} rows<br>the first %{{x}} columns leave out at most %{{y}} weights of a row<extra></extra>")
        fig.add_scatter(x=[width], y=[part.left[width - 1]], mode="markers", showlegend=False, name=f"cut of group {i}",
                        marker=dict(symbol="circle" if block else "circle-open", size=9, color=colour, line=dict(width=2, color=colour)),
                        hovertemplate=f"group {i}: {part.rows.size} rows × {width} columns{'' if block else ', too few rows for a block'}<extra></extra>")
    most = max([int(part.left[0]) for part in parts], default=1)
    end = min(matrix.shape[1], max([*widths, 1]) * 2)
    fig.add_scatter(x=[0, end], y=[0, end / own.t1], mode="lines", line=dict(color=p.accent, width=1.5, dash="6px,3px"), name=f"i / t1, t1 = {own.t1:g}", hoverinfo="skip")
    made, short = sum(part.rows.size > own.min_rows for part in parts), name.removesuffix(".weight")
    titled(fig, f"Where Regroup cuts {short}", f"{len(parts)} groups, {made} with more than {own.min_rows} rows make a block; a cut is the smallest i > t1·L(i)",
           caption=f"L(i) of the groups of {short}, and the line i / t1 (n = {len(parts)} groups).",
           alt=f"{len(parts)} groups of {short}; their blocks take {min(widths, default=0)} to {max(widths, default=0)} of {matrix.shape[1]} columns at t1 = {own.t1:g}.",
           dark=dark, height=height, n=len(parts))
    fig.update_xaxes(title_text="columns taken, i (the fullest first)", range=[0, end * 1.02])
    fig.update_yaxes(title_text="most weights a row leaves out, L(i)", range=[0, most * 1.05])
    fig.update_layout(showlegend=True)
    return fig
