"""A small mask that the reader changes by clicking: which cells are switched stays in the session, by chapter and run."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lthviz.ui.learn.figure import Cell


def switched(mask: np.ndarray, chapter: str, run_id: str) -> np.ndarray:
    """The mask with what the reader switched. mask: bool (C, n); a copy comes back."""
    out = mask.copy()
    for row, column in st.session_state.get(_key(chapter), {}).get(run_id, ()):
        if row < out.shape[0] and column < out.shape[1]:
            out[row, column] ^= True
    return out


def switch(chapter: str, run_id: str, cell: Cell) -> None:
    """Switch one weight of the mask on or off."""
    now = st.session_state.get(_key(chapter), {}).get(run_id, frozenset())
    st.session_state[_key(chapter)] = {run_id: now ^ {(cell.row, cell.column)}}


def as_it_was(chapter: str, run_id: str, what: str = "weight") -> None:
    """The button that takes all of it back. what: a click switches."""
    changed = len(st.session_state.get(_key(chapter), {}).get(run_id, ()))
    st.button("As it was", key=f"learn-{chapter}-reset", icon=":material/undo:", disabled=not changed, on_click=st.session_state.pop, args=(_key(chapter), None),
              help=f"Take back the {changed} {what}{'s' * (changed != 1)} that you switched" if changed else f"Click a {what} to switch it on or off")


def _key(chapter: str) -> str:
    return f"learn-{chapter}-switched"
