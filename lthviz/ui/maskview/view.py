"""The mask of a layer as a live picture: zoom, pan, hover, before and after, difference and block order, all in the browser.

Bits, orders and blocks go in once; whatever is turned afterwards is answered in JavaScript without the server, which only
hears what was selected. What it is given and made of: lthviz/maskview/.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from lthviz.maskview import BAR, FOOT, PARTS, STAGE, STYLE, Picked, joined, payload
from lthviz.records import Layer


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("lthviz_mask_view", html=f'<div class="mv">{BAR}{STAGE}{FOOT}</div>', css=joined(STYLE),
                                      js=joined(*PARTS, Path(__file__).parent / "mount.js"))


def mask_view(after: np.ndarray, before: np.ndarray | None = None, *, key: str, on_select_change: Callable[[], None] | None = None,
              on_view_change: Callable[[], None] | None = None, layer: Layer | None = None, **asked: Any) -> Picked | None:
    """Draw a layer's mask, bool (C, n), against the mask `before` where there is one; returns what is selected.

    blocks: outlined, and with them a grouped order is offered (`figures.grouped`), unless row_order (C,) and col_order (n,)
    give another. mode: first view, a key of MODES; order: a key of ORDERS; cells: a key of CELLS, kernels where the layer has some of more
    than one position; shade: whether kept weights are shaded by |weights|, (C, n), or `why` says in a line why there are none (without both
    it is not offered); window: "12-40,100-299", rows and columns that are seen, places from 0, ends included, "" for all. A reader's own
    choice stays until one of these changes. picked: what is selected, where the page keeps it; None: nothing; not given: what the reader selected.
    height: of the picture, css pixels. on_view_change: called when any of that was switched; `st.session_state[key].view` is
    then {"layer", "mode", "order", "cells", "shade", "window"}. Without it a switch never reaches the server. ValueError when shapes or
    orders do not fit.
    """
    asked.setdefault("picked", _picked(st.session_state.get(key), layer))
    data = payload(after, before, layer=layer, reports=on_view_change is not None, **asked)
    heard = {"on_view_change": on_view_change} if on_view_change else {}
    return _picked(_component()(key=key, data=data, on_select_change=on_select_change or _nothing, **heard), layer)


def _picked(state: Any, layer: Layer | None) -> Picked | None:
    """The selection in a component's state, if it is one of this layer."""
    picked = state.get("select") if state else None
    return Picked(**picked) if picked and picked["layer"] == (layer.name if layer else "") else None


def _nothing() -> None:
    """A state is only kept where something listens to it."""
