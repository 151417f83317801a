"""A threshold that is dragged, and the mask of a layer that follows in the browser, without the server.

What a cut needs goes in once: Regroup's parts with L(i) (`core.regroup.Part`), or Refill's sorted channel scores. JavaScript cuts by
the same rule as `core.regroup.cut` and `core.refill.channels`, draws mask and curve, and tells Python the value that was settled on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import streamlit as st

from lthviz.config import Refill, Regroup
from lthviz.core.refill import channels, budget, layer_scores, ranking
from lthviz.core.regroup import Part
from lthviz.records import Layer
from lthviz.ui import maskview

__all__ = ["tune_view"]

ROOM = 900_000
"""Bytes of a message that are used before what only explains is left out: the largest layers stay under 1 MB."""
SIDE = """<div class="side" role="group" aria-label="Threshold"></div>"""
PARTS = ("tuneview_rules.js", "tuneview_live.js", "tuneview_plot.js", "tuneview_side.js", "tuneview.js")


@cache
def _component() -> Callable[..., Any]:
    html = f'<div class="mv tv">{maskview.BAR}<div class="main">{maskview.STAGE}{SIDE}</div>{maskview.FOOT}<dl class="figures"></dl></div>'
    return st.components.v2.component("lthviz_tune_view", html=html, js=maskview.joined(*maskview.PARTS, *PARTS),
                                      css=maskview.joined("maskview.css", "tuneview.css"))


def tune_view(before: np.ndarray, structure: Refill | Regroup, *, key: str, layer: Layer, parts: Sequence[Part] | None = None,
              scores: np.ndarray | None = None, magnitude: np.ndarray | None = None, title: str = "", mode: str = "diff",
              order: str = "grouped", height: int = 430, start: float | None = None,
              on_settle_change: Callable[[], None] | None = None) -> dict[str, float] | None:
    """Draw what a structure makes of the mask `before`, bool (C, n), with its threshold to drag; returns the value last settled on
    for this layer and structure, {"t1": …} or {"rho": …}, None while there is none.

    structure: its t1 or rho is shown until the reader moves it, and again as soon as another is handed in. parts: of this mask, for
    Regroup. scores: (C,), higher is better, for Refill. magnitude: (C, n), the trained weights or their size, for the kept magnitude
    and for Refill's fractional channel. mode, order: first view, keys of `maskview.MODES` and `ORDERS`. height: of the picture, css
    pixels. start: the value that the numbers are held against, the first one handed in when None. on_settle_change: called on release.

    A fractional channel is drawn exactly near the value handed in; farther away it is shown whole, which is said, until the
    reader lets go. ValueError: shapes that do not fit, Regroup without parts or in its variant `paper`, Refill without scores.
    """
    name = "t1" if isinstance(structure, Regroup) else "rho"
    state = (st.session_state.get(key) or {}).get("settle") or {}
    data = payload(before, structure, layer=layer, parts=parts, scores=scores, magnitude=magnitude, title=title, mode=mode, order=order,
                   height=height, start=start, heard=state.get("count", 0))
    state = _component()(key=key, data=data, on_settle_change=on_settle_change or _nothing).get("settle") or {}
    return {name: state[name]} if state.get("layer") == layer.name and name in state else None


def payload(before: np.ndarray, structure: Refill | Regroup, *, layer: Layer, parts: Sequence[Part] | None = None,
            scores: np.ndarray | None = None, magnitude: np.ndarray | None = None, title: str = "", mode: str = "diff",
            order: str = "grouped", height: int = 430, start: float | None = None, heard: int = 0) -> bytes:
    """What the browser is given, in the form of `maskview.packed` (read by `readLive`). heard: number of the last report that came."""
    raise NotImplementedError


def _nothing() -> None:
    """A state is only kept where something listens to it."""
