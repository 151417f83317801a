"""All layers of a ticket at a glance: a strip of small mask images, the chosen one marked; a click or an arrow key chooses another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any

import streamlit as st

from lthviz.figures.masks import data_url
from lthviz.records import Address, Layer
from lthviz.ui import cache, frame, where

WIDTH, HEIGHT = 104, 46
"""Pixels of an image at most: 60 layers of random masks, the worst to compress, stay under 250 kB."""


@once
def _component() -> Callable[..., Any]:
    here = Path(__file__).parent
    return st.components.v2.component("lthviz_mask_strip", html='<div class="strip" role="radiogroup"></div>',
                                      js=(here / "strip.js").read_text(encoding="utf-8"), css=(here / "strip.css").read_text(encoding="utf-8"))


def strip(address: Address, layers: Sequence[Layer], rows: Sequence[Mapping[str, Any]], current: Layer, title: str) -> None:
    """The strip of a ticket. rows: `core.stats.layer_rows`; title: of the ticket, for people."""
    dark, key = frame.dark(), "layer-strip"
    shown = [{"name": layer.name, "short": layer.short, "density": f"{100 * row['density']:.3g} %", "alt": alt(row),
              "image": data_url(cache.thumbnail(address._replace(layer=layer.name), width=WIDTH, height=HEIGHT, dark=dark))}
             for layer, row in zip(layers, rows, strict=True)]
    _component()(key=key, data={"layers": shown, "current": current.name, "label": f"Layers of {title}, from the image to the classifier"},
                 on_choose_change=lambda: where.go(layer=st.session_state[key]["choose"], window=None, select=None))


def alt(row: Mapping[str, Any]) -> str:
    """A layer's small picture in words."""
    said = f"{row['short']}, {' × '.join(map(str, row['shape']))}: {100 * row['density']:.1f} percent kept"
    return said + (f", {row['removed_channels']} channels gone" if row["removed_channels"] else "")
