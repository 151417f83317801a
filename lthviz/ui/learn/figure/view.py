"""The component that shows a chapter's figure. All its frames are sent at once; the browser alone chooses which is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from lthviz.figures import theme
from lthviz.ui.learn.figure.frames import Control, Frame, Matrix
from lthviz.ui.learn.figure.payload import payload

HUES = (("#AA3377", "#E287B8"), ("#00805D", "#2DBE94"), ("#7A5FC0", "#B7A4F0"), ("#8A7A3B", "#C9B66A"), ("#00747A", "#4FD1D1"), ("#C9304A", "#FF8096"),
        ("#5E7F14", "#A8CC52"), ("#7A5548", "#C7A494"))
"""Of groups, on light and on dark pages; far from the two of added and removed weights."""
HTML = """<div class="lf"><div class="controls"></div><div class="stage"><div class="cells"><div class="matrices"></div>
<div class="foot"><div class="legend" role="list" aria-label="What the cells show"></div><div class="read" aria-hidden="true"></div></div></div>
<div class="drawing" role="img" hidden></div></div>
<div class="saying"><p class="said" aria-live="polite"></p><p class="room" aria-hidden="true"></p></div>
<i class="rem" aria-hidden="true"></i></div>"""


class Cell(NamedTuple):
    """A cell that the reader clicked in an editable matrix. matrix: its number; row, column: original ones."""

    matrix: int
    row: int
    column: int


@cache
def _component() -> Callable[..., Any]:
    here = Path(__file__).parent
    js = "\n".join((here / f"{name}.js").read_text(encoding="utf-8") for name in ("controls", "matrix", "drawing", "mount"))
    return st.components.v2.component("lthviz_lesson_figure", html=HTML, css=_colours() + (here / "figure.css").read_text(encoding="utf-8"), js=js)


def _colours() -> str:
    """The palette of both themes as CSS variables."""
    return "".join(f".lf{which} {{ {' '.join(f'--{k}: {v};' for k, v in _palette(dark).items())} }}\n" for which, dark in (("", False), ('[data-theme="dark"]', True)))


def _palette(dark: bool) -> dict[str, str]:
    p = theme.palette(dark)
    return {k: getattr(p, k) for k in ("added", "removed", "kept", "muted", "rule", "paper", "accent")} | {f"hue-{i}": h[dark] for i, h in enumerate(HUES)}


def lesson_figure(frames: Sequence[Frame], controls: Sequence[Control] = (), matrices: Sequence[Matrix] = (), *, key: str,
                  on_cell: Callable[[Cell], None] | None = None) -> None:
    """Draw the figure. frames: one for every combination of the controls' places, the last control running fastest; one frame without controls.

    on_cell: called with a cell of an editable matrix that was clicked (or Enter/Space); the caller changes its state, and the fragment
    draws anew. Where the controls stand is the browser's and stays when new frames come in. ValueError where numbers do not fit together.
    """
    data = payload(frames, controls, matrices, key)

    def heard() -> None:
        cell = _cell(st.session_state[key].get("cell"), matrices)
        if cell and on_cell:
            on_cell(cell)

    _component()(key=key, data=data, on_cell_change=heard)


def _cell(said: Any, matrices: Sequence[Matrix]) -> Cell | None:
    """What the browser sent, where it is a cell that may be changed."""
    if not isinstance(said, dict) or not all(isinstance(said.get(k), int) for k in Cell._fields):
        return None
    cell = Cell(**{k: said[k] for k in Cell._fields})
    if not 0 <= cell.matrix < len(matrices) or not matrices[cell.matrix].editable:
        return None
    rows, columns = matrices[cell.matrix].shape
    return cell if 0 <= cell.row < rows and 0 <= cell.column < columns else None
