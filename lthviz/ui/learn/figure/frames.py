"""What a chapter's figure is made of. All of it is plain values, so that a test can hold them against the core functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

NEVER, KEPT, ADDED, REMOVED = range(4)
"""What became of a weight, as in the mask view: there in neither mask, in both, only now, only before."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """A small matrix that the figure shows in every frame. values: (C, n) float, its weights, nan where a cell shows none; None: no cell
    shows one.

    name: above it. rows, columns: what each is called when it is pointed at and spoken ("output channel 3"); letters short enough to
    stand beside a row, "" for none. unit: what a row and a column stand for, in its corner ("channels × weights").
    """

    values: np.ndarray | None
    shape: tuple[int, int]
    name: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    editable: bool = False


@dataclass(frozen=True, eq=False)
class Band:
    """Rows that are drawn together, with the order of their columns. rows: original numbers, top to bottom; cols: original numbers, left
    to right, all of them; block: so many of the first columns are outlined as a dense block (0: none). name: beside the band."""

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    name: str = ""
    block: int = 0
    hue: int = -1
    """Which of the group colours its name and outline have; -1: none."""


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
    address, colours by `currentColor` or CSS variables --added, --removed, --kept, --muted, --rule, --accent) under or instead of them.
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
