"""The component that shows a chapter's figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lthviz.ui.learn.figure.frames import Control, Frame, Matrix


class Cell(NamedTuple):
    """A cell that the reader clicked in an editable matrix. matrix: its number; row, column: original ones."""

    matrix: int
    row: int
    column: int


def lesson_figure(frames: Sequence[Frame], controls: Sequence[Control] = (), matrices: Sequence[Matrix] = (), *, key: str,
                  on_cell: Callable[[Cell], None] | None = None) -> None:
    """Draw the figure. frames: one for every combination of the controls' places, the last control running fastest; one frame without controls.

    on_cell: called with a cell of an editable matrix that was clicked (or Enter/Space); the caller changes its state, and the fragment
    draws anew. Where the controls stand is the browser's and stays when new frames come in. ValueError where numbers do not fit together.
    """
    raise NotImplementedError
