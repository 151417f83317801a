"""Which run, round and layer: widgets that show the page's address and write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lthviz.config import RunConfig
from lthviz.presets import PRESETS
from lthviz.records import Layer, Run
from lthviz.store.brief import Brief
from lthviz.ui import cache, several, where


def run_title(run: Run | Brief) -> str:
    """A run's name for people."""
    named = PRESETS[run.preset].title if run.preset in PRESETS else f"{run.config.model} on {run.config.data}"
    return run.title or named + (f", from round {run.config.from_round} on" if run.config.parent else "")


def summary(config: RunConfig) -> str:
    """What a run does, in a line."""
    if config.taken_in:
        return f"{config.rounds} round{'s' * (config.rounds != 1)}, made elsewhere" if config.rounds else "a dense network, made elsewhere"
    names = ", ".join(s.name for s in config.structures) or "no structure"
    return f"{config.model} on {config.data} · {config.rounds} round{'s' * (config.rounds != 1)} at {100 * config.rate:g} % · {names}"


def pick_run(current: str) -> None:
    """All runs, newest first, of an example's study one seed; another one starts at its newest stage."""
    briefs = cache.briefs()[0]
    found, first = several.few(briefs, {current}), {of[0].id: several.seeds(of) for of in several.together(briefs).values()}
    # No state in the names: a browser that still knows a run as "running" would answer with a name that is none any more.
    names = {r.id: f"{run_title(r)} · {r.id.rsplit('-', 1)[-1]}" + (f" · seed {r.config.seed}, of {first[r.id]}" if r.id in first else "")
             + (" · example" if r.example else "") for r in found}
    key = showing("pick-run", current if current in names else None)
    st.selectbox("Run", list(names), key=key, format_func=names.get, label_visibility="collapsed", placeholder="Choose a run",
                 on_change=heard(key, lambda chosen: where.go(run=chosen, round=None, stage=None, layer=None, ticket=None,
                                            against=None, new=None, window=None, select=None)), width=360)


def pick_round(rounds: Sequence[int], current: int) -> None:
    """The rounds that are there; another one keeps the kind of stage where it has it."""
    key = showing("pick-round", current)
    st.segmented_control("Round", list(rounds), key=key, required=True, width="content",
                         on_change=heard(key, lambda chosen: where.go(round=chosen, select=None)))


def pick_layer(layers: Sequence[Layer], current: Layer) -> None:
    """A layer by name, and its neighbours on the keys J and K."""
    names = [x.name for x in layers]
    at = names.index(current.name)
    key = showing("pick-layer", current.name)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="layer-row"):
        st.selectbox("Layer", names, key=key, width=280, format_func={x.name: _layer(x) for x in layers}.get,
                     on_change=heard(key, lambda chosen: where.go(layer=chosen, window=None, select=None)))
        layer_keys(names, at)


def layer_keys(names: Sequence[str], at: int) -> None:
    """Buttons for the next layer (J) and the previous one (K)."""
    st.button("Next layer", icon=":material/keyboard_arrow_down:", shortcut="j", key="layer-next", type="tertiary",
              disabled=at + 1 >= len(names), on_click=lambda: where.go(layer=names[at + 1], window=None, select=None))
    st.button("Previous layer", icon=":material/keyboard_arrow_up:", shortcut="k", key="layer-back", type="tertiary", disabled=at == 0,
              on_click=lambda: where.go(layer=names[at - 1], window=None, select=None))


def _layer(layer: Layer) -> str:
    c, n = layer.matrix
    return f"{layer.short} · {c:,} × {n:,}"


def showing(name: str, value: Any) -> str:
    """The key under which a widget shows what the address says.

    It is a new one whenever the page moved on without the widget: a rerun that the browser asked for before it heard of the
    move still carries the widget's old value, and under the same key that would be taken for the reader's choice.
    """
    turn, last = st.session_state.get(f"{name}-shown", (0, value))
    if st.session_state.get(f"{name}-{turn}", last) != value:
        turn += 1
    st.session_state[f"{name}-shown"] = (turn, value)
    st.session_state[f"{name}-{turn}"] = value
    return f"{name}-{turn}"


def heard(key: str, act: Callable[[Any], None]) -> Callable[[], None]:
    """What to do when the widget under a `showing` key changes: `act` with the reader's choice.

    What the page itself put there is no choice. Streamlit takes it for one when a script that drew the widget was interrupted by the
    next: then a page that follows a run would stay behind at a stage that it passed.
    """
    shown = st.session_state[key]

    def changed() -> None:
        if (value := st.session_state[key]) != shown:
            act(value)
    return changed
