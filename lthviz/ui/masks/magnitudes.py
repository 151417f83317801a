"""How much of the trained weights' magnitude each layer's mask keeps, where a run stores those weights."""

from __future__ import annotations

import numpy as np
import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.errors import LthvizError
from lthviz.records import Address, Masks, Run, Ticket
from lthviz.ui import cache

QUICK = 3_000_000
"""Weights of a network up to which this is worked out unasked: reading those of a larger one takes part of a second."""


def stored(run: Run, index: int) -> bool:
    """Whether the weights that a round was pruned by are there."""
    if index < 1 or index - 1 not in run.rounds:
        return False
    try:
        return cache.round(run.id, index - 1).ticket(run.config.trunk_of(index - 1)).weights is not None
    except LthvizError:
        return False


def kept(run: Run, ticket: Ticket) -> dict[str, float | None]:
    """By layer: Σ|w| over the mask, as a share of Σ|w| over the mask it was made from: the round's unstructured one, and of that one the
    trunk's of the round before. w: the trained weights that the round was pruned by. None for a layer without any."""
    last = cache.round(run.id, ticket.round - 1).ticket(run.config.trunk_of(ticket.round - 1))
    now = cache.round(run.id, ticket.round)
    of = now.ticket(UNSTRUCTURED).masks if ticket.structure != UNSTRUCTURED and UNSTRUCTURED in now.tickets else last.masks
    return _kept(Address(run.id, ticket.round, ticket.structure), ticket.masks.digest, of.digest, last.masks.digest, ticket.masks, of, last)


@st.cache_data(max_entries=64, show_spinner="Reading the trained weights")
def _kept(address: Address, masks: str, of: str, trained: str, _masks: Masks, _of: Masks, _last: Ticket) -> dict[str, float | None]:
    return {name: share(_masks.matrix(name), _of.matrix(name), _last.weights[name]) for name in _masks}


def share(mask: np.ndarray, of: np.ndarray, weights: np.ndarray) -> float | None:
    """Σ|weights| over `of` that `mask` keeps, 0..1; both bool (C, n)."""
    size = np.abs(weights).reshape(of.shape)
    whole = float(size[of].sum(dtype=np.float64))
    return float(size[of & mask].sum(dtype=np.float64)) / whole if whole else None
