"""Which run, round and layer: widgets that show the page's address and write it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz.config import RunConfig
from lthviz.presets import PRESETS
from lthviz.records import Layer, Run
from lthviz.ui import cache, where


def run_title(run: Run) -> str:
    """A run's name for people."""
    return run.title or (PRESETS[run.preset].title if run.preset in PRESETS else f"{run.config.model} on {run.config.data}")


def summary(config: RunConfig) -> str:
    """What a run does, in a line."""
    names = ", ".join(s.name for s in config.structures) or "no structure"
    return f"{config.model} on {config.data} · {config.rounds} round{'s' * (config.rounds != 1)} at {100 * config.rate:g} % · {names}"


def pick_run(current: str) -> None:
    """All runs, newest first; another one starts at its newest stage."""
    found, _ = cache.listed()
    names = {r.id: f"{run_title(r)} · {r.id.rsplit('-', 1)[-1]} · {s.state if not cache.store().is_example(r.id) else 'example'}"
             for r, s in found}
    _show("pick-run", current if current in names else None)
    st.selectbox("Run", list(names), key="pick-run", format_func=names.get, label_visibility="collapsed", placeholder="Choose a run",
                 on_change=lambda: where.go(run=st.session_state["pick-run"], round=None, stage=None, layer=None, ticket=None,
                                            against=None, new=None), width=360)


def pick_round(rounds: Sequence[int], current: int) -> None:
    """The rounds that are there; another one keeps the kind of stage where it has it."""
    _show("pick-round", current)
    st.segmented_control("Round", list(rounds), key="pick-round", required=True, width="content",
                         on_change=lambda: where.go(round=st.session_state["pick-round"]))


def pick_layer(layers: Sequence[Layer], current: Layer) -> None:
    """A layer by name, and its neighbours on the keys J and K."""
    names = [x.name for x in layers]
    at = names.index(current.name)
    _show("pick-layer", current.name)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="layer-row"):
        st.selectbox("Layer", names, key="pick-layer", width=280, format_func={x.name: _layer(x) for x in layers}.get,
                     on_change=lambda: where.go(layer=st.session_state["pick-layer"]))
        layer_keys(names, at)


def layer_keys(names: Sequence[str], at: int) -> None:
    """Buttons for the next layer (J) and the one before it (K)."""
    st.button("Next layer", icon=":material/keyboard_arrow_down:", shortcut="j", key="layer-next", type="tertiary",
              disabled=at + 1 >= len(names), on_click=lambda: where.go(layer=names[at + 1]))
    st.button("Layer before", icon=":material/keyboard_arrow_up:", shortcut="k", key="layer-back", type="tertiary", disabled=at == 0,
              on_click=lambda: where.go(layer=names[at - 1]))


def _layer(layer: Layer) -> str:
    c, n = layer.matrix
    return f"{layer.short} · {c:,} × {n:,}"


def _show(key: str, value: object) -> None:
    """Let a widget show what the address says."""
    st.session_state[key] = value
