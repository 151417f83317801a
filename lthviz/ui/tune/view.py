"""A threshold that is dragged, and the mask of a layer that follows in the browser, without the server.

What a cut needs goes in once: Regroup's parts with L(i) (`core.regroup.Part`), or Refill's sorted channel scores. JavaScript cuts by
the same rule as `core.regroup.cut` and `core.refill.channels`, draws mask and curve, and tells Python the value that was settled on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from lthviz.config import Refill, Regroup
from lthviz.core.refill import budget, layer_scores, ranking
from lthviz.core.regroup import Part
from lthviz.glossary import definition
from lthviz.knobs import limits
from lthviz.records import Layer
from lthviz.ui import maskview

__all__ = ["tune_view"]

ROOM = 900_000
"""Bytes of a message that are used before what only explains is left out: the largest layers stay under 1 MB."""
SIDE = """<div class="side" role="group" aria-label="Threshold">
<div class="dial"><span class="what" aria-hidden="true"></span><input class="slide" type="range"><input class="exact" type="number" inputmode="decimal"></div>
<div class="beneath"><label class="parts"><select class="choice" aria-label="Group whose curve is shown"></select></label><button class="back" type="button"></button></div>
<div class="plot"><svg class="still" aria-hidden="true"></svg><svg class="moving"></svg></div><div class="why"></div><div class="told" aria-live="polite"></div></div>"""
TERMS = {"t1": definition("t1"), "rho": definition("ρ"), **{name: definition(name) for name in ("L(i)", "density", "structured coverage", "block")}}
"""What the view's tooltips say of its terms."""
PARTS = tuple(Path(__file__).parent / f"view{name}.js" for name in ("_rules", "_live", "_plot", "_side", ""))


@cache
def _component() -> Callable[..., Any]:
    html = f'<div class="mv tv">{maskview.BAR}<div class="main"><div>{maskview.STAGE}{maskview.FOOT}</div>{SIDE}</div><dl class="figures"></dl></div>'
    return st.components.v2.component("lthviz_tune_view", html=html, js=script(),
                                      css=maskview.joined(maskview.STYLE, Path(__file__).parent / "view.css"))


def script() -> str:
    """What runs in the browser, as one module."""
    return f"const TERMS = {json.dumps(TERMS)};\n" + maskview.joined(*maskview.PARTS, *PARTS)


def tune_view(before: np.ndarray, structure: Refill | Regroup, *, key: str, layer: Layer, parts: Sequence[Part] | None = None,
              scores: np.ndarray | None = None, magnitude: np.ndarray | None = None, title: str = "", mode: str = "diff",
              order: str = "grouped", height: int = 430, start: float | None = None, was: Mapping[str, float | None] | None = None,
              on_settle_change: Callable[[], None] | None = None) -> dict[str, float] | None:
    """Draw what a structure makes of the mask `before`, bool (C, n), with its threshold to drag; returns the value last settled on
    for this layer and structure, {"t1": …} or {"rho": …}, None while there is none.

    structure: its t1 or rho is shown until the reader moves it, and again as soon as another is handed in. parts: of this mask, for
    Regroup. scores: (C,), higher is better, for Refill. magnitude: (C, n), the trained weights or their size, for the kept magnitude
    and for Refill's fractional channel. mode, order: first view, keys of `maskview.MODES` and `ORDERS`. height: of the picture, css
    pixels. start: the value to go back to, the first one handed in when None. was: the numbers of the layer that those now are held against
    (kept, density, coverage, blocks, magnitude), where the start is of other parts or scores than these; None: what the start makes of these;
    empty: nothing is known of it. on_settle_change: called on release.

    A fractional channel is drawn exactly near the value handed in; farther away it is shown whole, which is said, until the
    reader lets go. ValueError: shapes that do not fit, Regroup without parts or in its variant `paper`, Refill without scores.
    """
    name = "t1" if isinstance(structure, Regroup) else "rho"
    structure = structure.of(layer.name)
    state = (st.session_state.get(key) or {}).get("settle") or {}
    data = payload(before, structure, layer=layer, parts=parts, scores=scores, magnitude=magnitude, title=title, mode=mode, order=order,
                   height=height, start=start, was=was, heard=state.get("count", 0))
    state = _component()(key=key, data=data, on_settle_change=on_settle_change or _nothing).get("settle") or {}
    return {name: state[name]} if state.get("layer") == layer.name and name in state else None


def payload(before: np.ndarray, structure: Refill | Regroup, *, layer: Layer, parts: Sequence[Part] | None = None,
            scores: np.ndarray | None = None, magnitude: np.ndarray | None = None, title: str = "", mode: str = "diff",
            order: str = "grouped", height: int = 430, start: float | None = None, was: Mapping[str, float | None] | None = None,
            heard: int = 0) -> bytes:
    """What the browser is given, in the form of `maskview.packed` (read by `readLive`). heard: number of the last report that came."""
    if before.dtype != bool or before.ndim != 2:
        raise ValueError("a mask should be a bool array (C, n)")
    if before.size > maskview.LARGEST:
        raise ValueError(f"a mask of {before.shape[0]} × {before.shape[1]} weights is too large to draw; at most {maskview.LARGEST:,}")
    if mode not in maskview.MODES or order not in maskview.ORDERS:
        raise ValueError(f"mode {mode!r} and order {order!r} should be one of {', '.join(maskview.MODES)} and {', '.join(maskview.ORDERS)}")
    size = None if magnitude is None else np.abs(magnitude)
    if size is not None and size.shape != before.shape:
        raise ValueError(f"magnitude has shape {size.shape}; the mask has {before.shape}")
    if isinstance(structure, Regroup):
        if parts is None or structure.variant != "code":
            raise ValueError("Regroup is dragged by t1: it needs its parts, and the variant 'code'")
        arrays, loose, head = _regroup(before, structure, parts, size)
    else:
        if scores is None:
            raise ValueError("Refill is dragged along its channel scores, which are missing")
        arrays, loose, head = _refill(before, structure, layer_scores({layer.name: scores}, layer.name, before.shape[0]), size)
    rule = {k: v for k, v in head.items() if k not in ("value", "first")}      # what the browser builds a layer by, beside its arrays: another makes another layer
    return maskview.packed(
        {"before": np.packbits(before), "rule": np.frombuffer(json.dumps(rule).encode(), np.uint8)} | arrays, before.shape, layer, loose, paired=True, title=title, mode=mode, order=order, height=height,
        name=layer.short, limits=_limits(structure), keys=maskview.KEYS, picked=None, reports=False, start=start, was=None if was is None else dict(was), heard=heard,
        kept=None if size is None else float(size[before].sum(dtype=np.float64)), **head)


def _regroup(before: np.ndarray, settings: Regroup, parts: Sequence[Part], size: np.ndarray | None) -> tuple[dict, dict, dict]:
    """Rows in the order of the parts, most weights first inside each block; of a part its columns' order, L and cumulative magnitude.

    The columns of a part that makes no block explain only why: they are left out where the message would grow too large.
    """
    shape, weights = before.shape, before.sum(1)
    narrow = _index(shape[1])

    def most_first(rows: np.ndarray) -> np.ndarray:
        return rows[np.argsort(-weights[rows], kind="stable")]

    arrays, bands, rows, rest = {}, [], [], np.ones(shape[0], bool)
    used = before.size // 8 + sum(shape[1] * (2 * narrow.itemsize + 4) for p in parts if p.rows.size > settings.min_rows)
    for p in parts:
        block, cost = p.rows.size > settings.min_rows, 2 * shape[1] * narrow.itemsize
        if not block and used + cost > ROOM:
            continue
        b, used = len(bands), used + cost * (not block)
        split = p.rows.size // settings.tile_rows * settings.tile_rows if block else 0
        rows += [most_first(p.rows[:split]), most_first(p.rows[split:])]
        rest[p.rows] = False
        bands.append({"size": int(p.rows.size), "split": int(split), "block": bool(block), "part": True})
        arrays |= {f"cols{b}": p.order.astype(narrow), f"left{b}": p.left.astype(narrow)}
        if block and size is not None:
            own = (size[p.rows] * before[p.rows]).sum(0, dtype=np.float64)
            arrays[f"sums{b}"] = np.cumsum(own[p.order]).astype("<f4")
    if rest.any():
        rows.append(most_first(np.flatnonzero(rest)))
        bands.append({"size": int(rest.sum()), "split": 0, "block": False, "part": False})
    outside = np.zeros(shape[0], bool)
    for p in parts:
        outside[p.rows] = p.rows.size <= settings.min_rows
    fallback = not any(band["block"] for band in bands)
    return arrays | {"rows": np.concatenate(rows).astype("<i4")}, {}, {
        "kind": "regroup", "value": settings.t1, "bands": bands, "stay": fallback or settings.leftovers == "keep", "min_rows": settings.min_rows,
        "divided": len(parts), "outside": 0.0 if size is None else float((size[outside] * before[outside]).sum(dtype=np.float64))}


def _refill(before: np.ndarray, settings: Refill, scores: np.ndarray, size: np.ndarray | None) -> tuple[dict, dict, dict]:
    """Rows from best to worst with their scores and cumulative magnitude; of those near the budget's end the columns by |w|."""
    (rows, n), best, near, first = before.shape, ranking(scores), {}, 0
    arrays = {"rows": best.astype("<i4"), "scores": scores[best].astype("<f4")}
    if size is not None:
        arrays["sums"] = np.cumsum((size * before).sum(1, dtype=np.float64)[best])
    if settings.fractional and size is not None:
        room = min(rows, max(1, (ROOM - before.size // 8) // 2 // (n * (_index(n).itemsize + 2))))
        first = max(0, min(rows - room, int(budget(np.count_nonzero(before), before.shape, settings.rho)) - room // 2))
        ordered = np.argsort(-size[best[first:first + room]], axis=1, kind="stable")
        own = np.take_along_axis((size * before)[best[first:first + room]], ordered, 1).cumsum(1, dtype=np.float64)
        near = {"near": ordered.astype(_index(n)), "shares": np.rint(65535 * own / np.maximum(own[:, -1:], 1e-300)).astype("<u2")}
    return arrays, near, {"kind": "refill", "value": settings.rho, "fractional": settings.fractional, "first": first}


def _limits(structure: Refill | Regroup) -> dict[str, Any]:
    """What the threshold may be: the setting's own limits."""
    name = "t1" if isinstance(structure, Regroup) else "rho"
    field = next(f for f in dataclasses.fields(structure) if f.name == name)
    return {k: field.metadata[k] for k in ("low", "high", "open")} | {"words": limits(field)}


def _index(n: int) -> np.dtype:
    """What holds 0…n."""
    return np.dtype("<u2" if n < 65536 else "<i4")


def _nothing() -> None:
    """A state is only kept where something listens to it."""
