"""What the course is taught on: a finished run that is here, and small pieces of its layers with their real numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.errors import AddressError
from lthviz.records import Layer, Run
from lthviz.ui import cache


class Piece(NamedTuple):
    """Some rows and columns of a layer as they are in a run. rows, cols: original numbers, ascending. weights: float64 (R, c), trained in
    that round. mask: bool (R, c), of the ticket that trained them."""

    run: Run
    round: int
    layer: Layer
    rows: np.ndarray
    cols: np.ndarray
    weights: np.ndarray
    mask: np.ndarray


def run() -> Run:
    """The run that the course shows: the first example that keeps its trained weights in every round, else the newest such run of the reader.

    AddressError where there is none.
    """
    known, _ = cache.briefs()
    for brief in sorted((b for b in known if b.status.state == "finished"), key=lambda b: not b.example):
        found = cache.run(brief.id)
        if found.layers and len(found.finished) > 3 and _keeps(found):
            return found
    raise AddressError("no run here keeps its trained weights; start the digits study on Home, and the course shows it")


def _keeps(found: Run) -> bool:
    last = found.finished[-1]
    return all(UNSTRUCTURED in (r := cache.round(found.id, k)).tickets and bool(r.ticket(UNSTRUCTURED).weights) for k in (0, 1, last))


def piece(found: Run, round: int, layer: str, rows: np.ndarray, cols: np.ndarray) -> Piece:
    """Those rows and columns of a layer's unstructured ticket of a round. layer: its name or short name."""
    of = next(x for x in found.layers if layer in (x.name, x.short))
    ticket = cache.round(found.id, round).ticket(UNSTRUCTURED)
    matrix = np.asarray(ticket.weights[of.name], np.float64).reshape(of.matrix)
    at = np.ix_(rows, cols)
    return Piece(found, round, of, np.asarray(rows), np.asarray(cols), matrix[at], ticket.masks.matrix(of.name)[at])
