"""The mask of a layer in the live view, with all that is shown of it in the page's address: a link shows the same."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from lthviz.records import Blocks, Layer, Masks, Ticket
from lthviz.ui import frame, where
from lthviz.ui.maskview import CELLS, MODES, ORDERS, Picked, mask_view

_VIEWS = {"view": MODES, "order": ORDERS, "cells": CELLS}
_WINDOW = re.compile(r"(\d{1,9})-(\d{1,9}),(\d{1,9})-(\d{1,9})")
NOT_STORED = "No |w|: this ticket's trained weights are not stored (the run's setting keep_weights says which are)."
NOTHING_KEPT = "No |w|: nothing is kept in this layer."


def picture(ticket: Ticket, before: Masks | None, layer: Layer, *, key: str, title: str, height: int, why: str = "") -> None:
    """why: a sentence on why the ticket has no trained weights to shade by."""
    said, asked = [], {}
    for name, known in _VIEWS.items():
        asked[name] = where.text(name)
        if asked[name] and asked[name] not in known:
            said.append(f"The link names {name} {asked[name]!r}; it can be {', '.join(known)}.")
            asked[name] = ""
    blocks = ticket.blocks.get(layer.name)
    usual = "grouped" if blocks is not None and len(blocks) > 1 else "original"   # groups are seen only when brought together
    unit = (layer.shape[2] * layer.shape[3] if layer.convolution else 1) if asked["cells"] == "kernels" else 1
    window, odd = find_window(where.text("window"), layer, max(1, unit))
    picked, wrong = find_selected(where.text("select"), layer, blocks)
    frame.notes(said + odd + wrong)
    paired, shade = before is not None and layer.name in before, where.text("shade") == "1"
    weights = None
    if shade and ticket.weights is not None:
        weights = ticket.weights[layer.name].reshape(layer.matrix)
    mask_view(ticket.masks.matrix(layer.name), before.matrix(layer.name) if paired else None, key=key, layer=layer,
              blocks=blocks, title=title, mode=(asked["view"] or "pair") if paired else "after", order=asked["order"] or usual,
              cells=asked["cells"] or "weights", shade=shade, weights=weights, why=why or (NOT_STORED if ticket.weights is None else NOTHING_KEPT), window=window, picked=picked, height=height,
              on_view_change=lambda: _viewed(key, paired, usual), on_select_change=lambda: _selected(key))


def find_window(text: str, layer: Layer, unit: int) -> tuple[str, list[str]]:
    """The window an address names, "rows,columns" as in `12-40,100-299`, ends included, cut to the layer; '' for all of it."""
    if not text:
        return "", []
    found, (rows, cols) = _WINDOW.fullmatch(text), (layer.matrix[0], layer.matrix[1] // unit)
    i, i1, j, j1 = map(int, found.groups()) if found else (1, 0, 1, 0)
    if i > i1 or j > j1 or i >= rows or j >= cols:
        return "", [f"The link shows the window {text!r}; it should be rows and columns of {layer.short}, as in 0-{min(31, rows - 1)},0-{min(63, cols - 1)}. "
                    "Showing the whole layer."]
    return f"{i}-{min(i1, rows - 1)},{j}-{min(j1, cols - 1)}", []


def find_selected(text: str, layer: Layer, blocks: Blocks | None) -> tuple[Picked | None, list[str]]:
    """What an address says is selected: `block-3` counted from 1, `row-17` or `column-5` from 0; None for nothing."""
    if not text:
        return None, []
    kind, _, number = text.partition("-")
    at = int(number) if number.isdecimal() and len(number) < 10 else -1
    most = {"block": len(blocks) if blocks is not None else 0, "row": layer.matrix[0], "column": layer.matrix[1]}
    if kind == "block" and blocks is not None and 1 <= at <= most[kind]:
        return Picked(layer.name, kind, int(blocks.rows[at - 1][0]), int(blocks.cols[at - 1][0]), at - 1), []
    if kind in ("row", "column") and 0 <= at < most[kind]:
        return Picked(layer.name, kind, at if kind == "row" else 0, at if kind == "column" else 0, -1), []
    return None, [f"The link selects {text!r}, which {layer.short} has not: it has {most['block']} blocks from 1, {most['row']} rows and {most['column']} columns from 0."]


def _viewed(key: str, paired: bool, usual: str) -> None:
    view: dict[str, Any] = st.session_state[key].get("view") or {}
    order, cells = view.get("order"), view.get("cells")
    where.go(order=None if order == usual else order, cells=None if cells == "weights" else cells, shade="1" if view.get("shade") else None,
             window=view.get("window") or None, **({"view": view.get("mode")} if paired else {}))


def _selected(key: str) -> None:
    picked = st.session_state[key].get("select")
    where.go(select=picked and (f"block-{picked['block'] + 1}" if picked["kind"] == "block" else f"{picked['kind']}-{picked[picked['kind']]}"))
