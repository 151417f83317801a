"""What a chapter's figure is made of. All of it is plain values, so that a test can hold them against the core functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

NEVER, KEPT, ADDED, REMOVED = range(4)
"""What became of a weight, as in the mask view: there in neither mask, in both, only now, only before."""
STATES = ("not there", "kept", "added", "removed")
"""What the four are called, unless a matrix has its own words."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """A small matrix that the figure shows in every frame. values: (C, n) float, its weights, nan where a cell shows none; None: no cell
    shows one.

    name: above it; unit: after the name, what a row and a column stand for ("channels × weights"). rows, columns: what each is called
    when it is pointed at and spoken ("output channel 3"). letters: what stands beside each row, heads: above each column (both by
    original number, short; heads only where the columns of all rows are in one order), () for none. states: what NEVER…REMOVED are called
    here. largest: the |w| that is shaded darkest; None: the matrix's own largest. Two matrices with one `largest` can be compared.
    """

    values: np.ndarray | None
    shape: tuple[int, int]
    name: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    editable: bool = False
    unit: str = ""
    letters: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    states: tuple[str, str, str, str] = STATES
    largest: float | None = None


@dataclass(frozen=True, eq=False)
class Band:
    """Rows that are drawn together, with the order of their columns. rows: original numbers, top to bottom; cols: original numbers, left
    to right, all of them; block: so many of the first columns are outlined as a dense block (0: none). name: beside the band."""

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    name: str = ""
    block: int = 0
    hue: int = -1
    """Which of the eight group colours its name and outline have, counted round; -1: none."""


@dataclass(frozen=True, eq=False)
class Picture:
    """How a matrix looks in a frame. codes: uint8 (C, n) of NEVER…REMOVED. bands: top to bottom, cover every row once; () is one band in
    the original order. notes: text right of each row (by original row), () for none. bars: 0..1, a bar right of each row. under: text
    under each column (by place, one band only). pale: bool (C, n), cells that are drawn as if far away. strong: bool (C, n), cells
    with a heavy outline. rows_strong: original rows that are marked as chosen."""

    codes: np.ndarray
    bands: tuple[Band, ...] = ()
    notes: tuple[str, ...] = ()
    bars: tuple[float, ...] = ()
    under: tuple[str, ...] = ()
    pale: np.ndarray | None = None
    strong: np.ndarray | None = None
    rows_strong: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Frame:
    """One state of the figure. pictures: of the figure's matrices, in their order. drawing: an SVG (`<svg viewBox=…>`, no script, no
    address, colours by `currentColor` or CSS variables --added, --removed, --kept, --muted, --rule, --paper, --accent, --hue-0…--hue-7)
    under or instead of them; text without a font-size is as large as the figure's small letters, however wide the drawing is shown.
    said: one or two sentences that say what is seen, with its numbers; read aloud when the frame changes. alt: of the drawing."""

    said: str
    pictures: tuple[Picture, ...] = ()
    drawing: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Control:
    """What chooses the frame. kind: `steps` (named steps, one after the other: buttons, and ←/→ on the page), `slider` (a range that is
    dragged), or `choice` (two to four named alternatives). texts: what each place is called. start: the place at first."""

    name: str
    texts: tuple[str, ...]
    kind: Literal["steps", "slider", "choice"]
    start: int = 0
    help: str = ""
