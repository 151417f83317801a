"""What can be had of a run that is branched from: its checkpoint where it kept one, its rounds, and whose weights they hold."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from lthviz.config import UNSTRUCTURED
from lthviz.errors import AddressError, DamagedError
from lthviz.records import Checkpoint, Round, Run, Ticket
from lthviz.store import Store

log = logging.getLogger("lthviz")


class Have(NamedTuple):
    """What can be had of the parent. trunk: rounds whose trunk's weights; tickets: of the branch's first round."""

    theta_k: bool
    dense: bool
    trunk: frozenset[int]
    tickets: Mapping[str, Ticket]


def kept_checkpoint(store: Store, run_id: str) -> Checkpoint | None:
    try:
        return store.checkpoint(run_id)
    except DamagedError as e:   # its rounds may do
        log.warning("%s: %s", run_id, e)
        return None


def look(store: Store, run: Run, round: int, checkpoint: Checkpoint | None = None) -> Have:
    """checkpoint: the parent's, where it is read already; else only its head is."""
    if checkpoint is None:
        try:
            kept = store.kept(run.id)
        except DamagedError as e:
            log.warning("%s: %s", run.id, e)
            kept = None
        index, trained, parts = kept or (-1, frozenset(), frozenset())
    else:
        index, parts = checkpoint.round.index, {name.partition("/")[0] for name in checkpoint.arrays}
        trained = {t.structure for t in checkpoint.round.tickets.values() if t.test_acc is not None}
    of_checkpoint = index if run.config.trunk_of(max(0, index)) in trained else index - 1
    trunk = {of_checkpoint} if "trunk" in parts else set()
    for k in (round - 1, round):
        if is_stored(round_of(store, run, k, checkpoint), run.config.trunk_of(k)):
            trunk.add(k)
    at = round_of(store, run, round, checkpoint)
    dense = "dense" in parts or is_stored(store.round(run.id, 0), UNSTRUCTURED)
    return Have("theta_k" in parts, dense, frozenset(trunk), at.tickets if at else {})


def round_of(store: Store, run: Run, index: int, checkpoint: Checkpoint | None) -> Round | None:
    if checkpoint is not None and checkpoint.round.index == index and index not in run.finished:
        return checkpoint.round
    try:
        return store.round(run.id, index) if index in run.rounds else None
    except (AddressError, DamagedError):
        if index in run.finished:
            raise
        return None


def is_stored(round: Round | None, label: str) -> bool:
    return round is not None and label in round.tickets and round.tickets[label].weights is not None
