"""What the course is taught on: a finished run that is here, and small pieces of its layers with their real numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.records import Layer, Run
from lthviz.ui import cache, frame, pickers
from lthviz.ui.learn.chapter import Missing
from lthviz.words import capital


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

    def part(self, rows: np.ndarray, cols: np.ndarray) -> Piece:
        """Some of its rows and columns, by their places in it."""
        at = np.ix_(rows, cols)
        return self._replace(rows=self.rows[rows], cols=self.cols[cols], weights=self.weights[at], mask=self.mask[at])

    def places(self) -> tuple[str, ...]:
        """What each of its columns is: the weight of which input channel, at which place of its kernel, both from 0."""
        _, _, high, wide = self.layer.shape
        return tuple(f"input channel {c // (high * wide)}, kernel row {c // wide % high}, column {c % wide}" for c in self.cols.tolist())


def run() -> Run:
    """The run that the course shows: the first example that keeps its trained weights in every round, else the newest such run of the reader.

    Missing where there is none.
    """
    known, _ = cache.briefs()
    for brief in sorted((b for b in known if b.status.state == "finished" and b.config.keep_weights != "none" and b.rounds > 3), key=lambda b: not b.example):
        found = cache.run(brief.id)
        if _serves(found):
            return found
    raise Missing("no finished run here has three rounds of pruning and keeps its trained weights; start the digits study on Home, and the course shows it")


@lru_cache(maxsize=64)      # a run is another object once a file of it has changed
def _serves(found: Run) -> bool:
    """Whether it has the unstructured ticket and its weights in every round that chapters look at."""
    if not found.layers or len(found.finished) <= 3 or found.finished != tuple(range(len(found.finished))):
        return False
    tickets = [cache.round(found.id, k).tickets.get(UNSTRUCTURED) for k in found.finished]
    return all(t is not None and t.weights for t in tickets)


def piece(found: Run, round: int, layer: str, rows: np.ndarray, cols: np.ndarray) -> Piece:
    """Those rows and columns of a layer's unstructured ticket of a round. layer: its name or short name."""
    of = next(x for x in found.layers if layer in (x.name, x.short))
    ticket = cache.round(found.id, round).ticket(UNSTRUCTURED)
    matrix = np.asarray(ticket.weights[of.name], np.float64).reshape(of.matrix)
    at = np.ix_(rows, cols)
    return Piece(found, round, of, np.asarray(rows), np.asarray(cols), matrix[at], ticket.masks.matrix(of.name)[at])


def third(found: Run) -> int:
    """The first round that keeps at most a third of the weights, else the last: sparse enough to be rearranged, and much is still there."""
    return next((k for k in found.finished if cache.round(found.id, k).ticket(UNSTRUCTURED).masks.density() <= 1 / 3), found.finished[-1])


def label(found: Run, round: int, kind: str) -> str:
    """Label of the round's first ticket of that kind of structure (`refill`), '' where it has none."""
    return next((s.label for s in found.config.at(round).structures if s.kind == kind), "")


def middle(found: Run) -> Layer:
    """The middle one of the convolutions that are large enough to show a piece of."""
    large = [x for x in found.layers if x.convolution and x.groups == 1 and x.matrix[0] >= 12 and x.matrix[1] >= 15]
    if not large:
        raise Missing(f"run {found.id} has no convolution of 12 channels; start the digits study on Home, and the course shows it")
    return large[(len(large) - 1) // 2]


def largest(found: Run) -> Layer:
    """The convolution of most weights, on square maps. Missing where there is none but grouped ones."""
    every = [x for x in found.layers if x.convolution and x.groups == 1 and x.out_hw[0] == x.out_hw[1]]
    if not every:
        raise Missing(f"run {found.id} has no plain convolution; start the digits study on Home, and the course shows it")
    return max(every, key=lambda x: x.size)


@lru_cache(maxsize=16)
def pruned(found: Run, round: int, layer: str) -> Piece:
    """A whole layer as the structures of a round find it: what the round's pruning left, and every weight as it was when it was last
    trained. The weights that are left were trained in the round before: structures score them by these. round: from 1."""
    of = next(x for x in found.layers if layer in (x.name, x.short))
    before = [cache.round(found.id, k).ticket(UNSTRUCTURED) for k in range(round)]
    weights = np.array(before[0].weights[of.name], np.float64).reshape(of.matrix)
    for ticket in before[1:]:
        there = ticket.masks.matrix(of.name)
        weights[there] = np.asarray(ticket.weights[of.name]).reshape(of.matrix)[there]
    weights.flags.writeable = False
    mask = cache.round(found.id, round).ticket(UNSTRUCTURED).masks.matrix(of.name)
    mask.flags.writeable = False
    return Piece(found, round, of, np.arange(of.matrix[0]), np.arange(of.matrix[1]), weights, mask)


def origin(found: Run, said: str, key: str) -> None:
    """A quiet line of where numbers come from; the chapter's links lead there. said: what they are, in a sentence or more."""
    with st.container(key=f"origin-{key}", gap=None):
        frame.quiet(f"{capital(said.removesuffix('.'))}. From {pickers.run_title(found)}, run {found.id}.")
