"""The checkpoint that a branch begins with, made of what its parent kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from lthviz.branching.parent import Have, is_stored, round_of
from lthviz.branching.takeover import inherited_labels, needs_weights, weights_for
from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.records import Checkpoint, Round, Run, Ticket
from lthviz.store import Store

IMAGES = ("train_images", "val_images", "test_images", "classes")
"""What a parent's info says of its images, which must still be those."""


def first_checkpoint(store: Store, run: Run, config: RunConfig, have: Have, taken: Mapping[str, Ticket], checkpoint: Checkpoint | None) -> Checkpoint:
    """At the beginning of its first own round with the tickets that are taken over, else at the end of the round before."""
    index, arrays = config.from_round, {}
    there = checkpoint.arrays if checkpoint else {}
    arrays |= {k: v for k, v in there.items() if k.startswith(("theta_k/", "dense/"))}
    if not any(k.startswith("dense/") for k in arrays) and any(weights_for(s, taken) == "dense" for s in config.structures):
        weights = store.round(run.id, 0).ticket(UNSTRUCTURED).weights
        arrays |= {f"dense/{layer.name}": weights[layer.name] for layer in run.layers}
    if index - 1 in have.trunk:
        arrays |= {f"trunk/{k}": v for k, v in _trunk(store, run, index - 1, checkpoint).items()}
    if taken:
        tickets = {label: dataclasses.replace(t, weights=_weights(store, run, config, t, checkpoint)) for label, t in taken.items()}
        at = Round(index, tickets, 0, False)
    else:
        before = store.round(run.id, index - 1)
        at = dataclasses.replace(before, tickets={k: dataclasses.replace(t, weights=None) for k, t in before.tickets.items()})
    known = "test_images" in run.info     # a network may be taken in without its images
    images = {k: run.info[k] for k in IMAGES if k in run.info and known}
    meta = {"done": 0, "branch": {"inherited": list(inherited_labels(taken)), "again": not have.theta_k, "images": images}}
    return Checkpoint(meta, arrays, at)


def _trunk(store: Store, run: Run, index: int, checkpoint: Checkpoint | None) -> dict[str, np.ndarray]:
    """The state that the trunk's training of that round left."""
    label = run.config.trunk_of(index)
    stored = round_of(store, run, index, checkpoint)
    if is_stored(stored, label):
        return dict(stored.tickets[label].weights)
    return {k.removeprefix("trunk/"): v for k, v in checkpoint.arrays.items() if k.startswith("trunk/")}


def _weights(store: Store, run: Run, config: RunConfig, ticket: Ticket, checkpoint: Checkpoint | None) -> dict[str, np.ndarray] | None:
    """What of an inherited ticket's weights the branch keeps or goes on from."""
    if ticket.test_acc is None or not needs_weights(config, config.from_round, ticket.structure):
        return None
    return dict(ticket.weights) if ticket.weights is not None else _trunk(store, run, ticket.round, checkpoint)
