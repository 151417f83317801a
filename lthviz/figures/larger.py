"""A figure for a lecture: all that is measured in pixels made larger together, so that it is the same figure read from the last row."""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go

_PIXELS = re.compile(r"^\d+(\.\d+)?px(,\d+(\.\d+)?px)*$")
_LENGTHS = {"linewidth", "tickwidth", "ticklen", "gridwidth", "zerolinewidth", "standoff", "title_standoff", "borderwidth", "borderpad", "arrowwidth", "arrowsize",
            "startstandoff", "xshift", "yshift", "tracegroupgap", "thickness", "ticklabelstandoff", "itemwidth"}
"""Keys that are pixels wherever they stand."""
_INSIDE = {"size": {"font", "tickfont", "titlefont", "textfont", "title_font", "marker", "hoverlabel", "grouptitlefont"}, "width": {"line", "error_x", "error_y"},
           "dash": {"line"}, **{side: {"margin"} for side in "lrtb"}, "pad": {"margin", "title"}}
"""Keys that are pixels inside some others: a bar's width is in units of its axis, a line's in pixels."""


def larger(fig: go.Figure, times: float) -> go.Figure:
    """A copy of `fig` with fonts, lines, dashes, markers, ticks, margins and its height `times` as large. Data and ranges stay."""
    out = _scaled(fig.to_plotly_json(), times, "")
    layout = out["layout"]
    if layout.get("height"):
        layout["height"] = round(layout["height"] * times)
    for note in layout.get("annotations", ()):
        for side, unit in (("ax", "axref"), ("ay", "ayref")):      # where an arrow begins, in pixels from its point
            if note.get(side) is not None and note.get(unit, "pixel") == "pixel":
                note[side] *= times
    return go.Figure(out, skip_invalid=False)


def _scaled(value: Any, times: float, inside: str) -> Any:
    if isinstance(value, dict):
        return {k: _length(v, times) if k in _LENGTHS or inside in _INSIDE.get(k, ()) else _scaled(v, times, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and any(isinstance(v, (dict, list, tuple)) for v in value):
        return [_scaled(v, times, inside) for v in value]
    return value


def _length(value: Any, times: float) -> Any:
    """A length, several, or a dash pattern in pixels; anything else as it is."""
    if isinstance(value, str):
        return re.sub(r"\d+(\.\d+)?", lambda m: f"{float(m[0]) * times:g}", value) if _PIXELS.match(value) else value
    if isinstance(value, (list, tuple)):
        return [_length(v, times) for v in value]
    if hasattr(value, "dtype"):
        return value * times
    return value * times if isinstance(value, (int, float)) and not isinstance(value, bool) else value
