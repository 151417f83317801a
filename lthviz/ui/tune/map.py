"""The sensitivity map on Tune: t1 against groups for the whole network; a click takes a cell's settings. It fills column by column."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import streamlit as st

from lthviz.config import Regroup
from lthviz.figures.sensitivity import VALUES, sensitivity, sensitivity_table
from lthviz.tuning import Cell, Source
from lthviz.ui import figure, frame, pickers, where
from lthviz.ui.tune import address, data
from lthviz.ui.tune.address import Asked

POLL_S = 1.0


def section(of: Source, asked: Asked) -> None:
    """Below its heading: a button to begin with, then the map. Whether it is open is in the address."""
    st.subheader("How the network answers to t1 and groups", anchor=False)
    word, usual = where.text("map"), "coverage" if of.weights is None else "magnitude"     # where leftovers are dropped, all that is kept lies in blocks
    if word and word not in VALUES:
        frame.notes([f"The link colours the map by {word!r}; it can be {', '.join(VALUES)}. Showing {VALUES[usual].name.lower()}."])
        word = usual
    if not word:
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.button("Work it out", key="tune-map-open", icon=":material/grid_view:", on_click=lambda: where.go(map=usual))
            frame.quiet("Every layer is divided into 2, 4, 8 … groups, in a process of its own, and kept; each takes as long as the first.", width="content")
        return
    key = pickers.showing("tune-map", word)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control("Coloured by", list(VALUES), key=key, required=True, format_func=lambda v: VALUES[v].name, wrap=True,
                             on_change=pickers.heard(key, lambda chosen: where.go(map=chosen)))
        st.button("Close", key="tune-map-close", icon=":material/close:", type="tertiary", on_click=lambda: where.go(map=None))
    cells, waiting = data.columns(of, asked.structure)
    more = any(w.endswith("divided") for w in waiting.values() if not w.startswith("could"))
    _steps(asked, cells)
    _figure(of, asked, word, cells, waiting)
    if more:
        frame.fragment(_filling, run_every=POLL_S)(of, asked, len(cells))


def _steps(asked: Asked, cells: Sequence[Cell]) -> None:
    """From the outlined cell to the one beside it: by keyboard every cell is reached so."""
    s = asked.structure
    groups, t1s = ({getattr(c, name) for c in cells} for name in ("groups", "t1"))
    ways = (("Fewer groups", "arrow_back", max((g for g in groups if g < s.groups), default=None), None),
            ("More groups", "arrow_forward", min((g for g in groups if g > s.groups), default=None), None),
            ("Smaller t1", "arrow_downward", None, max((t for t in t1s if t < s.t1), default=None)),
            ("Larger t1", "arrow_upward", None, min((t for t in t1s if t > s.t1), default=None)))
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="tune-map-steps"):
        for label, icon, to_groups, to_t1 in ways:
            st.button(label, key=f"tune-map-{label.split()[0].lower()}", icon=f":material/{icon}:", type="tertiary", on_click=_take,
                      disabled=to_groups is None and to_t1 is None, args=(asked, (to_groups or s.groups, to_t1 or s.t1)),
                      help="Takes the next cell of the map in that direction")


def _figure(of: Source, asked: Asked, value: str, cells: Sequence, waiting: dict[int, str]) -> None:
    s = asked.structure
    fig = sensitivity(cells, value=value, current=(s.groups, s.t1), waiting=waiting, where=f"of round {asked.round} of {asked.run.id}", dark=frame.dark())
    figure.show(fig, sensitivity_table(cells), key="sensitivity", on_point=lambda at: _take(asked, at), on_row=lambda row: _take(asked, (row["groups"], row["t1"])))


def _take(asked: Asked, at: Sequence) -> None:
    """A cell was chosen: its settings, for all layers."""
    if isinstance(asked.structure, Regroup):
        address.go(dataclasses.replace(asked.structure, groups=int(at[0]), t1=float(at[1])))


def _filling(of: Source, asked: Asked, seen: int) -> None:
    """Asks again until another column is there."""
    cells, waiting = data.columns(of, asked.structure)
    if len(cells) != seen:
        st.rerun()
    frame.quiet("; ".join(f"{groups} groups: {said}" for groups, said in waiting.items()) + ".")
