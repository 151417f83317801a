"""How every figure looks: one palette, one style a structure, one quiet plotly template for light and dark pages.

Backgrounds are transparent, so that the page's own colour shows. Colour never stands alone: each structure has its own
marker and dash, added and removed weights differ in hatching as well. Hues after Okabe and Ito (jfly.uni-koeln.de/color)
and Paul Tol (sronpersonalpages.nl/~pault), who chose them for colour-blind readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from lthviz.config import UNSTRUCTURED, Refill, structure
from lthviz.errors import ConfigError

ADDED, REMOVED = "#0072B2", "#D55E00"
FONT = '"Source Sans", "Source Sans Pro", "Source Sans 3", "Segoe UI", system-ui, sans-serif'


@dataclass(frozen=True)
class Palette:
    """Colours of one theme as #rrggbb. paper: what a mask's empty places are drawn in; kept: its weights."""

    text: str
    muted: str
    rule: str
    accent: str
    paper: str
    kept: str
    hover: str
    added: str = ADDED
    removed: str = REMOVED


LIGHT = Palette(text="#22252A", muted="#63666B", rule="#D4D3CD", accent="#0072B2", paper="#EFEFEB", kept="#2B2D31", hover="#FFFFFF")
DARK = Palette(text="#E7E6E2", muted="#A3A4A4", rule="#3D4149", accent="#3D9BD6", paper="#23262C", kept="#DCDBD6", hover="#1F2227")


def palette(dark: bool = False) -> Palette:
    return DARK if dark else LIGHT


@dataclass(frozen=True)
class Style:
    """How one structure is drawn. colour, on_dark: #rrggbb; symbol: a plotly marker; dash: a plotly dash."""

    colour: str
    on_dark: str
    symbol: str
    dash: str

    def line(self, dark: bool) -> str:
        return self.on_dark if dark else self.colour


STYLES: dict[str, Style] = {
    "dense": Style(LIGHT.muted, DARK.muted, "circle-open", "2px,3px"),
    UNSTRUCTURED: Style("#3F434D", "#C9CCD3", "circle", "solid"),
    "refill": Style("#00805D", "#2DBE94", "square", "7px,3px"),
    "refill+": Style("#3A93C8", "#7CC8F2", "square-open", "7px,3px,2px,3px"),
    "regroup": Style("#AA3377", "#E287B8", "triangle-up", "11px,3px"),
    "random": Style("#8A7A3B", "#C9B66A", "x-thin-open", "2px,3px"),
    "reinit": Style("#BF5A36", "#F2A184", "asterisk-open", "4px,3px"),
    "omp": Style("#4455AA", "#98A6F0", "circle-open-dot", "9px,2px,2px,2px"),
    "snip": Style("#C9304A", "#FF8096", "triangle-down", "5px,5px"),
    "grasp": Style("#8E3FC4", "#CFA0FF", "triangle-left", "5px,5px,1px,5px"),
    "synflow": Style("#00747A", "#4FD1D1", "triangle-right", "8px,2px,1px,2px,1px,2px"),
    "slimming": Style("#5E7F14", "#A8CC52", "diamond", "3px,3px"),
    "filters": Style("#A87400", "#E8B84A", "diamond-wide", "12px,4px"),
    "nm": Style("#7A5548", "#C7A494", "diamond-tall", "1px,3px"),
}
_VARIANTS = ("", "cross", "bowtie", "star", "hexagon", "pentagon", "hourglass")


def kind(label: str) -> str:
    """Which style a ticket's label is drawn in: `refill-rho=0.2` is `refill+`; an unknown label is `unstructured`."""
    if label in STYLES:
        return label
    try:
        s = structure(label)
    except ConfigError:
        return UNSTRUCTURED
    return "refill+" if isinstance(s, Refill) and s.rho else s.kind


def style(label: str, variant: int = 0) -> Style:
    """The style of a ticket; `variant` counts the tickets of the same kind before it and changes the marker."""
    s = STYLES[kind(label)]
    return s if not variant else Style(s.colour, s.on_dark, _VARIANTS[variant % len(_VARIANTS)] or s.symbol, s.dash)


def styles(labels: list[str]) -> dict[str, Style]:
    """A style for each label, told apart where several are of one kind."""
    seen: dict[str, int] = {}
    out = {}
    for label in labels:
        out[label] = style(label, seen.get(kind(label), 0))
        seen[kind(label)] = seen.get(kind(label), 0) + 1
    return out


def baseline(s: Style) -> Style:
    """How a structure's line is drawn where it is the pinned baseline: grey and dotted, its marker open."""
    return Style(LIGHT.muted, DARK.muted, s.symbol if "open" in s.symbol else f"{s.symbol}-open", "1px,4px")


def doubtful(symbol: str) -> str:
    """The marker of a measurement that was disturbed: open, with a dot; another one where the usual marker is open already."""
    own = {"circle": "octagon-open-dot", "circle-open": "circle-x-open", "circle-open-dot": "circle-cross-open", "square-open": "square-cross-open",
           "x-thin-open": "x-open-dot", "asterisk-open": "hash-open-dot", "bowtie": "bowtie-open", "hourglass": "hourglass-open"}
    return own.get(symbol, f"{symbol}-open-dot")


def mix(a: str, b: str, share: float) -> str:
    """A colour between two (#rrggbb), `share` of the way to the second."""
    x, y = (tuple(int(c[i:i + 2], 16) for i in (1, 3, 5)) for c in (a, b))
    return "#" + "".join(f"{round(u + share * (v - u)):02X}" for u, v in zip(x, y))


def axis(p: Palette, **more: Any) -> dict[str, Any]:
    """A thin axis without grid: a line, outside ticks, quiet numbers."""
    return dict(showgrid=False, zeroline=False, showline=True, linecolor=p.rule, linewidth=1, ticks="outside", ticklen=4,
                tickcolor=p.rule, tickfont=dict(color=p.muted, size=13), title_font=dict(color=p.text, size=14),
                title_standoff=8, automargin=True, fixedrange=True) | more


def apply(fig: go.Figure, dark: bool = False, *, height: int = 380) -> go.Figure:
    """Dress a figure (in place) for a light or dark page; `height` in pixels, the width is its container's."""
    p = palette(dark)
    fig.update_layout(
        template="none", height=height, autosize=True, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font=dict(family=FONT, size=14, color=p.text, variant="normal"), margin=dict(l=8, r=12, t=40, b=8),
        hoverlabel=dict(bgcolor=p.hover, bordercolor=p.rule, font=dict(color=p.text, size=13, family=FONT), align="left"),
        legend=dict(orientation="h", x=0, xanchor="left", y=1.0, yanchor="bottom", font=dict(size=13, color=p.text),
                    bgcolor="rgba(0,0,0,0)", itemclick=False, itemdoubleclick=False, tracegroupgap=0),
        hovermode="closest", dragmode=False, uirevision="keep", separators=". ", modebar=dict(remove=["zoom", "pan", "lasso", "select"]))
    fig.update_xaxes(**axis(p))
    fig.update_yaxes(**axis(p))
    fig.update_traces(unselected=dict(marker=dict(opacity=1)), selector=dict(type="scatter"))     # a click leads on; nothing fades
    return fig


def note(fig: go.Figure, text: str, dark: bool = False) -> go.Figure:
    """One quiet sentence in the middle of a figure that has nothing to show yet."""
    fig.add_annotation(text=text, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False,
                       font=dict(color=palette(dark).muted, size=15))
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False)
    return fig


def meta(fig: go.Figure, *, caption: str, alt: str, **more: Any) -> go.Figure:
    """Keep with the figure what it shows and how it is told aloud: `fig.layout.meta`."""
    fig.update_layout(meta=dict(caption=caption, alt=alt, **more))
    return fig
