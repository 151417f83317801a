"""What figures of accuracy against cost share: their axes, the region where a ticket wins, the dense accuracy beside the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from lthviz.figures import theme

SPEEDS = (1, 2, 5, 10, 3, 1.5, 20, 0.5, 50, 30, 7, 100, 1.2, 4, 15, 0.7, 200, 0.2, 0.1, 0.3, 1.1, 0.9, 0.8, 70, 1.3, 1.4)
SHARES = (100, 50, 20, 10, 5, 80, 30, 2, 1, 60, 40, 70, 15, 7, 3, 25, 0.5, 0.2, 0.1)
"""Values that may stand at an axis, the more welcome first."""
LABEL = 0.11
"""Of the axis of accuracies, what a label of two lines takes."""
NEAR = 5.0
"""Points below the dense network that a close look goes down to."""


def cost(fig: go.Figure, x: str, ends: Sequence[float], title: str) -> None:
    """The logarithmic axis of speedups, or of shares in percent from the dense network on; `ends`: what has to be in it."""
    if x == "speed":
        low, high = min(ends) / 1.06, max([1.25, *ends]) * 1.06
        values = ticks(SPEEDS, low, high)
    else:
        low, high = 112.0, min([50.0, *ends]) / 1.12
        values = ticks(SHARES, low, high)
    fig.update_xaxes(type="log", range=[math.log10(low), math.log10(high)], tickvals=values, ticktext=[f"{v:g}" for v in values],
                     title_text=title, minor=dict(ticks=""))


def accuracy(fig: go.Figure, accs: Sequence[float], below: float | None, p: theme.Palette, count: Sequence[float] = ()) -> None:
    """The axis of accuracies. below: what is lower is left out, and how many of `count` that are is said; None: all is shown."""
    if below is not None:
        if lower := sum(a < below for a in count):
            fig.add_annotation(x=0, xref="paper", y=0, yref="paper", xanchor="left", yanchor="bottom", xshift=6, yshift=3, showarrow=False,
                               text=f"{lower} ticket{'s' * (lower != 1)} below", font=dict(color=p.muted, size=13))
        accs = [a for a in accs if a >= below]
    pad = max(0.5, 0.09 * (max(accs) - min(accs)))
    # the room above the highest point is a label's: it is there at 100 % too, and no number of the axis falls into it
    fig.update_yaxes(range=[max(-1.0, min(accs) - pad), min(100.0, max(accs)) + pad], title_text="test accuracy (%)")


def nothing_gained(fig: go.Figure, x: str, p: theme.Palette) -> None:
    """At speeds, a line where nothing is gained."""
    if x == "speed":
        fig.add_vline(x=1, line=dict(color=p.rule, width=1), layer="below")


def winning(fig: go.Figure, x: str, least: float, p: theme.Palette, *, said: bool = True) -> None:
    """Shade where a ticket is as accurate as the dense network and cheaper; after the axes."""
    edge, far = (1 if x == "speed" else 100), 10 ** fig.layout.xaxis.range[1]
    fig.add_shape(type="rect", x0=edge, x1=far, y0=least, y1=fig.layout.yaxis.range[1], fillcolor=p.accent, opacity=0.09, line_width=0, layer="below")
    if said:
        fig.add_annotation(x=1, xref="paper", y=1, yref="paper", xanchor="right", yanchor="top", showarrow=False, xshift=-6, yshift=-3,
                           text="as accurate, and faster" if x == "speed" else "as accurate, and smaller", font=dict(color=p.accent, size=13))


def dense(fig: go.Figure, levels: Sequence[float], p: theme.Palette, names: Sequence[str] = ()) -> None:
    """The dense accuracies all along, and their labels beside the axes, where no curve can cross them. names: short ones, with which each
    level is labelled; levels too near for two labels share one."""
    for y in dict.fromkeys(levels):
        fig.add_hline(y=y, line=dict(color=p.muted, width=1, dash=theme.STYLES["dense"].dash), layer="below")
    if not levels:
        return
    said = [(max(levels), f"dense<br>{levels[0]:.1f} %" if len(set(levels)) == 1 else "dense")]
    if len(set(levels)) > 1 and len(names) == len(levels):
        near = LABEL * abs(fig.layout.yaxis.range[1] - fig.layout.yaxis.range[0]) if fig.layout.yaxis.range else 0.0
        groups: list[list[tuple[float, str]]] = []
        for y, name in sorted(zip(levels, names), reverse=True):
            if groups and groups[-1][0][0] - y < near:
                groups[-1].append((y, name))
            else:
                groups.append([(y, name)])
        said = [(of[0][0], "dense " + (f"{of[0][1]}<br>{of[0][0]:.1f} %" if len(of) == 1 else
                                       f"{', '.join(sorted(n for _, n in of))}<br>{_range(of[-1][0], of[0][0])} %")) for of in groups]
    for y, text in said:
        fig.add_annotation(x=1.01, xref="paper", y=y, text=text, showarrow=False, xanchor="left", yanchor="middle", align="left",
                           font=dict(color=p.muted, size=13))
    fig.update_layout(margin_r=12 + max(46, *(8 * len(line) for _, text in said for line in text.split("<br>"))))


def _range(low: float, high: float) -> str:
    return f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f}–{high:.1f}"


def ticks(welcome: Sequence[float], low: float, high: float) -> list[float]:
    """Those between the ends that stand apart on a logarithmic axis."""
    apart, taken = 0.11 * abs(math.log(high / low)), []     # so that their numbers fit on a phone
    for v in welcome:
        if min(low, high) <= v <= max(low, high) and all(abs(math.log(v / w)) > apart for w in taken):
            taken.append(v)
    return sorted(taken)
