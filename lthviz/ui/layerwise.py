"""Density of every layer over the rounds: of one run, or of two side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import streamlit as st

from lthviz.errors import LthvizError
from lthviz.figures import rows, theme
from lthviz.figures.compared import shared_layers
from lthviz.figures.layer_rounds import LayerRounds, layer_rounds, layer_rounds_alt, layer_rounds_table
from lthviz.records import Address, Run
from lthviz.ui import cache, figure, frame, pickers, where


def densities(run: Run, label: str, name: str = "") -> LayerRounds:
    """What a run's tickets of that structure keep of every layer, by its finished rounds."""
    there = [k for k in run.finished if k and any((r["round"], r["structure"]) == (k, label) for r in run.rows)]
    found = _densities(run.id, label, tuple(there), cache.stamp(run.id), run)
    return LayerRounds(run.id, rows.title(run, label), tuple(x.short for x in run.layers), tuple(there), found, name)


@st.cache_resource(max_entries=64, show_spinner="Reading the masks of every round")
def _densities(run_id: str, label: str, rounds: tuple[int, ...], stamp: tuple, _run: Run) -> np.ndarray:
    store, out = cache.store(), np.full((len(_run.layers), len(rounds)), np.nan)
    for j, k in enumerate(rounds):
        try:
            masks = store.ticket(Address(run_id, k, label)).masks
        except LthvizError:     # a damaged round is told of on the run's own pages; here it stays empty
            continue
        out[:, j] = [masks.density(x.name) if x.name in masks else np.nan for x in _run.layers]
    return out


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawn(key: tuple, dark: bool, _of: LayerRounds):
    return layer_rounds(_of, dark=dark)


def _key(of: LayerRounds) -> tuple:
    return of.run, of.method, of.name, of.rounds, hashlib.sha256(of.density.tobytes()).hexdigest()


def pick(labels: Sequence[tuple[str, str]]) -> str:
    """Which method: by the address where it has it, else the first structure. labels: (label, name)."""
    known, asked = dict(labels), where.text("layers")
    asked = next((label for label in known if theme.kind(label) == asked), asked) if asked not in known else asked
    current = asked if asked in known else next((label for label in known if label != "unstructured"), next(iter(known)))
    if asked and asked not in (*known, "1"):
        frame.notes([f"The link asks for the layers of {asked!r}, which was not trained here; showing {known[current]}."])
    key = pickers.showing("pick-layers", current)
    st.segmented_control("Method", list(known), key=key, required=True, format_func=known.get, wrap=True,
                         on_change=pickers.heard(key, lambda chosen: where.go(layers=chosen)))
    return current


def fold(run: Run, key: str = "layer-rounds") -> None:
    """The figure of one run behind a fold, which is open where the address asks for it; its rounds are read only then."""
    labels = [(label, rows.title(run, label)) for label in rows.labels([run])]
    if not labels or not run.layers:
        return
    fold = st.expander("Where the weights are, layer by layer and round by round", icon=":material/layers:", type="compact", key=f"{key}-fold",
                       expanded=bool(where.text("layers")), on_change="rerun")
    if fold.open:
        with fold:
            of = densities(run, pick(labels))
            figure.show(_drawn(_key(of), frame.dark(), of), layer_rounds_table([of]), key=key)


def beside(pairs: Sequence[tuple[str, Run, str]], key: str = "layer-rounds") -> None:
    """Figures side by side: (name, run, label) of each; one below the other on a narrow screen."""
    found = [densities(run, label, name) for name, run, label in pairs]
    if len(pairs) == 2:
        frame.quiet(shared_layers(pairs[0][1], pairs[1][1]))
    for i, (column, of) in enumerate(zip(st.columns(len(found), gap="medium"), found, strict=True)):
        with column:
            st.markdown(f"**{frame.plain(of.title)}**")
            figure.picture(_drawn(_key(of), frame.dark(), of), key=f"{key}-{i}")
    twin = st.expander("The numbers", icon=":material/table:", type="compact", key=f"{key}-table", on_change="rerun")
    if twin.open:
        with twin:
            st.caption(frame.plain(" ".join(layer_rounds_alt(of) for of in found)))
            figure.numbers(layer_rounds_table(found), key=key)
