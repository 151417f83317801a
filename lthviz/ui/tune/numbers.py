"""A preview in numbers: one sentence, a row of cards with the change against something, and the list of layers."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lthviz import methods
from lthviz.glossary import definition
from lthviz.tuning import Preview, Source
from lthviz.tuning.previewing import Row, Totals
from lthviz.ui import frame, pickers, where
from lthviz.ui.tune import address
from lthviz.ui.tune.address import Asked

STYLE = """<style>dl.tune-cards { padding: 0 !important; display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: .6rem; margin: .1rem 0 .2rem !important; }
.tune-cards div { border: 1px solid color-mix(in srgb, currentColor 14%, transparent); border-radius: .3rem; padding: .5rem .75rem .55rem; }
.tune-cards dt { opacity: .66; font-size: .85rem; } .tune-cards dd { margin: 0 !important; font-size: 1.3rem; font-weight: 600; }
.tune-cards .change { font-size: .85rem; font-weight: 400; opacity: .75; min-height: 1.2em; }</style>"""


def sentence(asked: Asked, found: Preview) -> str:
    """The whole network."""
    t = found.totals
    said = f"{asked.structure.name} of round {asked.round} would keep {t.kept:,} of {t.size:,} weights ({100 * t.density:.1f} %)"
    if t.blocks:
        layers = round(t.coverage_layers * len(found.rows))
        said += f", {100 * t.coverage:.0f} % of them in {t.blocks} dense block{'s' * (t.blocks != 1)} in {layers} of {len(found.rows)} layers"
    else:
        said += ", none of them in a dense block"
    said += f", with {100 * t.flops:.1f} % of the dense network's multiply-adds"
    if t.time:
        said += f"; estimated, it runs in {t.time:.2f} of the dense time"
    return f"{said}."


def base_name(asked: Asked, label: str) -> str:
    """What is compared with, in words."""
    structure = methods.structure(label)
    return f"{structure.name}, {'the run’s' if label in address.stored(asked.run, asked.round, structure.kind) else 'as it is by default'}"


def cards(found: Preview, base: Preview | None, of: Source) -> None:
    """The totals, each with its change."""
    t, b = found.totals, base.totals if base is not None else None
    no_weights = f"Kept magnitude is not known: {of.why}" if of.why else ""
    uncalibrated = "No time is estimated, as this machine is not calibrated yet: measuring any ticket does it, on the Speed page or with python -m lthviz bench."
    shown: list[tuple[str, Callable[[Totals], float | None], str]] = [
        ("Density", lambda x: x.density, definition("density")),
        ("Effective density", lambda x: x.effective, definition("effective density")),
        ("In blocks", lambda x: x.coverage, f"The share of the kept weights in dense blocks. Structured coverage: {definition('structured coverage')}"),
        ("Kept magnitude", lambda x: x.magnitude, no_weights or "Share of the size Σ|w| of the unstructured ticket's weights that is kept"),
        ("Multiply-adds", lambda x: x.flops, f"Share of the dense network's. {definition('multiply-adds')}"),
        ("Estimated time", lambda x: x.time, "Of 64 images on all cores, as a share of the dense network's in the same kernel; estimated from this machine's "
                                             "calibration, not measured. Estimated speed: " + definition("estimated speed") if t.time is not None else uncalibrated)]
    cells = []
    for label, value, help in shown:
        now, was = value(t), value(b) if b is not None else None
        change = "" if now is None or was is None else f"{points(now, was):+.1f} points".replace("-", "−") if points(now, was) else "no change"
        cells.append(f"<div title='{html.escape(help, quote=True)}'><dt>{label}</dt><dd>{'–' if now is None else f'{100 * now:.1f} %'}</dd>"
                     f"<dd class='change'>{change}</dd></div>")
    st.html(f"<dl class='tune-cards'>{''.join(cells)}</dl>{STYLE}")
    if open_ := [help for _, value, help in shown if value(t) is None]:
        frame.quiet(" ".join(x if x.endswith(".") else f"{x}." for x in open_))


def points(now: float, was: float) -> float:
    """The change between two shares in percent as they are shown, so that it is what a reader subtracts."""
    return round(float(f"{100 * now:.1f}") - float(f"{100 * was:.1f}"), 1)


def layer_list(asked: Asked, found: Preview, base: Preview | None) -> None:
    """Every layer; the selected row is the layer of the address."""
    names = [r.name for r in found.rows]
    at = names.index(asked.layer.name)
    key = pickers.showing("tune-layers", {"selection": {"rows": [at], "columns": [], "cells": []}})
    own = address.names(asked.run.layers, asked.structure)
    was = {r.name: r for r in base.rows} if base is not None else {}
    percent = st.column_config.NumberColumn
    st.dataframe([_cells(r, own, was.get(r.name)) for r in found.rows], key=key, on_select=_chosen(key, names), selection_mode="single-row-required",
                 hide_index=True, alt=_alt(found.rows), height=38 + 35 * min(10, len(names)), placeholder="–", column_config={
        "density": st.column_config.ProgressColumn("density (%)", format="%.1f", min_value=0, max_value=100, width="small", help=f"Of this layer. {definition('density')}"),
        "change": percent("change (points)", format="%+.1f", help="Of the density, against what is compared with"),
        "effective": percent("effective (%)", format="%.1f", help=definition("effective density")),
        "in blocks": percent("in blocks (%)", format="%.0f", help=f"The share of the layer's kept weights. Structured coverage: {definition('structured coverage')}"),
        "magnitude": percent("magnitude (%)", format="%.1f", help="Share of Σ|w| of the unstructured mask's weights that is kept"),
        "multiply-adds": percent("multiply-adds", format="compact", help=definition("multiply-adds")),
        "own settings": st.column_config.TextColumn(width="medium", help="What is set for this layer alone")})


def _cells(r: Row, own: dict[str, str], was: Row | None) -> dict[str, Any]:
    return {"layer": r.short, "shape": "×".join(map(str, r.shape)), "density": 100 * r.density,
            "change": None if was is None else points(r.density, was.density), "effective": 100 * r.effective, "in blocks": 100 * r.coverage,
            "blocks": r.blocks, "magnitude": None if r.magnitude is None else 100 * r.magnitude, "multiply-adds": r.macs, "own settings": own.get(r.name, "")}


def _chosen(key: str, names: Sequence[str]) -> Callable[[], None]:
    def choose() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            where.go(layer=names[rows[0]])
    return choose


def _alt(rows: Sequence[Row]) -> str:
    least, most = min(rows, key=lambda r: r.density), max(rows, key=lambda r: r.density)
    return (f"{len(rows)} layers; the sparsest would be {least.short} with {100 * least.density:.1f} percent kept, the densest {most.short} with "
            f"{100 * most.density:.1f} percent.")
