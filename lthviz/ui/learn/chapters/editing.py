"""A small mask that the reader changes by clicking: which cells are switched stays in the session, by chapter and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from lthviz.records import Run
from lthviz.ui.learn import material
from lthviz.ui.learn.chapters.refill_frames import matrix
from lthviz.ui.learn.figure import Cell, Control, Frame, lesson_figure
from lthviz.ui.learn.material import Piece


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


def edited(chapter: str, run: Run, piece: Piece, frames: Callable[[np.ndarray, np.ndarray, list[int]], Sequence[Frame]], controls: Sequence[Control], origin: str) -> None:
    """The figure of a piece whose mask the reader may change, with the way back and where the piece is from.

    frames: of the mask, bool (R, c), as it is now, of its weights and of the original numbers of its rows.
    """
    mask, channels = switched(piece.mask, chapter, run.id), piece.rows.tolist()
    lesson_figure(frames(mask, piece.weights, channels), controls, [matrix(mask, piece.weights, channels, piece.places(), float(np.abs(piece.weights).max()))],
                  key=f"learn-{chapter}", on_cell=lambda cell: switch(chapter, run.id, cell))
    as_it_was(chapter, run.id)
    material.origin(run, origin, key=chapter)


def _key(chapter: str) -> str:
    return f"learn-{chapter}-switched"
