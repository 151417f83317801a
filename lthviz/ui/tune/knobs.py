"""The other settings of a structure beside the threshold that is dragged: widgets made from the fields, for all layers or for one."""

from __future__ import annotations

import dataclasses
from typing import Any

import streamlit as st

from lthviz.errors import ConfigError
from lthviz.knobs import plain
from lthviz.ui import cache, forms, frame, pickers, where
from lthviz.ui.tune import address
from lthviz.ui.tune.address import SCOPES, Asked

REFUSED = "tune-refused"
FIRST = {"code": ("groups", "min_rows", "tile_rows", "leftovers"), "paper": ("groups", "min_nnz", "min_rows", "min_cols", "leftovers"),
         "refill": ("score", "fractional")}
MORE = {"code": ("imbalance", "partitioner", "variant"), "refill": ()}
MORE["paper"] = MORE["code"]
"""What a variant of Regroup, or Refill, turns: its thresholds in the row, the rest behind it."""
DRAGGED = {"regroup": "t1", "refill": "rho"}
"""What the view itself turns."""
WIDTH, WIDE = 140, 205


def knobs(asked: Asked) -> None:
    """A row of widgets, and why the last change was refused, if it was."""
    kind, shown = getattr(asked.structure, "variant", asked.structure.kind), asked.shown
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="tune-knobs"):
        _scope(asked)
        for name in FIRST[kind]:
            _widget(asked, name, getattr(shown, name))
        if MORE[kind]:
            with st.popover("More", icon=":material/more_horiz:", key="tune-more"):
                for name in MORE[kind]:
                    _widget(asked, name, getattr(shown, name))
    if asked.structure.layers:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tune-own"):
            others = sorted(set(asked.structure.own) - {asked.layer.short})
            mine = f"{asked.layer.short} ({words(asked.own)})" if asked.own else ""
            frame.quiet(f"Own settings: {', '.join(filter(None, [mine, *others]))}.", width="content")
            if asked.own:
                st.button("Clear this layer's", key="tune-clear", icon=":material/layers_clear:", type="tertiary", help="Let it follow the settings of all layers",
                          on_click=lambda: address.go(asked.structure.set(asked.layer.name), scope=None))
            if others:
                st.button("Clear all", key="tune-clear-all", icon=":material/clear_all:", type="tertiary", help="Let every layer follow the settings of all",
                          on_click=lambda: address.go(dataclasses.replace(asked.structure, layers=""), scope=None))
    if said := st.session_state.pop(REFUSED, ""):
        frame.refused(said)


def words(own: dict[str, Any]) -> str:
    """Settings of a layer, for people."""
    return ", ".join(f"{forms.title(k).lower() if k not in DRAGGED.values() else forms.title(k)} {v:g}" if isinstance(v, float) else
                     f"{forms.title(k).lower()} {plain(v)}" for k, v in own.items())


def _scope(asked: Asked) -> None:
    key = pickers.showing("tune-scope", asked.scope)
    st.segmented_control("Changes are for", list(SCOPES), key=key, required=True, format_func=lambda s: SCOPES[s].capitalize(),
                         on_change=pickers.heard(key, lambda chosen: where.go(scope=chosen)),
                         help="A layer can have settings of its own. They are part of the structure's name, so that the ticket can be trained and found again.")


def _widget(asked: Asked, name: str, value: Any) -> None:
    """One setting. It is for all layers where a layer cannot have its own."""
    field = next(f for f in dataclasses.fields(asked.structure) if f.name == name)
    meta, key = field.metadata, pickers.showing(f"tune-{name}", value)
    alone = asked.scope == "layer" and name not in asked.structure.BY_LAYER
    called = "" if forms.title(name).lower().replace(" ", "_") == name else f" In names and commands: {name}."
    given = {"key": key, "help": forms.tooltip(field, flag=False) + called + (" For all layers." if alone else ""), "disabled": alone,
             "on_change": _change, "args": (asked.run.id, name, key)}
    label = forms.title(name)
    if meta["choices"] is not None:
        st.selectbox(label, list(meta["choices"]), width=WIDTH, **given)
    elif isinstance(field.default, bool):
        st.toggle(label, **given)
    elif isinstance(field.default, float):
        st.number_input(label, value=None, step=0.05, format="%g", width=WIDTH, **given)
    else:
        st.number_input(label, value=None, step=1, width=WIDE if len(label) > 20 else WIDTH, **given)


def _change(run_id: str, name: str, key: str) -> None:
    """By the address as it is now: what was drawn last may be older."""
    asked, _ = address.asked(cache.run(run_id))
    value = st.session_state[key]
    try:
        if value is None:
            raise ConfigError(f"{name} is empty; it stays {getattr(asked.shown, name)}")
        address.go(asked.changed(**{name: value}), scope=asked.scope)
    except ConfigError as e:
        st.session_state[REFUSED] = str(e)
